package handlers

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"parley/handlers/hub"
)

// checkFrame tells a window that it may have missed something. It catches up from the database, by since_rev.
var checkFrame = []byte(`{"type":"check"}`)

const (
	// While other nodes can't be heard, each window is told to catch up once in slowRound: with the few seconds that it
	// takes to notice, that is within the 10 s that are promised.
	slowRound = 5 * time.Second
	// Once it is over, or where something was lost at one time, all of them are told within promptRound. Never at once:
	// each window asks the database.
	promptRound = 800 * time.Millisecond
	checkStep   = 100 * time.Millisecond
	// While other nodes can't be heard, a session that one of them ended is looked for this often.
	sessionsEvery = time.Second
	sessionsTime  = 2 * time.Second
)

// checker stands in for what other nodes would have told this one's windows, while they can't. It has nothing to do, and
// doesn't wake up, as long as they can.
type checker struct {
	s     *Server
	asked atomic.Bool
	wake  chan struct{}

	round    round
	again    bool      // another round is to follow
	sessions time.Time // when they were last looked up
}

// round tells everybody's windows, evenly over a time.
type round struct {
	users []uint64
	told  int // of the users, in order
	slow  bool
	began time.Time
}

func newChecker(s *Server) *checker { return &checker{s: s, wake: make(chan struct{}, 1)} }

// check has the windows of a user catch up, or everybody's for 0, which takes a while. It doesn't block.
func (k *checker) check(user uint64) {
	if user != 0 {
		k.s.hub.Push(user, checkFrame)
		return
	}
	k.asked.Store(true)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run works until ctx ends. A fan-out that breaks asks for a check as well, so that wakes it.
func (k *checker) run(ctx context.Context) {
	tick := time.NewTicker(checkStep)
	defer tick.Stop()
	for {
		tick.Stop()
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		for tick.Reset(checkStep); k.step(ctx); {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// step tells some windows, and says whether there is more to do.
func (k *checker) step(ctx context.Context) bool {
	degraded := k.s.Fanout.Ready() != nil
	asked := k.asked.Swap(false)
	if k.round.slow && (asked || !degraded) { // everybody promptly, rather than the rest slowly
		k.round, asked = round{}, true
	}
	k.again = k.again || asked
	if asked || degraded && time.Since(k.sessions) >= sessionsEvery {
		k.closeEnded(ctx)
	}
	if k.round.over() && (k.again || degraded) {
		// Windows that open from now on have caught up by themselves. Who asks knows of a loss, which is made good promptly
		// even where a node that is gone for good keeps the slow rounds going.
		k.round, k.again = round{users: k.s.hub.Users(), slow: !k.again, began: time.Now()}, false
	}
	for _, user := range k.round.next() {
		k.s.hub.Push(user, checkFrame)
	}
	return degraded || k.again || !k.round.over()
}

func (r *round) lasts() time.Duration {
	if r.slow {
		return slowRound
	}
	return promptRound
}

func (r *round) over() bool { return time.Since(r.began) >= r.lasts() && r.told == len(r.users) }

// next gives those whose turn it is by now.
func (r *round) next() []uint64 {
	part := min(1, (time.Since(r.began)+checkStep).Seconds()/r.lasts().Seconds())
	due := r.users[r.told:max(r.told, int(math.Ceil(part*float64(len(r.users)))))]
	r.told += len(due)
	return due
}

func (k *checker) closeEnded(ctx context.Context) {
	k.sessions = time.Now()
	k.lookUp(ctx)
}

// lookUp closes the windows of sessions that have expired, or were ended where this node couldn't hear it.
func (k *checker) lookUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sessionsTime)
	defer cancel()
	users := k.s.hub.Sessions()
	hashes := make([][]byte, 0, len(users))
	for hash := range users {
		hashes = append(hashes, []byte(hash))
	}
	ended, err := k.s.Store.EndedSessions(ctx, hashes)
	if err != nil {
		k.s.Logger.Debug("the windows' sessions can't be looked up", "error", err)
	}
	for _, hash := range ended {
		k.s.hub.CloseSession(users[string(hash)], hash, hub.CloseRevoked, "signed out")
	}
}
