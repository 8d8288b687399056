package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// talk is the scenario of pairs that talk with each other.
type talk struct {
	o     options
	run   string
	pairs []*pair

	span                         span
	answered, own, pushed, there clock
	late                         clock
	faults                       faultLog
	closing                      atomic.Bool
	windows                      sync.WaitGroup
}

// clock records how long ago things began, of those that were to begin in the span.
type clock struct {
	histogram
	span *span
}

func (c *clock) take(began time.Time) {
	if c.span.holds(began) {
		c.record(time.Since(began))
	}
}

func newTalk(o options, people []*person) *talk {
	id := uuid.New()
	t := &talk{o: o, run: fmt.Sprintf("%x", id[:5])}
	for _, c := range []*clock{&t.answered, &t.own, &t.pushed, &t.there, &t.late} {
		c.span = &t.span
	}
	for i := range o.Pairs {
		p := &pair{talk: t, number: i, arrived: make(chan int, 16), timer: time.NewTimer(time.Hour)}
		p.sides = [2]*side{{person: people[2*i]}, {person: people[2*i+1]}}
		if o.Rate > 0 {
			p.due = make(chan time.Time, 1024)
		}
		t.pairs = append(t.pairs, p)
	}
	return t
}

// measureTalk runs the scenario.
func measureTalk(ctx context.Context, o options, s *server) ([]*result, error) {
	people, err := s.signedIn(ctx, 2*o.Pairs)
	if err != nil {
		return nil, err
	}
	t := newTalk(o, people)
	defer t.close()
	if err := t.open(); err != nil {
		return nil, err
	}
	m, err := t.load(ctx, s.used)
	if err != nil {
		return nil, err
	}
	if err := t.verify(); err != nil {
		return nil, err
	}
	return []*result{t.result(m)}, nil
}

func (t *talk) open() error {
	for _, p := range t.pairs {
		if err := p.open(); err != nil {
			return err
		}
	}
	return nil
}

func (t *talk) close() {
	t.closing.Store(true)
	for _, p := range t.pairs {
		p.close()
	}
	t.windows.Wait()
}

// load has all pairs talk through warm-up and duration, and then finish what is on its way.
func (t *talk) load(ctx context.Context, used func() (usage, error)) (m measured, err error) {
	stop, cancel := context.WithCancel(ctx)
	var talking sync.WaitGroup
	for _, p := range t.pairs {
		talking.Go(func() { p.run(stop) })
	}
	if t.o.Rate > 0 {
		talking.Go(func() { t.schedule(stop) })
	}
	m, err = t.span.measure(ctx, t.o, used)
	t.span.hurry()
	cancel()
	talking.Wait()
	return m, err
}

// schedule gives each message of the open model to a pair at random.
func (t *talk) schedule(stop context.Context) {
	random := rand.New(rand.NewPCG(t.o.Seed, 2))
	times := newArrivals(t.o, time.Now())
	times.late = &t.late
	times.run(stop, func(due time.Time) { t.pairs[random.IntN(len(t.pairs))].due <- due })
	for _, p := range t.pairs {
		close(p.due)
	}
}

// unsent charges the server with a message that was due and that it left no time for.
func (t *talk) unsent(due time.Time) {
	t.there.take(due)
	t.faults.failed("a message was due %v ago and could not be sent before the end", time.Since(due).Round(time.Second))
}

func (t *talk) send(from *side, recipient, body string) (answer, error) {
	if t.o.As == "json" {
		return from.send.post("/messages", object(recipient, body, uuid.New()), from.headers, asProgram, jsonBody)
	}
	return from.send.post("/messages", form(recipient, body, uuid.New()), from.headers, from.origin, asFragment, formBody)
}

// straggle is how long the last pushes to the senders' own windows may take once all is quiet.
const straggle = 2 * time.Second

// verify holds what the server has now against what it acknowledged.
func (t *talk) verify() error {
	for end := time.Now().Add(straggle); t.unheard() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := t.unheard(); n > 0 {
		t.faults.failed("%d pushes never came", n)
	}
	group := errgroup.Group{}
	group.SetLimit(4)
	for _, p := range t.pairs {
		group.Go(p.catchUp)
	}
	return group.Wait()
}

func (t *talk) unheard() (n int) {
	for _, p := range t.pairs {
		n += p.unheard()
	}
	return n
}

// compare counts each acknowledged message of a pair among those that the conversation has.
func (t *talk) compare(p *pair, all []message) {
	found := map[string][]uint64{}
	var last uint64
	for _, m := range all {
		_, seq, ok := messageID([]byte(m.ID))
		if !ok || last != 0 && seq != last+1 {
			t.faults.wrong("message %q of %s follows number %d", m.ID, m.User, last)
		}
		last, found[m.Body] = seq, append(found[m.Body], seq)
	}
	for number, seq := range p.acked {
		body := bodyOf(token(t.run, p.number, number))
		switch at := found[body]; {
		case len(at) > 1:
			t.faults.note(&t.faults.Doubled, "%q is there %d times", body, len(at))
		case len(at) == 0 && seq != 0:
			t.faults.note(&t.faults.Lost, "%q was acknowledged and isn't there", body)
		case len(at) == 1 && seq != 0 && at[0] != seq:
			t.faults.wrong("%q was acknowledged as number %d and is number %d", body, seq, at[0])
		}
		delete(found, body)
	}
	for body := range found {
		t.faults.wrong("nobody sent %q", body)
	}
}

func (t *talk) result(m measured) *result {
	r := &result{Scenario: "pairs", Unit: "messages", Settings: map[string]any{
		"pairs": t.o.Pairs, "as": t.o.As, "rate": t.o.Rate, "arrivals": t.o.Arrivals, "alternate": t.o.Alternate,
	}}
	r.count(m.count, m.took, m.cost)
	r.stage("POST answered", &t.answered.histogram)
	r.stage("push at the other side", &t.pushed.histogram)
	r.stage("push at the own side", &t.own.histogram)
	r.stage("fragment at the other side", &t.there.histogram)
	r.lateness(&t.late)
	r.Faults = t.faults.so()
	return r
}
