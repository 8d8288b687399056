package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// chosen are the faults of this run: those of Redis only where there is one.
func (w *world) chosen() []fault {
	chosen, _ := chosenFaults(w.options.Fault) // checked at the start
	if w.redis == nil {
		chosen = slices.DeleteFunc(chosen, func(f fault) bool { return strings.HasSuffix(f.name, "redis") })
	}
	return chosen
}

// run has people use Parley, breaks one thing after the other, and looks after each at what is true then.
func (w *world) run(ctx context.Context) error {
	people, leave := context.WithCancel(ctx)
	defer leave()
	for _, d := range w.devices() {
		d.use(people)
	}
	for range lives {
		w.busy.Go(func() { w.live(people) })
	}
	search, found := context.WithCancelCause(ctx)
	defer found(nil)
	go w.watchFor(search, found)
	if err := w.breakThings(search); context.Cause(search) == errFound {
		return nil
	} else if err != nil {
		return err
	}
	if err := w.quiet(ctx, 2*time.Second); err != nil {
		return err
	}
	pause(ctx, grace-time.Since(w.lastMended))
	w.devices()[0].speak(ctx) // seldom done, and never to be left out
	w.devices()[0].shout(ctx)
	w.say("%d things were done and %d messages sent; people leave", w.journal.count(), len(w.ledger.all()))
	leave()
	return w.final(ctx)
}

// breakThings goes through every kind of fault once, in any order, and then breaks what comes up until the time is up.
func (w *world) breakThings(ctx context.Context) error {
	r := rand.New(rand.NewPCG(w.options.Seed, 0))
	plan := w.chosen()
	r.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	until, latest := time.Now().Add(w.options.For), time.Now().Add(w.options.For*3/2)
	for time.Now().Before(until) || len(plan) > 0 && time.Now().Before(latest) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var now []fault
		if now, plan = w.next(plan, r); len(now) == 0 {
			pause(ctx, time.Second)
		}
		if err := w.round(ctx, r, now); err != nil {
			return err
		}
	}
	return nil
}

// next takes the plan's next fault, and after its end one or two at random.
func (w *world) next(plan []fault, r *rand.Rand) (now, rest []fault) {
	if len(plan) > 0 {
		return plan[:1], plan[1:]
	}
	all := w.chosen()
	if len(all) == 0 {
		return nil, nil
	}
	now = []fault{all[r.IntN(len(all))]}
	if second := all[r.IntN(len(all))]; r.IntN(3) == 0 && second.name != now[0].name && !second.alone && !now[0].alone && !clash(now[0], second) {
		now = append(now, second)
	}
	return now, nil
}

// clash says whether two faults break the same thing in two ways: mending one would then mend the other.
func clash(a, b fault) bool {
	_, thing, _ := strings.Cut(a.name, "-")
	_, other, _ := strings.Cut(b.name, "-")
	return thing == other
}

// round breaks something for a while, mends it, and looks whether everything is well then.
func (w *world) round(ctx context.Context, r *rand.Rand, now []fault) error {
	w.gate.let()
	pause(ctx, time.Duration(200+r.IntN(400))*time.Millisecond)
	var mends []func(context.Context) error
	for _, f := range now {
		w.say("fault: %s", f.name)
		w.journal.add(time.Now(), entry{Node: -1, Did: "fault " + f.name})
		w.faults.began(f.name)
		w.happened[f.name]++
		mend, err := f.begin(ctx, w, r)
		if err != nil {
			return fmt.Errorf("the fault %s: %w", f.name, err)
		}
		if mend != nil {
			mends = append(mends, mend)
		}
	}
	if len(mends) > 0 {
		pause(ctx, time.Duration(1000+r.IntN(1800))*time.Millisecond)
	}
	if err := together(ctx, mends); err != nil && ctx.Err() == nil {
		return fmt.Errorf("after %s: %w", names(now), err)
	}
	w.lastMended = time.Now()
	for _, f := range now {
		w.faults.ended(f.name)
	}
	w.journal.add(time.Now(), entry{Node: -1, Did: "mended " + names(now)})
	pause(ctx, time.Duration(r.IntN(400))*time.Millisecond)
	return w.quiet(ctx, 0)
}

// together mends everything at once: a node may not start before its way to the database is open.
func together(ctx context.Context, mends []func(context.Context) error) error {
	failed := make(chan error, len(mends))
	for _, mend := range mends {
		go func() { failed <- mend(ctx) }()
	}
	var err error
	for range mends {
		err = errors.Join(err, <-failed)
	}
	return err
}

func names(all []fault) string {
	var text []string
	for _, f := range all {
		text = append(text, f.name)
	}
	return strings.Join(text, " and ")
}

// errFound ends a run with a planted bug early.
var errFound = errors.New("the planted bug was found")

// watchFor ends a run when the check that its planted bug is to break broke: there is no need to go on.
func (w *world) watchFor(ctx context.Context, found func(error)) {
	p, err := plantNamed(w.options.planted())
	if err != nil {
		return // no bug is planted
	}
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-w.checks.broke:
			if name == p.found {
				found(errFound)
			}
		}
	}
}
