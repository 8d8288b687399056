package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// storm is a restart while many windows are open. Somebody looks at pages all the while.
type storm struct {
	*crowd
	began time.Time
	ready atomic.Int64 // when the server answered again, Unix nanoseconds; 0: not yet
	pages struct{ all, ready histogram }
}

// pagesASecond are looked at during a storm.
const pagesASecond = 50

// stormWithin is how long a storm may last.
const stormWithin = 2 * time.Minute

// measureStorm restarts a server of bench's own. Of another one it drops all windows at once.
func measureStorm(ctx context.Context, o options, s *server) ([]*result, error) {
	c, err := newCrowd(ctx, o, s)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.openAll(ctx); err != nil {
		return nil, err
	}
	before, err := s.used()
	if err != nil {
		return nil, err
	}
	s.say("  all are open; the storm begins")
	t := &storm{crowd: c, began: time.Now()}
	c.began.Store(t.began.UnixNano())
	looking, enough := context.WithCancel(ctx)
	defer enough()
	var lookers sync.WaitGroup
	lookers.Go(func() { t.look(looking) })
	err = t.blow(ctx)
	enough()
	lookers.Wait()
	if err != nil {
		return nil, err
	}
	return t.result(before)
}

// blow closes all windows and returns when all are open again and have what they missed.
func (t *storm) blow(ctx context.Context) error {
	if t.s.own != nil {
		if err := t.s.restart(ctx); err != nil {
			return err
		}
	} else {
		for _, s := range t.seats {
			s.drop()
		}
	}
	t.ready.Store(time.Now().UnixNano())
	for end := t.began.Add(stormWithin); t.caughtUp.count.Load() < uint64(len(t.seats)); {
		if time.Now().After(end) {
			t.faults.failed("after %v %d of %d windows were open and %d had caught up", stormWithin, t.open.Load(), len(t.seats), t.caughtUp.count.Load())
			return nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// look has people look at pages at even times, each by itself.
func (t *storm) look(ctx context.Context) {
	var pages sync.WaitGroup
	defer pages.Wait()
	times := newArrivals(options{Rate: pagesASecond, Arrivals: "even"}, time.Now())
	times.run(ctx, func(due time.Time) {
		seat := t.seats[rand.IntN(len(t.seats))]
		pages.Go(func() { t.page(ctx, seat, due) })
	})
}

// page asks for a page until there is one, as somebody does who reloads. A page that was due before the server was back
// is charged with that too, but told apart.
func (t *storm) page(ctx context.Context, s *seat, due time.Time) {
	l := link{address: s.person.at.address, source: s.source}
	defer l.close()
	for {
		a, err := l.get("/conversations/"+s.partner, s.person.headers, asPage)
		if err == nil && a.status == 200 {
			t.shown(s, a, due)
			return
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return // the storm is over, and this began when it ended
		}
	}
}

func (t *storm) shown(s *seat, a answer, due time.Time) {
	if !bytes.Contains(a.body, []byte(`data-with="`+s.partner+`"`)) {
		t.faults.wrong("the page of the conversation with %s: %.200s", s.partner, a.body)
	}
	t.pages.all.record(time.Since(due))
	if ready := t.ready.Load(); ready != 0 && due.UnixNano() > ready {
		t.pages.ready.record(time.Since(due))
	}
}

func (t *storm) result(before usage) ([]*result, error) {
	r := &result{Scenario: "storm", Unit: "windows", Settings: map[string]any{"windows": len(t.seats), "pages a second": pagesASecond, "restart": t.s.own != nil}}
	after, err := t.s.used()
	cost := after.since(before)
	if t.s.own != nil {
		cost = after // both processes are new
		cost.load -= before.load
	}
	r.count(t.back.count.Load(), time.Since(t.began), cost)
	r.stage("window back", &t.back)
	r.stage("window caught up", &t.caughtUp)
	r.stage("page, from when it was due", &t.pages.all)
	r.stage("page, due after the restart", &t.pages.ready)
	away := time.Unix(0, t.ready.Load()).Sub(t.began)
	r.Values = []value{{"server away", away.Seconds(), "s"}, {"all windows back", float64(t.back.longest.Load()) / 1e9, "s"}, {"catch-ups tried again", float64(t.putOff.Load()), ""}}
	r.Faults = t.faults.so()
	if err != nil {
		err = fmt.Errorf("after the storm: %w", err)
	}
	return []*result{r}, err
}
