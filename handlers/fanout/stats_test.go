package fanout

import (
	"syscall"
	"testing"
	"time"
)

func TestStatsCountWhatGoesAndComes(t *testing.T) {
	url := servers["plain"](t)
	a, b := startNode(t, url).ready(), startNode(t, url).ready()
	b.follows(7)
	began := time.Now()
	a.Notify(canary(7, 1), canary(7, 2), canary(8, 3))
	b.until(2)
	await(t, "the answer of Redis", func() bool { return a.Stats().Published == 3 })
	took := time.Since(began)
	got := a.Stats()
	if !got.Nodes || got.Lost != 0 || got.Waiting != 0 || got.Degraded || got.Wait.Count() == 0 || got.Heard != 0 {
		t.Errorf("the one that sent: %+v", got)
	}
	if mean := time.Duration(got.Wait.Sum / got.Wait.Count()); mean <= 0 || mean > took {
		t.Errorf("an event waited %s, and all took %s", mean, took)
	}
	await(t, "the other to have counted", func() bool { return b.Stats().Heard == 2 })
	other := b.Stats()
	if other.Published != 0 || other.Delay.Count() != 2 || time.Duration(other.Delay.Sum) > 2*took {
		t.Errorf("the one that heard: %+v", other)
	}
}

func TestStatsCountWhatIsLost(t *testing.T) {
	s := startRedis(t)
	n := startNode(t, s.url()).ready()
	s.signal(syscall.SIGKILL)
	await(t, "the node to notice", func() bool {
		n.Notify(canary(7, 1))
		got := n.Stats()
		return got.Degraded && got.Lost > 0
	})
}

func TestOneNodeAloneCountsNothing(t *testing.T) {
	m := NewMemory()
	m.Notify(sample)
	if got := m.Stats(); got.Nodes || got.Published != 0 {
		t.Errorf("counted %+v", got)
	}
}

// Nodes of the version before don't stamp, and don't mind a stamp.
func TestStamps(t *testing.T) {
	at := time.UnixMicro(time.Now().UnixMicro())
	plain := appendEnvelope(nil, nodeID{1}, sample)
	if _, sent, err := openStamped(string(stamped(plain, at))); err != nil || !sent.Equal(at) {
		t.Errorf("stamped at %s, read %s, %v", at, sent, err)
	}
	if e, sent, err := openStamped(string(plain)); err != nil || !sent.IsZero() || e.ID != sample.ID {
		t.Errorf("without a stamp: %+v, %s, %v", e, sent, err)
	}
	c := newCounts()
	c.heard(time.Time{})
	c.heard(time.Now().Add(time.Hour)) // the other node's clock is ahead
	if d := c.delay.Snapshot(); c.received.Load() != 2 || d.Count() != 1 || d.Sum != 0 {
		t.Errorf("counted %d, %+v", c.received.Load(), d)
	}
}
