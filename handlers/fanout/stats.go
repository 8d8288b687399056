package fanout

import (
	"sync/atomic"
	"time"

	"parley/db/chat"
	"parley/db/meter"
)

// Stats is what a Fanout has done since it was made. Where there is one node alone it is all zero.
type Stats struct {
	Nodes     bool           // there may be other nodes
	Published uint64         // events that Redis has taken for other nodes
	Lost      uint64         // events that could not be sent to other nodes
	Waiting   int            // events that wait for Redis
	Wait      meter.Snapshot // from Notify until Redis has taken it, for the oldest event of each round trip, in nanoseconds
	Heard     uint64         // other nodes' events that came here
	Delay     meter.Snapshot // from another node's publishing to the windows here, in nanoseconds by the two nodes' clocks
	Degraded  bool           // other nodes can't be told or heard
}

// counts is where a Redis counts.
type counts struct {
	published, received atomic.Uint64
	wait, delay         *meter.Histogram
}

func newCounts() counts { return counts{wait: meter.Durations(), delay: meter.Durations()} }

// sent counts a round trip with n events, the oldest of which has waited since then.
func (c *counts) sent(n int, oldest time.Time) {
	c.published.Add(uint64(n))
	c.wait.ObserveSince(oldest)
}

// heard counts an event that another node sent, at the zero time where it didn't say when.
func (c *counts) heard(sent time.Time) {
	c.received.Add(1)
	if !sent.IsZero() {
		c.delay.ObserveSince(sent)
	}
}

// Stats implements Fanout.
func (m *Memory) Stats() Stats { return Stats{} }

// Stats implements Fanout.
func (r *Redis) Stats() Stats {
	return Stats{
		Nodes: true, Published: r.counts.published.Load(), Lost: r.Lost(), Waiting: r.publisher.queued(),
		Wait: r.counts.wait.Snapshot(), Heard: r.counts.received.Load(), Delay: r.counts.delay.Snapshot(), Degraded: r.Ready() != nil,
	}
}

// queued is how many events wait for Redis.
func (p *publisher) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

// Trace implements Fanout: one node tells no other.
func (m *Memory) Trace(chat.Tracer) {}

// Trace implements Fanout.
func (r *Redis) Trace(t chat.Tracer) { r.tracer = t }

// trace tells of messages that Redis has just taken.
func (r *Redis) trace(events []chat.Event) {
	if r.tracer == nil {
		return
	}
	at := time.Now()
	for i := range events {
		if e := &events[i]; e.Type == chat.EventMessage {
			r.tracer.Trace(chat.Step{Kind: chat.StepSent, At: at, ID: e.ID, User: e.To})
		}
	}
}
