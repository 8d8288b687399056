package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"parley/db/chat"
)

// long is a conversation with many messages.
type long struct {
	partner      string
	conversation uint64
	first        uint64 // the seq of the first message that bench wrote
	count        int
}

// The two who have the long conversation are no pair of the other scenarios.
const longReader, longPartner = 0, 2

func longBody(n int) string { return bodyOf(token("long", 0, n)) }

// depth is a part of the long conversation from which history is read.
type depth struct {
	name     string
	from, to float64 // shares of the conversation
}

var depths = []depth{
	{"newest", 0.99, 1}, {"middle", 0.495, 0.505}, {"oldest", 0, 0.01}, {"anywhere", 0, 1},
}

// measureHistory reads the fragments that a page loads as somebody scrolls up, at several depths.
func measureHistory(ctx context.Context, o options, s *server) (all []*result, err error) {
	people, err := s.signedIn(ctx, longPartner+1)
	if err != nil {
		return nil, err
	}
	if s.long == nil {
		s.say("  writing a conversation of %d messages", o.Depth)
		if s.long, err = writeLong(ctx, o, s, people[longReader]); err != nil {
			return nil, err
		}
	}
	for _, d := range depths {
		r, err := s.long.measure(ctx, o, s, people[longReader], d)
		if err != nil {
			return all, err
		}
		r.Scenario = "history, " + d.name
		all = append(all, r)
	}
	newest, oldest := all[0], all[2]
	oldest.Values = append(oldest.Values,
		value{"CPU against the newest", ratio(newest.PerCPU, oldest.PerCPU), "times"},
		value{"p50 against the newest", ratio(oldest.Stages[0].P50, newest.Stages[0].P50), "times"})
	return all, nil
}

func writeLong(ctx context.Context, o options, s *server, reader *person) (*long, error) {
	lib, err := openLibrary(ctx, s)
	if err != nil {
		return nil, err
	}
	defer lib.leave()
	g := &long{partner: numbered(longPartner), count: o.Depth}
	for n := 0; n < o.Depth; {
		var bodies []string
		for ; len(bodies) < 2000 && n < o.Depth; n++ {
			bodies = append(bodies, longBody(n))
		}
		piece, err := lib.piece(ctx, reader.name, g.partner, bodies)
		if err != nil {
			return nil, err
		}
		if err := lib.importer.Messages(ctx, []chat.ImportPiece{piece}); err != nil {
			return nil, err
		}
	}
	return g, g.find(reader)
}

// find asks the server where the messages are that were written.
func (g *long) find(reader *person) error {
	l := link{address: reader.at.address}
	defer l.close()
	var page struct{ Results []message }
	if err := reader.readJSON(&l, "/messages?limit=1&with="+g.partner, &page); err != nil {
		return err
	}
	if len(page.Results) != 1 || page.Results[0].Body != longBody(g.count-1) {
		return fmt.Errorf("the conversation of %d messages doesn't end with the last of them", g.count)
	}
	var last uint64
	g.conversation, last, _ = messageID([]byte(page.Results[0].ID))
	g.first = last - uint64(g.count) + 1
	return nil
}

func (g *long) measure(ctx context.Context, o options, s *server, p *person, d depth) (*result, error) {
	links, random := make([]link, o.Readers), make([]*rand.Rand, o.Readers)
	for i := range links {
		links[i].address, random[i] = s.address, rand.New(rand.NewPCG(o.Seed, uint64(i)))
		defer links[i].close()
	}
	lowest := max(int(d.from*float64(g.count)), perPage)
	span := max(int(d.to*float64(g.count))-lowest, 1)
	l := newLoad(o)
	m, err := l.run(ctx, s.used, len(links), func(w int, _ time.Time) error {
		return g.read(&links[w], p, lowest+random[w].IntN(span))
	})
	r := l.result("", "fragments", "fragment", m)
	r.Settings["readers"], r.Settings["messages"] = len(links), g.count
	return r, err
}

// read fetches what comes before message n, counted from the first that bench wrote, and checks both ends of it.
func (g *long) read(l *link, p *person, n int) error {
	path := fmt.Sprintf("/messages?with=%s&before=%d-%d", g.partner, g.conversation, g.first+uint64(n))
	a, err := l.get(path, p.headers, asFragment)
	if err != nil {
		return err
	}
	return g.check(a.status, a.body, n)
}

func (g *long) check(status int, html []byte, n int) error {
	if found := bytes.Count(html, []byte(`id="message-`)); status != 200 || found != perPage {
		return wrong{fmt.Errorf("history before message %d: status %d, %d messages: %.200s", n, status, found, html)}
	}
	for _, at := range []int{n - perPage, n - 1} {
		id := fmt.Sprintf(`id="message-%d-%d"`, g.conversation, g.first+uint64(at))
		if !bytes.Contains(html, []byte(id)) || !bytes.Contains(html, []byte(">"+longBody(at)+"</p>")) {
			return wrong{fmt.Errorf("history before message %d: message %d isn't there: %.300s", n, at, html)}
		}
	}
	return nil
}
