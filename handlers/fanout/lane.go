package fanout

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/db/chat"
)

const (
	// awaitAtMost bounds how long a window's handshake waits for its subscription: it takes a round trip, a few
	// milliseconds when thousands open at once.
	awaitAtMost = 500 * time.Millisecond
	// maxChannels is how many channels one command names.
	maxChannels = 1000
	// linger is how long a user is still followed whose last window has closed: a page that is loaded anew closes its
	// window and opens another.
	linger = 5 * time.Second
	// A connection on which not even the answers to pings come is dead, and its channels are read by nobody. Noticing that,
	// connecting anew and telling the windows have five seconds together: that is how soon each page is to be right again.
	pingEvery = 400 * time.Millisecond
	silence   = 1200 * time.Millisecond
)

// lane is one connection that subscribes to channels, and the users it is for. One goroutine writes and one reads,
// however many users there are: who begins to follow only notes it, and the writer takes along all that was noted.
type lane struct {
	r      *Redis
	n      int
	linger time.Duration
	wake   chan struct{}

	mu       sync.Mutex
	up       bool // everything that was followed when the connection was made is subscribed to
	users    map[uint64]*follower
	fresh    []uint64  // to be subscribed to
	left     []leaving // in order of time; they may have come back
	sent     []batch   // written, not confirmed yet
	lastMark uint64
}

// follower is a user who has a window on this node, or had one a moment ago.
type follower struct {
	open      bool
	leftAt    time.Time // when the last window closed, unless open
	queued    bool      // once, however often windows come and go: it is among those who left
	confirmed bool
	late      bool          // somebody stopped waiting
	ready     chan struct{} // made by the first who waits
}

type leaving struct {
	user uint64
	at   time.Time
}

// batch is channels that a server has subscribed to when it answers the ping that was sent after them.
type batch struct {
	mark  uint64
	users []uint64
}

func newLane(r *Redis, n int) *lane {
	return &lane{r: r, n: n, linger: linger, users: map[uint64]*follower{}, wake: make(chan struct{}, 1)}
}

func (l *lane) follow(user uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.users[user]; f != nil {
		f.open = true
		return
	}
	l.users[user] = &follower{open: true}
	l.fresh = append(l.fresh, user)
	signal(l.wake)
}

func (l *lane) unfollow(user uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.users[user]; f != nil {
		f.open, f.leftAt = false, time.Now()
		l.queue(user, f, f.leftAt)
	}
}

func (l *lane) queue(user uint64, f *follower, at time.Time) {
	if !f.queued {
		f.queued = true
		l.left = append(l.left, leaving{user, at})
	}
}

func (l *lane) await(ctx context.Context, user uint64) {
	ready := l.waitFor(user)
	if ready == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, awaitAtMost)
	defer cancel()
	select {
	case <-ready:
	case <-ctx.Done():
		l.beLate(user)
	}
}

// waitFor gives nothing where there is nothing to wait for.
func (l *lane) waitFor(user uint64) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.users[user]
	if !l.up || f == nil || f.confirmed {
		return nil
	}
	if f.ready == nil {
		f.ready = make(chan struct{})
	}
	return f.ready
}

func (l *lane) beLate(user uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.users[user]; f != nil {
		f.late = true
	}
}

// run keeps the lane connected until ctx ends.
func (l *lane) run(ctx context.Context) {
	pause := firstPause
	for {
		began := time.Now()
		err := l.session(ctx)
		l.fall()
		if ctx.Err() != nil {
			return
		}
		l.r.broken(l, err)
		if time.Since(began) > 10*longestPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, longestPause)
	}
}

// session is one connection's life.
func (l *lane) session(ctx context.Context) error {
	if cluster, ok := l.r.client.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx) // channels may have moved to another server, which may be why the last session ended
	}
	if err := l.r.look(ctx, commonChannel(l.n)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &subscription{lane: l, plain: l.r.plain.Load(), conn: l.r.client.Subscribe(ctx)}
	defer s.conn.Close()
	// The first channel is what chooses the server in a cluster, so it comes before anybody reads.
	if err := s.subscribe(ctx, commonChannel(l.n)); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = s.conn.Close() }) // wakes the reader; closing twice is no harm
	written := make(chan error, 1)
	go func() {
		defer cancel()
		written <- s.write(ctx)
	}()
	err := s.read(ctx)
	cancel()
	return errors.Join(err, <-written)
}

// begin gives everybody who is followed, since a new connection has no channels.
func (l *lane) begin() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh, l.sent = nil, nil
	all := make([]uint64, 0, len(l.users))
	for user, f := range l.users {
		f.confirmed = false
		all = append(all, user)
	}
	return all
}

// takeFresh gives those whom the connection doesn't follow yet.
func (l *lane) takeFresh() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := l.fresh
	l.fresh = nil
	return fresh
}

