// Package hub knows who has a window open on this node, and takes frames to them. It knows nothing of HTTP or SQL.
package hub

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Hub holds the open windows by user. It is safe for concurrent use, and none of its methods waits for a network
// but those that close everything.
type Hub struct {
	mu      sync.RWMutex
	windows map[uint64]map[*Window]struct{}
	added   uint64 // how many windows there have been
	most    int    // windows of one user; 0: any number
	stopped bool
	empty   chan struct{} // closed when the Hub was stopped and the last window is gone

	first, last func(user uint64)
	counts      counts
}

// New makes an empty Hub.
func New() *Hub {
	nobody := func(uint64) {}
	return &Hub{windows: map[uint64]map[*Window]struct{}{}, empty: make(chan struct{}), first: nobody, last: nobody}
}

// Watch names what is told of a user's first window, before Add returns, and of the end of the last. Both are called in
// turn, under the Hub's lock, and must not block. Watch is called before there are windows.
func (h *Hub) Watch(first, last func(user uint64)) { h.first, h.last = first, last }

// Limit says how many windows a user may have, 0 for any number. The oldest gives way to a further one. Limit is called
// before there are windows.
func (h *Hub) Limit(most int) { h.most = most }

// Add registers a window: from now on it hears what is pushed to its user. It says no once the Hub was told to close
// all. Whoever adds a window must Remove it.
func (h *Hub) Add(w *Window) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return false
	}
	if h.windows[w.user] == nil {
		h.windows[w.user] = map[*Window]struct{}{}
		h.first(w.user)
	}
	if h.most > 0 && len(h.windows[w.user]) >= h.most {
		h.closeOldest(w.user)
	}
	h.added++
	w.number = h.added
	h.windows[w.user][w] = struct{}{}
	return true
}

// closeOldest makes room for one more of the user's windows. Those that are closed already may still be there.
func (h *Hub) closeOldest(user uint64) {
	open, oldest := 0, (*Window)(nil)
	for w := range h.windows[user] {
		if w.isClosed() {
			continue
		}
		if open++; oldest == nil || w.number < oldest.number {
			oldest = w
		}
	}
	if open >= h.most {
		oldest.Close(CloseOverloaded, "too many windows")
	}
}

// Remove forgets a window. Removing it twice is no error.
func (h *Hub) Remove(w *Window) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.windows[w.user][w]; !known {
		return
	}
	delete(h.windows[w.user], w)
	h.counts.ended(w.closeCode())
	if len(h.windows[w.user]) == 0 {
		delete(h.windows, w.user)
		h.last(w.user)
	}
	if h.stopped && len(h.windows) == 0 {
		close(h.empty)
	}
}

// Count says how many windows are open.
func (h *Hub) Count() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := 0
	for _, windows := range h.windows {
		n += len(windows)
	}
	return n
}

// Users gives everybody who has a window open.
func (h *Hub) Users() []uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Keys(h.windows))
}

// Sessions gives the user of each session that has a window open, by the session's hash.
func (h *Hub) Sessions() map[string]uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	users := make(map[string]uint64, len(h.windows))
	for user, windows := range h.windows {
		for w := range windows {
			users[string(w.session)] = user
		}
	}
	return users
}

// Push sends a text to each of the user's windows. A window that is too slow to take it is closed (1013).
func (h *Hub) Push(user uint64, text []byte) { h.PushTold(user, text, func(uint64) {}) }

// PushTold is Push, and tells the number of each window that takes the text. It must not block.
func (h *Hub) PushTold(user uint64, text []byte, told func(window uint64)) {
	frame := frame(opText, text) // once for all of them
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.counts.pushes.Add(uint64(len(h.windows[user])))
	for w := range h.windows[user] {
		if w.push(frame) {
			told(w.number)
		}
	}
}

// CloseSession closes the user's windows of one session, or all of them where session is empty.
func (h *Hub) CloseSession(user uint64, session []byte, code int, reason string) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for w := range h.windows[user] {
		if len(session) == 0 || bytes.Equal(session, w.session) {
			w.Close(code, reason)
		}
	}
}

// CloseAll closes every window and refuses further ones. It returns when the last one is gone, or with ctx's error when
// ctx ends first.
func (h *Hub) CloseAll(ctx context.Context, code int, reason string) error {
	h.stop()
	for _, w := range h.all() {
		w.Close(code, reason)
		if !w.attached() {
			h.Remove(w) // nobody may ever attach it; whoever does all the same has it closed
		}
	}
	select {
	case <-h.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped && len(h.windows) == 0 {
		close(h.empty)
	}
	h.stopped = true
}

// Ping asks every window for a sign of life, and drops those that were added longer ago than a handshake takes and
// whose connection never came.
func (h *Hub) Ping() {
	for _, w := range h.all() {
		if !w.ping(time.Now()) {
			h.Remove(w)
		}
	}
}

func (h *Hub) all() []*Window {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var all []*Window
	for _, windows := range h.windows {
		for w := range windows {
			all = append(all, w)
		}
	}
	return all
}
