package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// device is one browser or program of a person: a session, a window, and what it shows. A browser shows the one
// conversation that is open in it and fetches fragments; a program follows all conversations and fetches JSON. Either
// keeps itself up to date by the rules of static/live.js.
type device struct {
	w       *world
	person  *person
	name    string
	browser bool
	client  *http.Client
	random  *rand.Rand // what its person does next

	mu      sync.Mutex
	cookie  string
	window  *window // nil while there is none
	threads map[string]*thread
	told    map[string]hint
	list    map[string]conversation // nil until it was fetched
	behind  bool                    // the list may have missed something
	leaving bool                    // signing out, and not known yet to have done so

	entrance sync.Mutex    // held while signing in: once is enough
	wake     chan struct{} // something is to be fetched
}

// hint is the newest change of a conversation that a push told of.
type hint struct {
	rev uint64
	id  string
}

func newDevice(p *person, name string, browser bool, random *rand.Rand) *device {
	d := &device{w: p.w, person: p, name: name, browser: browser, client: newHTTPClient(), random: random, wake: make(chan struct{}, 1)}
	d.forget()
	return d
}

// forget is what closing the browser does.
func (d *device) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cookie, d.threads, d.told, d.list, d.behind, d.leaving = "", map[string]*thread{}, map[string]hint{}, nil, true, false
}

func (d *device) token() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cookie
}

// staysWith says whether a session is this device's still, and is to go on.
func (d *device) staysWith(token string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cookie == token && !d.leaving
}

func (d *device) currentWindow() *window {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.window
}

const password = "what a stormy night it is"

// signIn tries until it is signed in, unless ctx ends.
func (d *device) signIn(ctx context.Context) {
	d.entrance.Lock()
	defer d.entrance.Unlock()
	for ctx.Err() == nil && d.token() == "" {
		got := d.do(ctx, request{method: http.MethodPost, path: "/login", kind: formType, body: form("username", d.person.name, "password", password)})
		if got.status == http.StatusOK && got.cookie != "" {
			d.mu.Lock()
			d.cookie = got.cookie
			d.mu.Unlock()
			return
		}
		d.w.checks.that(surprises, got.status != http.StatusUnauthorized, "%s can't sign in: %.200s", d.name, got.body)
		pause(ctx, time.Duration(200+rand.IntN(600))*time.Millisecond)
	}
}

// signOut ends the session, checks that its window closes, and signs in anew.
func (d *device) signOut(ctx context.Context) {
	began := time.Now()
	d.mu.Lock()
	open, token := d.window, d.cookie
	d.leaving = true
	d.mu.Unlock()
	for ctx.Err() == nil {
		got := d.do(ctx, request{method: http.MethodPost, path: "/logout"})
		if got.status == http.StatusNoContent {
			break
		}
		pause(ctx, 300*time.Millisecond)
	}
	d.forget()
	if ctx.Err() == nil {
		ended := time.Now()
		d.w.busy.Go(func() { d.checkRefused(signOut, "signed out", request{token: token}, ended) })
	}
	if open != nil && open.token == token && ctx.Err() == nil {
		d.checkRevoked(signOut, "signed out", open, began)
	}
	d.signIn(ctx)
	d.nudge()
}

// revokedWithin is Parley's promise.
const revokedWithin = time.Second

// checkRevoked waits for the end of a window whose session has ended. Where something is broken just then, the news may
// not come through; the window must then be closed when that is over (see quiet).
func (d *device) checkRevoked(promise, what string, open *window, began time.Time) {
	ended := time.Now()
	select {
	case <-open.closed:
	case <-time.After(revokedWithin):
	}
	if d.w.faults.since(began.Add(-grace)) != "" {
		d.w.leave(open)
		return
	}
	inTime := open.isClosed()
	d.w.checks.that(promise, inTime, "%s %s, and its window on node %d was still open after %s", d.name, what, open.node, time.Since(ended))
	if inTime {
		d.w.checks.that(promise, open.code == closeRevoked, "%s %s, and its window on node %d was closed with %d", d.name, what, open.node, open.code)
	}
}

// checkRefused asks every node with what opens nothing any more. That is held to whatever is broken just then.
func (d *device) checkRefused(promise, what string, with request, ended time.Time) {
	pause(d.w.ctx, revokedWithin)
	with.method, with.path = http.MethodGet, "/conversations?limit=1"
	for _, n := range d.w.nodes {
		with.node = n
		got := d.do(d.w.ctx, with)
		refused := got.status == http.StatusUnauthorized || got.status >= http.StatusInternalServerError || got.status == 0
		d.w.checks.that(promise, refused, "%s %s, and %s later node %d answered a request with that with %d", d.name, what, time.Since(ended), n.number, got.status)
	}
}

// nudge sets off a fetch of what is due.
func (d *device) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// pause waits, unless ctx ends. It says whether there is time left.
func pause(ctx context.Context, length time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(length):
		return true
	}
}
