package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
)

// Close codes that Parley uses: RFC 6455 and the IANA registry.
const (
	closeRevoked  = 1008
	closeTooLarge = 1009
	closeRestart  = 1012
)

// window is one open WebSocket.
type window struct {
	conn   *websocket.Conn
	node   int
	device string
	token  string        // of the session that it was opened with
	closed chan struct{} // closed after code is set
	code   int           // 0 where it ended without a word
	ours   atomic.Bool   // this side ended it
}

// drop ends a window from this side, without a word.
func (w *window) drop() {
	w.ours.Store(true)
	w.conn.Close()
}

// ending is the code that the window was closed with, -1 while it is open.
func (w *window) ending() int {
	if !w.isClosed() {
		return -1
	}
	return w.code
}

func (w *window) isClosed() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

// frame is what a window hears.
type frame struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	With string `json:"with"`
	Rev  uint64 `json:"rev"`
	Seq  uint64 `json:"seq"`
}

// Pauses before a window is opened again, as in static/live.js.
const (
	leastReconnect = 300 * time.Millisecond
	mostReconnect  = 2 * time.Second
	pollPause      = 3 * time.Second
)

// keepWindow keeps a window open, and polls while it can't.
func (d *device) keepWindow(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		d.signIn(ctx)
		if ran := d.runWindow(ctx); ran {
			failures = 0
		}
		if failures++; failures > 1 {
			d.catchUp()
		}
		length := leastReconnect + rand.N(mostReconnect-leastReconnect)
		if failures > 3 {
			length = pollPause
		}
		pause(ctx, length)
	}
}

// runWindow opens a window and reads until it ends. It says whether it got one.
func (d *device) runWindow(ctx context.Context) bool {
	w, err := d.openWindow(ctx, d.w.nodes[rand.IntN(len(d.w.nodes))])
	if err != nil {
		return false
	}
	d.mu.Lock()
	d.window = w
	d.mu.Unlock()
	if w.token != d.token() {
		w.drop() // signed out meanwhile, and may not have been registered yet when that happened
	}
	stop := context.AfterFunc(ctx, w.drop)
	defer stop()
	d.catchUp()
	for {
		_, text, err := w.conn.ReadMessage()
		if err != nil {
			d.windowEnded(w, err)
			return true
		}
		d.heard(w, text)
	}
}

func (d *device) openWindow(ctx context.Context, n *node) (*window, error) {
	token, began := d.token(), time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	at := address(n.people.port)
	conn, answer, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+at+"/ws", http.Header{
		"Cookie": {"parley=" + token}, "Origin": {"http://" + at},
	})
	e := entry{Device: d.name, Node: n.number, Did: "open a window"}
	if answer != nil {
		e.Status = answer.StatusCode
	}
	if err != nil {
		e.Err = err.Error()
	}
	d.w.journal.add(began, e)
	if err == nil {
		d.w.opened(n.number)
		return &window{conn: conn, node: n.number, device: d.name, token: token, closed: make(chan struct{})}, nil
	}
	if e.Status == http.StatusUnauthorized && d.staysWith(token) {
		d.w.checks.that(surprises, token == "", "%s was signed out by nobody", d.name)
		d.forget()
	}
	return nil, err
}

func (d *device) windowEnded(w *window, err error) {
	w.conn.Close()
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		w.code = closed.Code
	}
	close(w.closed)
	d.mu.Lock()
	if d.window == w {
		d.window = nil
	}
	d.mu.Unlock()
	d.w.journal.add(time.Now(), entry{Device: d.name, Node: w.node, Did: "window ended", Gave: fmt.Sprint(w.code), Err: err.Error()})
	wrong := w.code == closeRevoked && d.staysWith(w.token)
	d.w.checks.that(signOut, !wrong, "%s: a window of a session that goes on was closed with 1008", d.name)
}

