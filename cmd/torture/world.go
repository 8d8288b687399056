package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// world is one run: the servers, the network, the people, and what is known of them.
type world struct {
	options   options
	out       io.Writer
	ctx       context.Context // ends when the servers are to end
	dir       string
	binary    string
	ports     *ports
	network   *network
	database  *database
	redis     *redis // nil where this Parley knows nothing of it
	nodes     []*node
	people    []*person
	numbers   map[string]uint64 // of people, by name
	checks    *checks
	journal   *journal
	truth     *truth
	ledger    *ledger
	faults    *faultClock
	gate      *gate
	busy      sync.WaitGroup // every goroutine of a device
	longTexts atomic.Bool
	stored    stored
	newcomers newcomers

	mu         sync.Mutex
	windows    []int     // opened so far, by node
	ghosts     []ghost   // windows that nobody reads
	lingering  []*window // windows of ended sessions that a fault may have kept open
	happened   map[string]int
	lastMended time.Time
}

// ghost is a window that nobody reads, and since when.
type ghost struct {
	window *window
	since  time.Time
}

func (w *world) say(format string, args ...any) {
	fmt.Fprintf(w.out, "%7.2fs %s\n", time.Since(w.checks.start).Seconds(), fmt.Sprintf(format, args...))
}

func (w *world) opened(node int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.windows[node]++
}

func (w *world) vanished(win *window) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ghosts = append(w.ghosts, ghost{win, time.Now()})
}

func (w *world) leave(win *window) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lingering = append(w.lingering, win)
}

// torture is one whole run.
func torture(ctx context.Context, o options, out io.Writer) (v verdict, err error) {
	w := &world{
		options: o, out: out, checks: newChecks(out), truth: newTruth(), ledger: newLedger(), faults: &faultClock{}, gate: newGate(),
		windows:  make([]int, o.Nodes+1), // and the fresh one of the end
		happened: map[string]int{}, stored: newStored(), newcomers: newcomers{client: newHTTPClient()},
	}
	w.say("seed %d: torture --seed %d --for %s --nodes %d --people %d", o.Seed, o.Seed, o.For, o.Nodes, o.People)
	if w.dir, err = workDir(o.Dir); err != nil {
		return v, err
	}
	defer func() { w.tidy(v, err) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.ctx = ctx
	if w.journal, err = newJournal(filepath.Join(w.dir, "journal.jsonl"), w.checks.start); err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, w.journal.Close()) }()
	stop, err := w.start(ctx)
	defer stop()
	if err != nil {
		return v, err
	}
	if err := w.run(ctx); err != nil {
		return v, err
	}
	v = w.verdict()
	v.print(out)
	return v, nil
}

func workDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "torture-")
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// tidy removes everything, unless somebody will want to read it.
func (w *world) tidy(v verdict, err error) {
	failed := err != nil || !v.kept()
	if w.options.Keep || failed && w.options.planted() == "" {
		w.say("the journal and the logs are in %s", w.dir)
		os.RemoveAll(filepath.Join(w.dir, "database"))
		return
	}
	os.RemoveAll(w.dir)
}

// start starts everything but the people. stop ends all of it, also after an error.
func (w *world) start(ctx context.Context) (stop func(), err error) {
	w.ports = newPorts(w.options.Seed)
	w.network = newNetwork(w.ports)
	if w.binary, err = build(ctx, w.options, w.dir); err != nil {
		return func() {}, err
	}
	if err := w.startServers(ctx); err != nil {
		return w.stop, err
	}
	if err := w.startNodes(ctx); err != nil {
		return w.stop, err
	}
	if err := w.makePeople(ctx); err != nil {
		return w.stop, err
	}
	for _, n := range w.nodes {
		n.idle, err = n.descriptors()
		if err != nil {
			return w.stop, err
		}
	}
	w.say("%d nodes, %d people with %d devices; everything is in %s", len(w.nodes), len(w.people), len(w.devices()), w.dir)
	return w.stop, nil
}

func (w *world) startServers(ctx context.Context) error {
	dir := filepath.Join(w.dir, "database")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	port, err := w.ports.take()
	if err != nil {
		return err
	}
	if w.database, err = startDatabase(ctx, dir, w.options.wants(fullDiskName), port, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if w.database.onDisk {
		w.say("the database is on a disk of its own, a tmpfs of %d MB", diskSize>>20)
	}
	if !knows(ctx, w.binary, "--redis-url") {
		w.say("this Parley has no fan-out: there is one node, and no Redis")
		w.options.Nodes = 1
		return nil
	}
	if port, err = w.ports.take(); err != nil {
		return err
	}
	w.redis, err = startRedis(ctx, w.dir, port)
	return err
}

// startNodes starts all of them at once: each finds the schema as another one is making it.
func (w *world) startNodes(ctx context.Context) error {
	started := make(chan error, w.options.Nodes)
	for i := range w.options.Nodes {
		n, err := w.newNode(i)
		if err != nil {
			return err
		}
		w.nodes = append(w.nodes, n)
	}
	for _, n := range w.nodes {
		go func() { started <- n.start(ctx) }()
	}
	var err error
	for range w.nodes {
		err = errors.Join(err, <-started)
	}
	return err
}

// stop ends whatever still runs, without asking how.
func (w *world) stop() {
	for _, n := range w.nodes {
		if proc := n.unwatched(); proc != nil {
			proc.end(9, time.Minute)
		}
	}
	if w.redis != nil {
		w.redis.kill()
	}
	w.network.close()
	if w.database != nil {
		if err := w.database.stop(); err != nil {
			w.say("the database: %v", err)
		}
	}
}

func (w *world) verdict() verdict {
	v := w.checks.verdict()
	w.mu.Lock()
	defer w.mu.Unlock()
	v.faults = w.happened
	for _, f := range w.chosen() {
		if w.happened[f.name] == 0 {
			v.missed = append(v.missed, f.name)
		}
	}
	return v
}
