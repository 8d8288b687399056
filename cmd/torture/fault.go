package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fault is a way to break something.
type fault struct {
	name, about string
	alone       bool // never together with another one
	// begin breaks it, and gives what mends it again: that returns when everything works. A fault that is over by
	// itself gives nil.
	begin func(ctx context.Context, w *world, r *rand.Rand) (mend func(context.Context) error, err error)
}

const fullDiskName = "full-disk"

// faults is every kind there is.
var faults = []fault{
	{"kill-node", "kill -9 of a node, which is then started again", false, killNode},
	{"kill-database", "kill -9 of the database, which is started again by itself", false, killDatabase},
	{"kill-redis", "kill -9 of Redis, which is then started again", false, killRedis},
	{"freeze-node", "SIGSTOP of a node for a while", false, freezeNode},
	{"freeze-database", "SIGSTOP of the database for a while", false, freezeDatabase},
	{"freeze-redis", "SIGSTOP of Redis for a while", false, freezeRedis},
	{"cut-people", "no way between people and a node: what is under way is lost", false, onLink(toPeople, cut)},
	{"cut-database", "no way between a node and the database", false, onLink(toDatabase, cut)},
	{"cut-redis", "no way between a node and Redis", false, onLink(toRedis, cut)},
	{"break-at-commit", "the connection to the database breaks as a commit is on its way", false, onLink(toDatabase, breakAtCommit)},
	{"delay-people", "a slow way between people and a node", false, onLink(toPeople, delay)},
	{"delay-database", "a slow way between a node and the database", false, onLink(toDatabase, delay)},
	{"delay-redis", "a slow way between a node and Redis", false, onLink(toRedis, delay)},
	{"swallow-people", "half-open connections between people and a node: what is sent never arrives", false, onLink(toPeople, swallow)},
	{"swallow-database", "half-open connections between a node and the database", false, onLink(toDatabase, swallow)},
	{"swallow-redis", "half-open connections between a node and Redis", false, onLink(toRedis, swallow)},
	{"narrow-people", "people with hardly any bandwidth", false, onLink(toPeople, narrow)},
	{fullDiskName, "no room on the database's disk", false, fullDisk},
	{"reconnect-storm", "every window breaks at once, again and again", false, reconnectStorm},
	{"rolling-restart", "each node in turn is told to stop, and started again", true, rollingRestart},
}

// chosenFaults are those that the command line names, all of them where it names none.
func chosenFaults(names []string) (chosen []fault, err error) {
	if len(names) == 0 {
		return slices.Clone(faults), nil
	}
	for _, name := range names {
		at := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		if at < 0 && name != "none" {
			return nil, fmt.Errorf("there is no kind of fault called %q; --list names them", name)
		}
		if at >= 0 {
			chosen = append(chosen, faults[at])
		}
	}
	return chosen, nil
}

// grace is how long after a fault its effects may still be felt.
const grace = 3 * time.Second

// faultClock knows what was broken when.
type faultClock struct {
	mu    sync.Mutex
	spans []span
}

type span struct {
	name     string
	from, to time.Time // to is zero while it lasts
}

func (c *faultClock) began(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, span{name: name, from: time.Now()})
}

func (c *faultClock) ended(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.spans {
		if c.spans[i].name == name && c.spans[i].to.IsZero() {
			c.spans[i].to = time.Now()
		}
	}
}

// since names what was broken at some time from t on, "" where nothing was.
func (c *faultClock) since(t time.Time) string { return c.between(t, time.Now()) }

// between names what was broken at some time between two times.
func (c *faultClock) between(from, to time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, s := range c.spans {
		if !s.from.After(to) && (s.to.IsZero() || s.to.After(from)) {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ", ")
}

func (w *world) randomNode(r *rand.Rand) *node { return w.nodes[r.IntN(len(w.nodes))] }

func killNode(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	n := w.randomNode(r)
	n.kill()
	return n.start, nil
}

func freezeNode(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	n := w.randomNode(r)
	n.process().signal(syscall.SIGSTOP)
	return func(ctx context.Context) error {
		n.process().signal(syscall.SIGCONT)
		return n.back(ctx)
	}, nil
}

func killDatabase(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	w.database.kill()
	return w.database.back, nil
}

func freezeDatabase(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	w.database.signal(syscall.SIGSTOP)
	return func(ctx context.Context) error {
		w.database.signal(syscall.SIGCONT)
		return w.database.back(ctx)
	}, nil
}

func killRedis(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	w.redis.kill()
	return w.redis.start, nil
}

func freezeRedis(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	w.redis.proc.signal(syscall.SIGSTOP)
	return func(ctx context.Context) error {
		w.redis.proc.signal(syscall.SIGCONT)
		return await(ctx, time.Minute, "Redis to answer", w.redis.answers)
	}, nil
}

// Which link of a node.
func toPeople(n *node) *link   { return n.people }
func toDatabase(n *node) *link { return n.database }
func toRedis(n *node) *link    { return n.fanout }

// How a link is broken; each gives what mends it.

// cut loses what is under way: it slows the link down first, so that there is something, a commit or its answer say.
func cut(l *link, _ *rand.Rand) (func() error, error) {
	if err := l.delay(underWay); err != nil {
		return nil, err
	}
	time.Sleep(60 * underWay)
	l.cut()
	return func() error {
		l.heal()
		return l.mend()
	}, nil
}

const underWay = 20 * time.Millisecond

func delay(l *link, r *rand.Rand) (func() error, error) {
	return healing(l), l.delay(time.Duration(20+r.IntN(80)) * time.Millisecond)
}

func breakAtCommit(l *link, _ *rand.Rand) (func() error, error) { return healing(l), l.breakAtCommit() }

func swallow(l *link, _ *rand.Rand) (func() error, error) { return healing(l), l.swallow() }

func narrow(l *link, r *rand.Rand) (func() error, error) {
	return healing(l), l.slow(int64(5 + r.IntN(40)))
}

func healing(l *link) func() error {
	return func() error {
		l.heal()
		return nil
	}
}

// onLink breaks one node's link, or now and then that of all nodes.
func onLink(which func(*node) *link, how func(*link, *rand.Rand) (func() error, error)) func(context.Context, *world, *rand.Rand) (func(context.Context) error, error) {
	return func(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
		nodes := []*node{w.randomNode(r)}
		if r.IntN(3) == 0 {
			nodes = w.nodes
		}
		var mends []func() error
		for _, n := range nodes {
			mend, err := how(which(n), r)
			if err != nil {
				return nil, err
			}
			mends = append(mends, mend)
		}
		return func(context.Context) error {
			var failed error
			for _, mend := range mends {
				failed = errors.Join(failed, mend())
			}
			return failed
		}, nil
	}
}

// fullDisk has people send long texts, so that the database wants more room at once.
func fullDisk(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	w.longTexts.Store(true)
	if err := fill(w.database.dir); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		w.longTexts.Store(false)
		if err := empty(w.database.dir); err != nil {
			return err
		}
		return w.database.back(ctx)
	}, nil
}

func reconnectStorm(ctx context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	for range 2 + r.IntN(4) {
		for _, d := range w.devices() {
			d.reconnect(ctx)
		}
		pause(ctx, time.Duration(100+r.IntN(700))*time.Millisecond)
	}
	return nil, nil
}

func rollingRestart(ctx context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	for _, n := range w.nodes {
		n.stop()
		if err := n.start(ctx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
