package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// span is the measured part of a run: after the warm-up, for the duration. Its edges are set as the run goes on.
type span struct {
	from, to atomic.Int64 // Unix nanoseconds; 0: not yet
	done     atomic.Uint64
	giveUp   atomic.Int64  // what has not begun by then is not begun any more; Unix nanoseconds; 0: not yet known
	over     chan struct{} // closed when there is nothing left to measure; nil: never
}

// holds says whether something that was to begin at t counts.
func (s *span) holds(t time.Time) bool {
	from, to, n := s.from.Load(), s.to.Load(), t.UnixNano()
	return from != 0 && n >= from && (to == 0 || n < to)
}

// finished counts one that ended now.
func (s *span) finished(now time.Time) {
	if s.holds(now) {
		s.done.Add(1)
	}
}

// measured is what a span gave.
type measured struct {
	count uint64
	took  time.Duration
	cost  usage
}

// measure waits for the warm-up and for the duration while something else makes load, and counts between the two.
// When ctx ends it returns at once, with an error.
func (s *span) measure(ctx context.Context, o options, used func() (usage, error)) (m measured, err error) {
	if err := pause(ctx, o.Warmup); err != nil {
		return m, err
	}
	select {
	case <-s.over:
		return m, errSpent
	default:
	}
	before, err := used()
	if err != nil {
		return m, err
	}
	from := time.Now()
	s.from.Store(from.UnixNano())
	if err := s.wait(ctx, o.Duration); err != nil {
		return m, err
	}
	to := time.Now()
	s.to.Store(to.UnixNano())
	after, err := used()
	return measured{s.done.Load(), to.Sub(from), after.since(before)}, err
}

// wait is pause that ends when there is nothing left to measure.
func (s *span) wait(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	defer close(watched)
	go func() {
		select {
		case <-s.over:
			cancel(errSpent)
		case <-watched:
		}
	}()
	if err := pause(ctx, d); err != nil && context.Cause(ctx) != errSpent {
		return err
	}
	return nil
}

// finishWithin is how long what was due in the span may take to begin after its end.
const finishWithin = 10 * time.Second

// hurry is for when all is measured: what is still waiting has a bounded time.
func (s *span) hurry() { s.giveUp.Store(time.Now().Add(finishWithin).UnixNano()) }

func (s *span) expired() bool {
	at := s.giveUp.Load()
	return at != 0 && time.Now().UnixNano() > at
}

var errInterrupted = errors.New("interrupted")

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errInterrupted
	case <-timer.C:
		return nil
	}
}
