package main

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"
)

// arrivals are the times of an open model: when something is to begin, whether or not the server has kept up. Latency
// counts from these times, so a server that stands still for a second is charged with everybody who came meanwhile.
type arrivals struct {
	rate   float64 // a second
	even   bool    // otherwise Poisson: independent of each other, as people are
	random *rand.Rand
	next   time.Time
	late   *clock // how late bench itself was; nil: nobody asks
}

func newArrivals(o options, start time.Time) *arrivals {
	return &arrivals{rate: o.Rate, even: o.Arrivals == "even", random: rand.New(rand.NewPCG(o.Seed, 1)), next: start}
}

func (a *arrivals) step() time.Time {
	gap := 1 / a.rate
	if !a.even {
		gap *= a.random.ExpFloat64()
	}
	a.next = a.next.Add(time.Duration(gap * float64(time.Second)))
	return a.next
}

// run hands on each time when it has come, until ctx ends. hand may block: the times that follow stay what they are.
func (a *arrivals) run(ctx context.Context, hand func(due time.Time)) {
	for ctx.Err() == nil {
		due := a.step()
		if !sleepUntil(ctx, due) {
			return
		}
		if a.late != nil {
			a.late.take(due)
		}
		hand(due)
	}
}

// longestSleep bounds how late the end of a run is noticed.
const longestSleep = 100 * time.Millisecond

// sleepUntil asks the system itself: the runtime's timers are up to a millisecond late when a program is mostly idle.
// It says no when ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	for left := time.Until(t); left > 0 && ctx.Err() == nil; left = time.Until(t) {
		wait := syscall.NsecToTimespec(int64(min(left, longestSleep)))
		_ = syscall.Nanosleep(&wait, nil) // after an interruption the loop goes on
	}
	return ctx.Err() == nil
}
