package chat

import (
	"context"
	"errors"
	"slices"
	"sync"

	"parley/db/meter"
)

// grouped has calls that come at the same time served together: one transaction for many sends, one query for many
// look-ups. Whoever finds nobody being served is served at once, in their own goroutine. Whoever comes meanwhile waits
// and goes with all others who wait; one of them then serves the group. So a lone call never waits, and under load a
// group is as large as what came while the one before it was served.
type grouped[T any] struct {
	most  int              // how many calls go together
	serve func([]T)        // serves each call of a group, its errors among the results
	sizes *meter.Histogram // of the groups; nil where nobody counts
	mu    sync.Mutex
	busy  bool
	queue []*waiting[T]
}

// waiting is a call in the queue, which hears what has become of it.
type waiting[T any] struct {
	call  T
	hears chan outcome
}

type outcome int

const (
	served     outcome = iota
	itsTurn            // it is to serve the next group
	leftBehind         // whoever served its group panicked, and nobody knows how far that had got
)

var errLeftBehind = errors.New("what was served together with this failed in an unforeseen way")

// do returns when the call was served, with ctx's error if that ends while it still waits for its turn, or with
// errLeftBehind.
func (g *grouped[T]) do(ctx context.Context, call T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	own := &waiting[T]{call: call}
	if g.join(own) {
		if err := g.wait(ctx, own); err != errItsTurn {
			return err
		}
	}
	g.lead(own)
	return nil
}

var errItsTurn = errors.New("its turn") // never leaves do

func (g *grouped[T]) wait(ctx context.Context, own *waiting[T]) error {
	var heard outcome
	select {
	case heard = <-own.hears:
	case <-ctx.Done():
		if g.leave(own) {
			return ctx.Err()
		}
		heard = <-own.hears // it is being served, or its turn came just then
	}
	return [...]error{served: nil, itsTurn: errItsTurn, leftBehind: errLeftBehind}[heard]
}

// join says whether the call has to wait.
func (g *grouped[T]) join(own *waiting[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.busy {
		g.busy = true
		return false
	}
	own.hears = make(chan outcome, 1)
	g.queue = append(g.queue, own)
	return true
}

// leave says no where the call is in the queue no more.
func (g *grouped[T]) leave(own *waiting[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, own)
	if i < 0 {
		return false
	}
	g.queue = slices.Delete(g.queue, i, i+1)
	return true
}

// lead serves own and those who wait, and leaves the next group to one of whoever came meanwhile.
func (g *grouped[T]) lead(own *waiting[T]) {
	others := g.take()
	calls := []T{own.call}
	for _, w := range others {
		calls = append(calls, w.call)
	}
	result := leftBehind
	defer g.next()
	defer func() {
		for _, w := range others {
			w.hears <- result
		}
	}()
	g.sizes.Observe(uint64(len(calls)))
	g.serve(calls)
	result = served
}

func (g *grouped[T]) take() []*waiting[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.queue), g.most-1)
	others := slices.Clone(g.queue[:n])
	g.queue = slices.Delete(g.queue, 0, n)
	return others
}

func (g *grouped[T]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy = len(g.queue) > 0; g.busy {
		g.queue[0].hears <- itsTurn
		g.queue = slices.Delete(g.queue, 0, 1)
	}
}

// waiting is how many calls wait for their turn.
func (g *grouped[T]) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue)
}
