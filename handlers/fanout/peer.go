package fanout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// beatEvery is how often, at least, a node says that it is there: a message to each node, whatever is going on.
	beatEvery = time.Second
	// peerSilence is how long a node is waited for, three signs of life. With a round of checks (5 s) after it, what that
	// node commits meanwhile is seen within the promised 10 s.
	peerSilence = 4 * time.Second
	// peerMissed is how long a node that is missed has this one's windows poll. It is dead then, most likely: its windows
	// have gone to others, which can be heard.
	peerMissed = 2 * time.Minute
	// peerKept is how long a dead node is remembered, so that its return has windows look.
	peerKept = 24 * time.Hour
	// lookEvery is how often this node looks who is missing.
	lookEvery = beatEvery / 2
)

// ErrPeerSilent is Ready's error while this node is well but another one, which could be heard before, can't be: what is
// written there comes here by polling.
var ErrPeerSilent = errors.New("another node can't be heard")

// peers is the other nodes that have been heard. A node that alone is cut off can't say so to anybody, so that the others
// have to find out by its silence.
type peers struct {
	log   *slog.Logger
	check func() // has this node's windows look, and poll while err isn't nil

	mu     sync.Mutex
	known  map[nodeID]*peer
	hears  time.Time // since when this node has been able to hear others; zero while it can't
	looked time.Time
}

type peer struct {
	name  string
	state peerState
	since time.Time // of the last sign of life, or of the state where there is none
}

type peerState int

const (
	alive peerState = iota
	missed
	dead
)

func newPeers(log *slog.Logger, check func()) *peers {
	return &peers{log: log, check: check, known: map[nodeID]*peer{}, looked: time.Now()}
}

// run looks who is missing until ctx ends.
func (p *peers) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.look(time.Now())
		}
	}
}

// hear notes whether this node can hear others at all: who can't misses nobody, and begins afresh afterwards.
func (p *peers) hear(can bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hears = (time.Time{}); can {
		p.hears = time.Now()
	}
}

// beat takes a node's sign of life. When it had been missed, windows are told to look.
func (p *peers) beat(node nodeID, name string) {
	if p.noted(node, name) {
		p.check()
	}
}

func (p *peers) noted(node nodeID, name string) (returned bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.known[node]
	if one == nil {
		one = &peer{name: name}
		p.known[node] = one
	}
	if returned = one.state != alive; returned {
		p.log.Info("A node is heard again.", "node", one.name, "after", time.Since(one.since).Round(time.Millisecond))
	}
	one.state, one.since = alive, time.Now()
	return returned
}

// leave forgets a node that has said goodbye.
func (p *peers) leave(node nodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, node)
}

// look finds out who is missing. When somebody is, windows begin to poll.
func (p *peers) look(now time.Time) {
	if p.someoneFell(now) {
		p.check()
	}
}

func (p *peers) someoneFell(now time.Time) (fell bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.looked) > beatEvery && !p.hears.IsZero() {
		p.hears = now // this process stood still, and what came meanwhile may not have been read yet
	}
	p.looked = now
	for node, one := range p.known {
		switch {
		case one.state == alive && p.silent(one, now):
			fell = true
			p.becomes(one, missed, now, "A node can't be heard, so windows here poll for what is written there until it can, or for a while. Nothing is lost.")
		case one.state == missed && now.Sub(one.since) >= peerMissed:
			p.becomes(one, dead, now, "A node has been silent for long and is taken for dead, so windows here don't poll for it any more.")
		case one.state == dead && now.Sub(one.since) >= peerKept:
			delete(p.known, node)
		}
	}
	return fell
}

// silent counts only the time in which this node could hear.
func (p *peers) silent(one *peer, now time.Time) bool {
	return !p.hears.IsZero() && now.Sub(one.since) >= peerSilence && now.Sub(p.hears) >= peerSilence
}

func (p *peers) becomes(one *peer, state peerState, now time.Time, text string) {
	one.state, one.since = state, now
	p.log.Warn(text, "node", one.name)
}

// err is that of one node that is missed, if one is.
func (p *peers) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.known {
		if one.state == missed {
			return fmt.Errorf("%w: %s", ErrPeerSilent, one.name)
		}
	}
	return nil
}
