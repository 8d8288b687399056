package hub

import "sync/atomic"

// Stats is what a Hub has done since it was made, and how many windows it has now.
type Stats struct {
	Windows int
	Pushes  uint64 // frames for one window each
	Closed  []Closed
}

// Closed is how many windows have ended with a close code of RFC 6455: 1006 without any, 0 with one that isn't listed
// otherwise.
type Closed struct {
	Code    int
	Windows uint64
}

// closeAbnormal is never sent: it stands for a connection that ended without a closing frame (RFC 6455 section 7.1.5).
const closeAbnormal = 1006

// countedCodes are those that are counted apart. Pages may send thousands of others.
var countedCodes = [...]int{closeNormal, 1001, closeProtocol, closeAbnormal, CloseRevoked, CloseTooLarge, CloseRestart, CloseOverloaded}

// counts is where a Hub counts.
type counts struct {
	pushes atomic.Uint64
	closed [len(countedCodes) + 1]atomic.Uint64 // the last: every other code
}

func (c *counts) ended(code int) {
	i := 0
	for i < len(countedCodes) && countedCodes[i] != code {
		i++
	}
	c.closed[i].Add(1)
}

// Stats may be called at any time.
func (h *Hub) Stats() Stats {
	stats := Stats{Windows: h.Count(), Pushes: h.counts.pushes.Load()}
	for i := range h.counts.closed {
		closed := Closed{Windows: h.counts.closed[i].Load()}
		if i < len(countedCodes) {
			closed.Code = countedCodes[i]
		}
		stats.Closed = append(stats.Closed, closed)
	}
	return stats
}

// closeCode is how the window ended.
func (w *Window) closeCode() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.code == 0 {
		return closeAbnormal
	}
	return w.code
}