// takeLeft gives, and forgets, those who have had no window for a while. Whoever isn't confirmed yet stays: then a
// confirmation is never that of an earlier time.
func (l *lane) takeLeft(now time.Time) (gone []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.left) > 0 && now.Sub(l.left[0].at) >= l.linger {
		one := l.left[0]
		l.left = l.left[1:]
		f := l.users[one.user]
		f.queued = false
		switch {
		case f.open:
		case !f.confirmed:
			l.queue(one.user, f, now)
		case now.Sub(f.leftAt) < l.linger: // it came back and left again
			l.queue(one.user, f, f.leftAt)
		default:
			delete(l.users, one.user)
			gone = append(gone, one.user)
		}
	}
	return gone
}

// mark notes a batch that is about to be confirmed, and gives the ping's text that will do so.
func (l *lane) mark(users []uint64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastMark++
	l.sent = append(l.sent, batch{l.lastMark, users})
	return strconv.FormatUint(l.lastMark, 10)
}

// confirm takes the answer to a ping. The first one after a connection was made says that the lane is whole.
func (l *lane) confirm(text string) {
	mark, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return
	}
	rose, late, any := l.confirmUntil(mark)
	if rose {
		l.r.health.mends(l)
		l.hears(true)
		if any {
			l.r.deliver(chat.Event{Type: chat.EventCheck})
		}
	}
	for _, user := range late {
		l.r.deliver(chat.Event{Type: chat.EventCheck, To: user})
	}
}

// hears notes whether other nodes' signs of life come here. They come by the first lane.
func (l *lane) hears(can bool) {
	if l.n == 0 {
		l.r.peers.hear(can)
	}
}

func (l *lane) confirmUntil(mark uint64) (rose bool, late []uint64, any bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.sent) > 0 && l.sent[0].mark <= mark {
		for _, user := range l.sent[0].users {
			if f := l.users[user]; f.confirmNow() {
				late = append(late, user)
			}
		}
		l.sent = l.sent[1:]
		rose, l.up = rose || !l.up, true
	}
	return rose, late, len(l.users) > 0
}

// confirmNow wakes whoever waits, and says whether somebody has given up waiting.
func (f *follower) confirmNow() (late bool) {
	if f == nil {
		return false
	}
	late = f.late
	f.confirmed, f.late = true, false
	f.release()
	return late
}

func (f *follower) release() {
	if f.ready != nil {
		close(f.ready)
		f.ready = nil
	}
}

// fall notes that nobody is heard any more. Nobody waits for that to change.
func (l *lane) fall() {
	l.hears(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = false
	for _, f := range l.users {
		f.late = false // all windows are told to look when the lane is whole again
		f.release()
	}
}

// subscription is a lane's connection.
type subscription struct {
	lane  *lane
	plain bool
	conn  *redis.PubSub
}

// write subscribes to what the lane follows, and to what it comes to follow, until ctx or the connection ends.
func (s *subscription) write(ctx context.Context) error {
	if err := s.follow(ctx, s.lane.begin()); err != nil {
		return err
	}
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.lane.wake:
		case <-tick.C:
			if err := errors.Join(s.unfollow(ctx), s.conn.Ping(ctx, "")); err != nil {
				return err
			}
		}
		if fresh := s.lane.takeFresh(); len(fresh) > 0 {
			if err := s.follow(ctx, fresh); err != nil {
				return err
			}
		}
	}
}

func (s *subscription) follow(ctx context.Context, users []uint64) error {
	for rest := users; len(rest) > 0; rest = rest[min(len(rest), maxChannels):] {
		if err := s.subscribe(ctx, channelsOf(rest[:min(len(rest), maxChannels)])...); err != nil {
			return err
		}
	}
	return s.conn.Ping(ctx, s.lane.mark(users))
}

func (s *subscription) unfollow(ctx context.Context) error {
	users := s.lane.takeLeft(time.Now())
	if len(users) == 0 {
		return nil
	}
	if s.plain {
		return s.conn.Unsubscribe(ctx, channelsOf(users)...)
	}
	return s.conn.SUnsubscribe(ctx, channelsOf(users)...)
}

func (s *subscription) subscribe(ctx context.Context, channels ...string) error {
	if s.plain {
		return s.conn.Subscribe(ctx, channels...)
	}
	return s.conn.SSubscribe(ctx, channels...)
}

func channelsOf(users []uint64) []string {
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = userChannel(user)
	}
	return names
}

// read takes what comes until the connection ends or falls silent.
func (s *subscription) read(ctx context.Context) error {
	for {
		what, err := s.conn.ReceiveTimeout(ctx, silence)
		if err != nil {
			return err
		}
		switch what := what.(type) {
		case *redis.Message:
			s.lane.r.heard(what.Payload)
		case *redis.Pong:
			s.lane.confirm(what.Payload)
		case *redis.Subscription:
			if what.Kind == "sunsubscribe" && what.Channel == commonChannel(s.lane.n) {
				return fmt.Errorf("lane %d has moved to another server of the cluster", s.lane.n)
			}
		}
	}
}
