package fanout

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"parley/db/chat"
)

const (
	// maxWaiting is how many events wait for Redis at most: a second's worth of a busy node, in some 2 MB.
	maxWaiting = 16_384
	// maxBatch is how many are sent in one round trip.
	maxBatch = 512
	// gatherFor is the least time between two round trips. What comes alone is sent at once; at 5,000 messages a second,
	// without it, nodes and Redis together spent half as much time again on each event.
	gatherFor = time.Millisecond
	// tellEvery is how often, at most, all nodes are told to look because events were lost; while ever more are being
	// lost it is tellAnyway, which leaves room for the windows' spread below the promised 10 s.
	tellEvery  = time.Second
	tellAnyway = 5 * time.Second
	// Pauses between two attempts to reach Redis.
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second / 2
)

// publisher sends events to other nodes: one goroutine, which takes along all that waits in one round trip.
type publisher struct {
	r      *Redis
	wake   chan struct{}
	oldest time.Time // when the oldest of what is being sent was added; used by run alone
	// Used by run alone: when nodes were last told to look, and when they last heard from this one.
	told, beaten time.Time

	mu       sync.Mutex
	queue    []chat.Event
	away     bool      // Redis is: what is added is lost at once
	lost     uint64    // events since nodes were last told to look
	since    time.Time // when the oldest of queue was added
	lostEver atomic.Uint64
}

func newPublisher(r *Redis) *publisher {
	return &publisher{r: r, wake: make(chan struct{}, 1), told: time.Now()}
}

// add queues events, or loses them where there is no room.
func (p *publisher) add(events []chat.Event) {
	if len(events) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away || len(p.queue)+len(events) > maxWaiting {
		p.lose(len(events))
		return
	}
	p.queue = append(p.queue, events...)
	if len(p.queue) == len(events) {
		p.since = time.Now()
		signal(p.wake)
	}
}

func (p *publisher) lose(n int) {
	p.lost += uint64(n)
	p.lostEver.Add(uint64(n))
}

// signal wakes whoever waits at a channel that has room for one.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends, and then what still waits. An exchange that is under way is not cut off by ctx.
func (p *publisher) run(ctx context.Context) {
	tick := time.NewTicker(min(tellEvery, beatEvery))
	defer tick.Stop()
	signal(p.wake) // others are to know of this node at once
	var last time.Time
	for ; ctx.Err() == nil; last = time.Now() {
		select {
		case <-ctx.Done():
		case <-p.wake:
			time.Sleep(gatherFor - time.Since(last))
		case <-tick.C:
		}
		if err := p.sendAll(context.WithoutCancel(ctx)); err != nil {
			p.outlast(ctx, err)
		}
	}
	if !p.isAway() {
		_ = p.say(context.WithoutCancel(ctx), signGoodbye) // without it others miss this node for a while
	}
}

// sendAll sends until nothing waits, says that this node is there, and tells nodes of what was lost before.
func (p *publisher) sendAll(ctx context.Context) error {
	for {
		batch, lost := p.take()
		if lost > 0 && (len(batch) == 0 || time.Since(p.told) > tellAnyway) && time.Since(p.told) > tellEvery {
			if err := p.tell(ctx); err != nil {
				return p.failed(batch, err)
			}
			p.forgive(lost)
		}
		if time.Since(p.beaten) >= beatEvery/2 { // a busy node says so when it passes by here, not by each tick
			if err := p.beat(ctx); err != nil {
				return p.failed(batch, err)
			}
		}
		if len(batch) == 0 {
			return nil
		}
		if err := p.send(ctx, batch); err != nil {
			return p.failed(batch, err)
		}
	}
}

func (p *publisher) take() (batch []chat.Event, lost uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch, p.queue, p.oldest = p.queue, nil, p.since
	return batch, p.lost
}

// forgive forgets as many lost events as nodes have been told of.
func (p *publisher) forgive(lost uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost -= lost
}

func (p *publisher) failed(batch []chat.Event, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose(len(batch))
	return err
}

// outlast waits until Redis takes something again: first of all that nodes are to look. What is committed meanwhile goes
// to this node's windows alone.
func (p *publisher) outlast(ctx context.Context, err error) {
	p.r.broken(p, err)
	for pause := firstPause; err != nil; pause = min(2*pause, longestPause) {
		p.shut()
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause)):
		}
		if err = p.r.look(ctx, commonChannel(0)); err != nil {
			continue
		}
		lost := p.open()
		if err = p.tell(ctx); err == nil {
			p.forgive(lost)
		}
	}
	p.r.health.mends(p)
	signal(p.wake) // this node was missed, perhaps
}

// shut loses what waits, and all that comes until open.
func (p *publisher) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose(len(p.queue))
	p.away, p.queue = true, nil
}

func (p *publisher) isAway() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.away
}

func (p *publisher) open() (lost uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = false
	return p.lost
}

// tell has all windows of all other nodes look for what they may have missed.
func (p *publisher) tell(ctx context.Context) error {
	p.told = time.Now()
	envelope := appendEnvelope(nil, p.r.node, chat.Event{Type: chat.EventCheck})
	return p.exchange(ctx, len(p.r.lanes), func(n int) (string, []byte) { return commonChannel(n), envelope })
}

// beat tells all other nodes that this one is there. At the first time it isn't known yet what the server has.
func (p *publisher) beat(ctx context.Context) error {
	if p.beaten.IsZero() {
		if err := p.r.look(ctx, commonChannel(0)); err != nil {
			return err
		}
	}
	p.beaten = time.Now()
	return p.say(ctx, signAlive)
}

func (p *publisher) say(ctx context.Context, sign byte) error {
	text := appendSign(nil, sign, p.r.node, p.r.name)
	return p.exchange(ctx, 1, func(int) (string, []byte) { return commonChannel(0), text })
}

func (p *publisher) send(ctx context.Context, events []chat.Event) error {
	now := time.Now()
	for len(events) > 0 {
		n := min(len(events), maxBatch)
		err := p.exchange(ctx, n, func(i int) (string, []byte) {
			return channelOf(events[i]), stamped(appendEnvelope(make([]byte, 0, 64), p.r.node, events[i]), now)
		})
		if err != nil {
			return err
		}
		p.r.counts.sent(n, p.oldest)
		p.r.trace(events[:n])
		events = events[n:]
	}
	return nil
}

// exchange publishes n envelopes in one round trip.
func (p *publisher) exchange(ctx context.Context, n int, envelope func(int) (channel string, text []byte)) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	pipe, plain := p.r.client.Pipeline(), p.r.plain.Load()
	for i := range n {
		if channel, text := envelope(i); plain {
			pipe.Publish(ctx, channel, text)
		} else {
			pipe.SPublish(ctx, channel, text)
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}
