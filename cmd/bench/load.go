package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// load is many workers who each do one thing after the other and check it: as fast as they can or, with a rate, when it
// is due.
type load struct {
	o      options
	span   span
	took   clock
	late   clock
	faults faultLog
	spent  sync.Once
}

// errSpent is what a worker answers for whom there is nothing left to do. The measured span ends with the first such
// answer; it is an error of the whole where that comes before the end of the warm-up.
var errSpent = errors.New("everything there was to do was used up before the end of the warm-up")

// wrong is an answer that came in time and isn't what it has to be.
type wrong struct{ error }

func newLoad(o options) *load {
	l := &load{o: o}
	l.span.over = make(chan struct{})
	l.took.span, l.late.span = &l.span, &l.span
	return l
}

// run has the workers work through warm-up and duration. work is told the worker's number and when its task began, or was
// due.
func (l *load) run(ctx context.Context, used func() (usage, error), workers int, work func(worker int, began time.Time) error) (measured, error) {
	stop, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	var due chan time.Time
	if l.o.Rate > 0 {
		due = make(chan time.Time, 1024)
		working.Go(func() {
			defer close(due)
			times := newArrivals(l.o, time.Now())
			times.late = &l.late
			times.run(stop, func(at time.Time) { due <- at })
		})
	}
	for w := range workers {
		working.Go(func() { l.work(stop, due, func(began time.Time) error { return work(w, began) }) })
	}
	m, err := l.span.measure(ctx, l.o, used)
	l.span.hurry()
	cancel()
	working.Wait()
	return m, err
}

// work is one worker's loop. Without times that are due it goes on until stop ends.
func (l *load) work(stop context.Context, due <-chan time.Time, do func(began time.Time) error) {
	if due == nil {
		for stop.Err() == nil && l.one(time.Now(), do) {
		}
		return
	}
	for at := range due {
		if l.span.expired() {
			l.took.take(at)
			l.faults.failed("something was due %v ago and wasn't begun before the end", time.Since(at).Round(time.Second))
		} else {
			l.one(at, do)
		}
	}
}

// one does one thing. It says no when there is nothing left.
func (l *load) one(began time.Time, do func(began time.Time) error) bool {
	err := do(began)
	var bad wrong
	switch {
	case err == nil:
		l.took.take(began)
		l.span.finished(time.Now())
	case errors.Is(err, errSpent):
		l.spent.Do(func() { close(l.span.over) })
		return false
	case errors.As(err, &bad):
		l.faults.wrong("%v", err)
	default:
		l.faults.failed("%v", err)
	}
	return true
}

// result is what the measured span gave. what names the one stage that everything has.
func (l *load) result(scenario, unit, what string, m measured) *result {
	r := &result{Scenario: scenario, Unit: unit, Settings: map[string]any{}, Faults: l.faults.so()}
	if l.o.Rate > 0 {
		r.Settings["rate"], r.Settings["arrivals"] = l.o.Rate, l.o.Arrivals
	}
	r.count(m.count, m.took, m.cost)
	r.stage(what, &l.took.histogram)
	r.lateness(&l.late)
	return r
}

// closed is the options of a load without a rate.
func (o options) closed() options {
	o.Rate = 0
	return o
}
