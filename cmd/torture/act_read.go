package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// open opens a conversation: a browser leaves the one that it showed before.
func (d *device) open(ctx context.Context) {
	with := d.partner()
	if !d.browser {
		d.fetchThread(ctx, with)
		return
	}
	d.mu.Lock()
	d.threads = map[string]*thread{with: newThread(with)}
	d.mu.Unlock()
	d.nudge()
}

// markRead says that everything that is shown of a conversation has been seen, or sometimes only some of it.
func (d *device) markRead(ctx context.Context) {
	with, seq := d.partner(), uint64(0)
	d.mu.Lock()
	if t := d.threads[with]; t != nil {
		for shown := range t.shown {
			seq = max(seq, shown)
		}
	}
	d.mu.Unlock()
	if seq == 0 {
		return
	}
	if d.random.IntN(3) == 0 {
		seq = 1 + d.random.Uint64N(seq)
	}
	text, err := json.Marshal(map[string]uint64{"seq": seq})
	if err != nil {
		panic(err) // a number
	}
	got := d.do(ctx, request{method: http.MethodPut, path: "/conversations/" + with + "/read", kind: jsonType, body: text})
	if got.status == http.StatusNoContent {
		d.w.truth.raise(d.person.name, with, floor{}, seq)
	}
}

// look reads the list of conversations once more.
func (d *device) look(ctx context.Context) { d.readList(ctx) }

// readOlder reads a piece of the history below a message that is shown.
func (d *device) readOlder(ctx context.Context) {
	with := d.partner()
	before := d.w.truth.floorsOf(d.person.name, with).newest[with]
	got := d.get(ctx, query("/messages", "with", with, "limit", "50"))
	if got.status != http.StatusOK {
		return
	}
	v := d.readHistory(got, with)
	newest := uint64(0)
	for i, m := range v.messages {
		_, seq := m.place()
		d.w.checks.that(prefix, i == 0 || seq == newest+1, "%s reads the history with %s, and %s comes after %d", d.name, with, m.ID, newest)
		newest = seq
	}
	d.w.checks.that(prefix, newest >= before.seq && v.rev >= before.rev, "%s reads the history with %s up to %d (rev %d), and up to %d (rev %d) was seen before", d.name, with, newest, v.rev, before.seq, before.rev)
	if len(v.messages) > 0 {
		conversation, seq := v.messages[0].place()
		d.checkBelow(ctx, with, conversation, 1+d.random.Uint64N(seq))
	}
}

// readPages reads whole pages as a browser without JavaScript does.
func (d *device) readPages(ctx context.Context) {
	with := d.partner()
	d.readPage(d.do(ctx, request{method: http.MethodGet, path: "/conversations/" + with, page: true}), with)
	d.do(ctx, request{method: http.MethodGet, path: "/users", page: true})
}

// pry tries to read what isn't this person's. It must look as if it did not exist.
func (d *device) pry(ctx context.Context) {
	id := d.w.truth.foreign(d.person.name, d.random.Int())
	if id == "" {
		return
	}
	r := request{method: http.MethodGet, path: "/messages/" + id, fragment: d.random.IntN(2) == 0}
	conversation, seq := placeOf(id)
	if d.random.IntN(2) == 0 { // under the cover of one's own conversation
		r.path = query("/messages", "with", d.partner(), "before", idOf(conversation, seq+1))
	}
	got := d.do(ctx, r)
	if got.status == 0 || got.status == http.StatusUnauthorized || got.status >= http.StatusInternalServerError {
		return
	}
	hidden := got.status == http.StatusNotFound || got.status == http.StatusBadRequest
	d.w.checks.that(strangers, hidden, "%s asked for %s, which isn't theirs, and got %d: %.200s", d.name, r.path, got.status, got.body)
}

// reconnect drops the window without a word, as a change of networks does.
func (d *device) reconnect(context.Context) {
	if w := d.currentWindow(); w != nil {
		w.drop()
	}
}

// speak says something in a window, which nobody may.
func (d *device) speak(ctx context.Context) {
	d.breakRules(ctx, []byte(`{"type":"hello"}`), closeRevoked)
}

// shout says more than a window takes.
func (d *device) shout(ctx context.Context) { d.breakRules(ctx, make([]byte, 4096), closeTooLarge) }

// breakRules does so in a window of its own, so that the device's goes on.
func (d *device) breakRules(ctx context.Context, text []byte, want int) {
	began := time.Now()
	w, err := d.openWindow(ctx, d.w.nodes[d.random.IntN(len(d.w.nodes))])
	if err != nil {
		return
	}
	defer w.conn.Close()
	_ = w.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if err := w.conn.WriteMessage(1, text); err != nil {
		return
	}
	for err == nil {
		_, _, err = w.conn.ReadMessage()
	}
	if d.w.faults.since(began.Add(-grace)) == "" && d.token() == w.token {
		d.w.checks.that(windowRules, closedWith(err, want), "%s sent %d octets into a window on node %d, which ended with %v instead of %d", d.name, len(text), w.node, err, want)
	}
}

// vanish opens a window and never reads from it, nor closes it: the server is to bear that, and to forget it in time.
func (d *device) vanish(ctx context.Context) {
	w, err := d.openWindow(ctx, d.w.nodes[d.random.IntN(len(d.w.nodes))])
	if err == nil {
		d.w.vanished(w)
		d.w.journal.add(time.Now(), entry{Device: d.name, Node: w.node, Did: "vanish", Gave: fmt.Sprint(w.conn.LocalAddr())})
	}
}
