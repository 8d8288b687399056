package fanout

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// errConnecting is the state of a part that has not been whole yet.
var errConnecting = errors.New("not connected yet")

// health is which parts of the way between nodes are broken. It logs one line when the first of them breaks and one when
// all are whole again: while Redis is away every event fails, and the log is not to tell of each.
type health struct {
	log    *slog.Logger
	mu     sync.Mutex
	broken map[any]error
	since  time.Time
	logged bool
}

func newHealth(log *slog.Logger) *health { return &health{log: log, broken: map[any]error{}} }

// starts notes that a part isn't whole yet, which is nothing to log.
func (h *health) starts(part any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken[part] = errConnecting
}

// breaks notes why a part is broken, and says whether it is the first that is broken.
func (h *health) breaks(part any, err error) (first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken[part] = err
	if first = !h.logged; first {
		h.logged, h.since = true, time.Now()
		h.log.Warn("Redis can't be reached, so other nodes' windows catch up by polling until it can. Nothing is lost.", "error", err)
	}
	return first
}

// mends notes that a part is whole.
func (h *health) mends(part any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.broken, part)
	if len(h.broken) > 0 || !h.logged {
		return
	}
	h.logged = false
	h.log.Info("Redis is back.", "after", time.Since(h.since).Round(time.Millisecond))
}

// err is why a part is broken, if one is.
func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, err := range h.broken {
		return err
	}
	return nil
}
