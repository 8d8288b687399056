package main

import (
	"context"
	"sync"
	"time"
)

// gate lets people act, or holds them back.
type gate struct {
	mu     sync.Mutex
	open   chan struct{} // closed while people may act
	inside int
	last   time.Time // when somebody last left
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	return g
}

// enter waits until people may act. It says no when ctx ended first.
func (g *gate) enter(ctx context.Context) bool {
	for {
		g.mu.Lock()
		open := g.open
		select {
		case <-open:
			g.inside++
			g.mu.Unlock()
			return true
		default:
		}
		g.mu.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-open:
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.last = time.Now()
}

// let lets people act.
func (g *gate) let() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

// hold keeps people from starting anything.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

// settled says whether nobody is doing anything, and since when.
func (g *gate) settled() (since time.Time, yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last, g.inside == 0
}
