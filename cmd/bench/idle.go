package main

import (
	"context"
	"fmt"
	"time"
)

// measureIdle opens windows, holds them, and looks at the server's memory before and after. A server of bench's own is
// started afresh for it, so that no memory is left over from something else.
func measureIdle(ctx context.Context, o options, s *server) ([]*result, error) {
	c, err := newCrowd(ctx, o, s)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	before, err := s.memory()
	if err != nil {
		return nil, err
	}
	m, err := c.openTimed(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := s.memory()
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, o.Hold); err != nil {
		return nil, err
	}
	held, err := s.memory()
	if err != nil {
		return nil, err
	}
	return []*result{c.idleResult(m, before, opened, held)}, nil
}

// fresh starts bench's own server again and has it answer a little, so that what the first requests make is there.
func (s *server) fresh(ctx context.Context) error {
	if s.own != nil {
		if err := s.restart(ctx); err != nil {
			return err
		}
	}
	l := link{address: s.address}
	defer l.close()
	for range 100 {
		a, err := l.get("/conversations", s.people[0].headers, asPage)
		if err != nil {
			return err
		}
		if a.status != 200 {
			return fmt.Errorf("GET /conversations: status %d", a.status)
		}
	}
	return nil
}

func (s *server) restart(ctx context.Context) error {
	s.stop()
	return s.start(ctx)
}

// memory is what a process has, in octets.
type memory struct{ resident, proportional uint64 }

func (s *server) memory() (m memory, err error) {
	if s.pid != 0 {
		m.resident, m.proportional, err = memoryOf(s.pid)
	}
	return m, err
}

func (c *crowd) openTimed(ctx context.Context) (m measured, err error) {
	before, err := c.s.used()
	if err != nil {
		return m, err
	}
	start := time.Now()
	if err := c.openAll(ctx); err != nil {
		return m, err
	}
	took := time.Since(start)
	after, err := c.s.used()
	return measured{uint64(len(c.seats)), took, after.since(before)}, err
}

func (c *crowd) idleResult(m measured, before, opened, held memory) *result {
	r := &result{Scenario: "idle", Unit: "windows", Settings: map[string]any{"windows": len(c.seats), "hold": c.o.Hold.String()}}
	r.count(m.count, m.took, m.cost)
	if lost := int64(len(c.seats)) - c.open.Load(); lost > 0 {
		c.faults.failed("%d of the windows weren't open any more at the end", lost)
	}
	r.Faults = c.faults.so()
	if before.resident == 0 {
		return r
	}
	each := func(now, before uint64) float64 { return float64(int64(now)-int64(before)) / float64(len(c.seats)) }
	r.Values = []value{
		{"resident before", float64(before.resident) / 1e6, "MB"},
		{"resident, all open", float64(opened.resident) / 1e6, "MB"},
		{"resident, after the hold", float64(held.resident) / 1e6, "MB"},
		{"resident a window", each(held.resident, before.resident), "octets"},
		{"proportional a window", each(held.proportional, before.proportional), "octets"},
	}
	return r
}
