package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSpanIsAfterTheWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &span{}
		start := time.Now()
		stop := make(chan struct{})
		go func() { // one a second
			for tick := time.NewTicker(time.Second); ; {
				select {
				case now := <-tick.C:
					s.finished(now)
				case <-stop:
					return
				}
			}
		}()
		calls := time.Duration(0)
		used := func() (usage, error) { calls += time.Hour; return usage{parley: calls}, nil }
		m, err := s.measure(t.Context(), options{Warmup: 10500 * time.Millisecond, Duration: 20 * time.Second}, used)
		if err != nil || m.count != 20 || m.took != 20*time.Second || m.cost.parley != time.Hour {
			t.Errorf("%+v, %v", m, err)
		}
		for after, want := range map[time.Duration]bool{0: false, 10: false, 11: true, 30: true, 31: false} {
			if s.holds(start.Add(after*time.Second)) != want {
				t.Errorf("what begins after %d s counts: %v", after, !want)
			}
		}
		if s.hurry(); s.expired() {
			t.Error("nothing may begin any more right after the end")
		}
		time.Sleep(finishWithin + time.Second) // the fake clock's
		if !s.expired() {
			t.Error("what waits has no end")
		}
		close(stop)
	})
}

func TestSpanEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options{Warmup: time.Second, Duration: time.Hour}
		nothing := func() (usage, error) { return usage{}, nil }
		s := &span{over: make(chan struct{})}
		time.AfterFunc(5*time.Second, func() { close(s.over) })
		if m, err := s.measure(t.Context(), o, nothing); err != nil || m.took != 4*time.Second {
			t.Errorf("used up: %+v, %v", m, err)
		}
		if _, err := s.measure(t.Context(), o, nothing); !errors.Is(err, errSpent) {
			t.Errorf("used up in the warm-up: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := (&span{}).measure(ctx, o, nothing); !errors.Is(err, errInterrupted) {
			t.Errorf("interrupted: %v", err)
		}
	})
}