// heard takes a frame, as static/live.js does. A frame of a kind that isn't known asks for a look at everything.
func (d *device) heard(w *window, text []byte) {
	f, err := decode[frame](text)
	d.w.journal.add(time.Now(), entry{Device: d.name, Node: w.node, Did: "heard " + f.Type, Gave: f.ID + " rev " + fmt.Sprint(f.Rev) + " with " + f.With})
	d.w.checks.that(surprises, err == nil, "%s heard what is no JSON: %q", d.name, text)
	seen := strange(text, d.person.name)
	d.w.checks.that(strangers, seen == "", "%s heard %s", d.name, seen)
	switch f.Type {
	case "message":
		d.heardMessage(w, f)
	case "read":
		d.w.truth.raise(d.person.name, f.With, floor{}, f.Seq)
		d.listBehind()
	case "typing", "presence":
	default:
		d.catchUp()
	}
}

func (d *device) heardMessage(w *window, f frame) {
	conversation, seq := placeOf(f.ID)
	wrong := d.w.truth.claim(conversation, pairOf(d.person.name, f.With))
	d.w.checks.that(strangers, wrong == "", "%s heard of %s with %s: %s", d.name, f.ID, f.With, wrong)
	d.w.checks.that(strangers, d.person.knows(f.With), "%s heard of %s with %s, to whom nobody of the two writes", d.name, f.ID, f.With)
	d.mu.Lock()
	if f.Rev > d.told[f.With].rev {
		d.told[f.With] = hint{f.Rev, f.ID}
	}
	d.behind = true
	d.mu.Unlock()
	d.nudge()
	if rand.IntN(2) == 0 {
		d.w.busy.Go(func() { d.checkPush(w, f, conversation, seq) })
	}
}

// checkPush reads at once what a push named, on another node where there is one, and then everything below it.
func (d *device) checkPush(w *window, f frame, conversation, seq uint64) {
	other := d.w.nodes[(w.node+1+rand.IntN(max(1, len(d.w.nodes)-1)))%len(d.w.nodes)]
	got := d.do(d.w.ctx, request{method: http.MethodGet, path: "/messages/" + f.ID, node: other})
	switch got.status {
	case http.StatusOK, http.StatusNotFound:
		d.w.checks.that(afterCommit, got.status == http.StatusOK, "%s heard of %s with %s, and node %d answered that there is no such message", d.name, f.ID, f.With, other.number)
	}
	if got.status == http.StatusOK && rand.IntN(4) == 0 {
		d.checkBelow(d.w.ctx, f.With, conversation, seq)
	}
}

// checkBelow reads a message and those below it, none of which may be missing.
func (d *device) checkBelow(ctx context.Context, other string, conversation, seq uint64) {
	const most = 20
	got := d.get(ctx, query("/messages", "with", other, "before", idOf(conversation, seq+1), "limit", fmt.Sprint(most)))
	if got.status != http.StatusOK {
		return
	}
	v := d.readHistory(got, other)
	want := min(seq, most)
	d.w.checks.that(prefix, uint64(len(v.messages)) == want, "%s may read %s, and %d messages from there downwards instead of %d", d.name, idOf(conversation, seq), len(v.messages), want)
	for i, m := range v.messages {
		_, found := m.place()
		d.w.checks.that(prefix, found == seq-want+1+uint64(i), "%s may read %s, and below it %s at place %d", d.name, idOf(conversation, seq), m.ID, i)
	}
}

// windowsOf are the windows that people have open on a node.
func (w *world) windowsOf(n *node) (all []*window) {
	for _, d := range w.devices() {
		if open := d.currentWindow(); open != nil && open.node == n.number {
			all = append(all, open)
		}
	}
	return all
}

// toldOfRestart says whether a window whose node was stopped had been told so, unless something else ended it before.
func (w *window) toldOfRestart() bool {
	select {
	case <-w.closed:
	case <-time.After(time.Second):
		return false
	}
	return w.ours.Load() || w.code == closeRestart || w.code == closeRevoked
}

func closedWith(err error, code int) bool {
	closed, ok := errors.AsType[*websocket.CloseError](err)
	return ok && closed.Code == code
}

var errStillOpen = errors.New("the window is still open")

// drain reads what a window that nobody read has been sent, and says how it ended.
func (w *window) drain() error {
	_ = w.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	for {
		if _, _, err := w.conn.ReadMessage(); errors.Is(err, os.ErrDeadlineExceeded) {
			return errStillOpen
		} else if err != nil {
			return err
		}
	}
}
