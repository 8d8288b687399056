package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// convergesWithin is Parley's promise: so long after a fault every page equals a reload.
const convergesWithin = 5 * time.Second

// quiet keeps people from doing anything, waits until all devices show what is true, and looks at what is stored.
// While people act for that long before, nothing is broken.
func (w *world) quiet(ctx context.Context, before time.Duration) error {
	if before > 0 {
		w.gate.let()
		pause(ctx, before)
	}
	w.gate.hold()
	err := await(ctx, time.Minute, "people to finish what they are doing", func() bool {
		_, settled := w.gate.settled()
		return settled
	})
	if err != nil {
		return err
	}
	if err := w.converge(ctx); err != nil {
		return err
	}
	w.checkLingering(ctx)
	w.checkGhosts()
	return w.checkStored(ctx)
}

// converge waits until every device shows what a reload shows, and breaks the promise of those that don't in time.
func (w *world) converge(ctx context.Context) error {
	last, _ := w.gate.settled()
	if w.lastMended.After(last) {
		last = w.lastMended
	}
	began, wrong := time.Now(), map[*device]string{}
	for ctx.Err() == nil {
		clear(wrong)
		var mu sync.Mutex
		var looking sync.WaitGroup
		for _, p := range w.people {
			looking.Go(func() {
				for d, how := range p.differing(ctx) {
					mu.Lock()
					wrong[d] = how
					mu.Unlock()
				}
			})
		}
		looking.Wait()
		if len(wrong) == 0 || time.Since(w.latest(ctx, last)) > convergesWithin {
			break
		}
		pause(ctx, 100*time.Millisecond)
	}
	for _, d := range w.devices() {
		w.checks.that(convergence, wrong[d] == "", "%s after %.2fs with nobody doing anything: %s", d.name, time.Since(last).Seconds(), wrong[d])
	}
	w.say("  %d devices converged in %.2fs", len(w.devices())-len(wrong), time.Since(began).Seconds())
	return ctx.Err()
}

// latest is when the last thing happened: a send whose client has long gone may be stored after everybody has stopped.
func (w *world) latest(ctx context.Context, last time.Time) time.Time {
	var at time.Time
	if err := w.database.pool.QueryRowContext(ctx, "SELECT MAX(last_at) FROM conversations").Scan(&at); err == nil && at.After(last) {
		return at
	}
	return last
}

// differing compares each of somebody's devices with a fresh look.
func (p *person) differing(ctx context.Context) map[*device]string {
	wrong := map[*device]string{}
	fresh := map[string]view{}
	auditor := p.devices[0]
	list, ok := auditor.readList(ctx)
	for _, d := range p.devices {
		if !ok {
			wrong[d] = "the list of conversations can't be read"
			continue
		}
		if how := d.differs(ctx, auditor, list, fresh); how != "" {
			wrong[d] = how
		}
	}
	return wrong
}

// differs says how a device differs from a fresh look, "" where it doesn't. fresh keeps what was looked at.
func (d *device) differs(ctx context.Context, auditor *device, list map[string]conversation, fresh map[string]view) string {
	shown, threads, open := d.snapshot()
	if !open {
		return "it has no window"
	}
	if len(shown) != len(list) {
		return fmt.Sprintf("it lists %d conversations of %d", len(shown), len(list))
	}
	for with, c := range list {
		if shown[with] != c {
			return fmt.Sprintf("it lists %+v instead of %+v", shown[with], c)
		}
		if _, known := threads[with]; !known && !d.browser {
			return "it doesn't know the conversation with " + with
		}
	}
	for with, t := range threads {
		if _, looked := fresh[with]; !looked {
			got := auditor.get(ctx, query("/messages", "with", with, "limit", "100"))
			if got.status != http.StatusOK {
				return "the conversation with " + with + " can't be read"
			}
			fresh[with] = auditor.readHistory(got, with)
		}
		if how := t.differs(fresh[with]); how != "" {
			return "with " + with + ": " + how
		}
	}
	return ""
}

// snapshot copies what a device shows. It says whether the device has a window.
func (d *device) snapshot() (list map[string]conversation, threads map[string]thread, open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	threads = map[string]thread{}
	for with, t := range d.threads {
		copied := *t
		copied.shown = maps.Clone(t.shown)
		threads[with] = copied
	}
	return maps.Clone(d.list), threads, d.cookie != "" && d.window != nil
}

// checkLingering looks whether the windows of sessions that ended during a fault are closed now that it is over.
func (w *world) checkLingering(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := max(0, convergesWithin-time.Since(w.lastMended))
	_ = await(ctx, left, "the last window to close", func() bool {
		return !slices.ContainsFunc(w.lingering, func(win *window) bool { return !win.isClosed() })
	}) // which of them don't is looked at now
	for _, win := range w.lingering {
		w.checks.that(signOut, win.isClosed(), "%s signed out during a fault, and its window on node %d is still open after it", win.device, win.node)
		win.drop()
	}
	w.lingering = nil
}

// ghostsEnd is how long Parley may take to notice that nobody is there: two pings of 30 s, and some.
const ghostsEnd = 80 * time.Second

// checkGhosts looks whether windows that nobody reads were dropped by the server in time.
func (w *world) checkGhosts() {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := w.ghosts[:0]
	for _, g := range w.ghosts {
		if time.Since(g.since) < ghostsEnd {
			rest = append(rest, g)
			continue
		}
		err := g.window.drain()
		w.checks.that(leftOver, err != errStillOpen, "a window of %s on node %d that nobody has read for %.0fs is still open", g.window.device, g.window.node, time.Since(g.since).Seconds())
		g.window.conn.Close()
	}
	w.ghosts = rest
}
