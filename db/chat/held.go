package chat

import (
	"context"
	"sync"

	"parley/queries"
)

// held are the conversations that somebody else holds, such as a node that stands still in the middle of a send, and
// those of messages that are wrong in some way. Their sends wait apart, so that no other conversation's wait behind them
// in a lane: a conversation is here from the first of its sends that met it so until none of them waits any more.
type held struct {
	mu    sync.Mutex
	lanes map[queries.Pair]*heldLane
	turns chan struct{}
}

// mostHeld is how many held conversations are tried at a time, each for as long as a lock is waited for and each on a
// connection of its own: half of a pool's, so that other requests have some too.
const mostHeld = 8

type heldLane struct {
	grouped[*posting]
	users int // of the lane, which goes with the last one
}

func newHeld() *held {
	return &held{lanes: map[queries.Pair]*heldLane{}, turns: make(chan struct{}, mostHeld)}
}

// enter gives the lane of a held conversation. It makes one where the conversation has just turned out to be held, and
// gives nil for one that isn't. Whoever got a lane leaves it.
func (h *held) enter(pair queries.Pair, isHeld bool, serve func([]*posting)) *heldLane {
	h.mu.Lock()
	defer h.mu.Unlock()
	lane := h.lanes[pair]
	if lane == nil && isHeld {
		lane = &heldLane{}
		lane.most, lane.serve = postMost, serve
		h.lanes[pair] = lane
	}
	if lane != nil {
		lane.users++
	}
	return lane
}

func (h *held) leave(pair queries.Pair) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lane := h.lanes[pair]
	if lane.users--; lane.users == 0 {
		delete(h.lanes, pair)
	}
}

// turn waits until one more may be tried, and gives what ends that.
func (h *held) turn(ctx context.Context) (end func(), err error) {
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// postHeld stores messages of one conversation that is held, together, trying until their time is over. Where they fail
// for another reason, each is tried by itself, so that it has its own error.
func (s *Store) postHeld(group []*posting) {
	ctx, cancel := context.WithDeadline(context.Background(), oldest(group))
	defer cancel()
	err := errAlone
	for err == errAlone {
		err = s.tryHeld(ctx, group)
	}
	if err != nil && KindOf(err) != Unavailable && len(group) > 1 {
		for i := range group {
			s.postHeld(group[i : i+1])
		}
		return
	}
	for _, p := range group {
		if err != nil {
			p.err = err
		}
	}
}

func (s *Store) tryHeld(ctx context.Context, group []*posting) error {
	end, err := s.held.turn(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer end()
	return s.tryPost(group)
}
