package hub

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	closeEach   = time.Millisecond // the time that each window adds, so that few windows don't delay a stop
	closeWithin = 2 * time.Second
	closeStep   = 20 * time.Millisecond
)

// CloseEvenly is CloseAll over a time: a millisecond for each window, two seconds at most, in random order. From its
// start it refuses further windows.
func (h *Hub) CloseEvenly(ctx context.Context, code int, reason string) error {
	h.stop()
	all := h.all()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	over := min(closeWithin, time.Duration(len(all))*closeEach)
	tick := time.NewTicker(closeStep)
	defer tick.Stop()
	for began, closed := time.Now(), 0; h.waitFor(ctx, tick) && time.Since(began) < over; {
		for due := int(time.Since(began) * time.Duration(len(all)) / over); closed < due; closed++ {
			all[closed].Close(code, reason)
		}
	}
	return h.CloseAll(ctx, code, reason)
}

// waitFor says no when there is nothing to wait for any more.
func (h *Hub) waitFor(ctx context.Context, tick *time.Ticker) bool {
	select {
	case <-h.empty:
		return false
	case <-ctx.Done():
		return false
	case <-tick.C:
		return true
	}
}
