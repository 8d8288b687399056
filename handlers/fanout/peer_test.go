package fanout

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/db/chat"
)

// watch is a node's peers, by a bubble's clock.
type watch struct {
	*peers
	t      *testing.T
	log    *logBuffer
	checks int
}

func newWatch(t *testing.T) *watch {
	w := &watch{t: t, log: &logBuffer{}}
	w.peers = newPeers(slog.New(slog.NewTextHandler(w.log, nil)), func() { w.checks++ })
	w.hear(true)
	return w
}

// pass lets time pass while some nodes say that they are there.
func (w *watch) pass(d time.Duration, there ...nodeID) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(lookEvery) {
		for _, node := range there {
			w.beat(node, "some host")
		}
		w.look(time.Now())
	}
	w.look(time.Now())
}

func (w *watch) want(when string, missing bool, checks int) {
	w.t.Helper()
	if err := w.err(); (err != nil) != missing || err != nil && !errors.Is(err, ErrPeerSilent) {
		w.t.Errorf("%s: the error is %v", when, err)
	}
	if w.checks != checks {
		w.t.Errorf("%s: windows were told to look %d times, want %d", when, w.checks, checks)
	}
	w.checks = 0
}

func TestPeersAreMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, b := newWatch(t), nodeID{1}, nodeID{2}
		w.pass(time.Minute)
		w.want("nobody is there", false, 0)
		w.pass(time.Hour, a, b)
		w.want("both are there", false, 0)
		w.pass(peerSilence-beatEvery, a)
		w.want("one is late", false, 0)
		w.pass(beatEvery+lookEvery, a)
		w.want("one is missing", true, 1)
		w.pass(peerMissed/2, a)
		w.want("it stays away", true, 0)
		w.pass(lookEvery, a, b)
		w.want("it is back", false, 1)
		if log := w.log.String(); strings.Count(log, "level=WARN") != 1 || strings.Count(log, "level=INFO") != 1 || strings.Count(log, `node="some host"`) != 2 {
			t.Errorf("the log says\n%s", log)
		}
	})
}

// A node that was killed costs some polling, not polling for ever. It may be back all the same, much later.
func TestPeersAreTakenForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, b := newWatch(t), nodeID{1}, nodeID{2}
		w.pass(time.Minute, a, b)
		w.pass(peerMissed, a)
		w.want("just before", true, 1)
		w.pass(peerSilence+lookEvery, a)
		w.want("it is dead", false, 0)
		w.pass(peerKept/2, a)
		w.want("it stays dead", false, 0)
		w.pass(lookEvery, a, b)
		w.want("it is back", false, 1)
		w.pass(peerSilence+lookEvery, a)
		w.want("it is missed again", true, 1)
		w.pass(peerMissed+peerKept+lookEvery, a)
		if len(w.known) != 1 {
			t.Errorf("%d nodes are remembered for ever", len(w.known))
		}
	})
}

func TestPeersSayGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newWatch(t), nodeID{1}
		w.pass(time.Minute, a)
		w.leave(a)
		w.leave(nodeID{2}) // whom nobody knew
		w.pass(time.Hour)
		w.want("it left", false, 0)
		if len(w.known) != 0 {
			t.Error("it is remembered")
		}
	})
}

// Who can't hear anybody knows that already, and misses nobody just after it can again.
func TestPeersAreNotMissedByTheDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newWatch(t), nodeID{1}
		w.pass(time.Minute, a)
		w.hear(false)
		w.pass(time.Hour)
		w.want("deaf", false, 0)
		w.hear(true)
		w.pass(peerSilence - lookEvery)
		w.want("it may still come", false, 0)
		w.pass(2 * lookEvery)
		w.want("it didn't come", true, 1)
		w.hear(false)
		w.hear(true)
		w.pass(lookEvery)
		w.want("it is still missing", true, 0)
	})
}

// A process that stood still misses nobody before it has read what came meanwhile.
func TestPeersAreNotMissedByWhoStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newWatch(t), nodeID{1}
		w.pass(time.Minute, a)
		time.Sleep(time.Hour)
		w.pass(peerSilence - lookEvery)
		w.want("awake again", false, 0)
		w.pass(2 * lookEvery)
		w.want("it didn't come", true, 1)
	})
}

// A node that alone is cut off can't tell the others. They notice, poll, and look once more when it is back.
func TestRedisNoticesANodeThatIsCutOff(t *testing.T) {
	for name, server := range map[string]string{"plain": servers["plain"](t), "sharded": servers["sharded"](t)} {
		t.Run(name, func(t *testing.T) {
			way := newRoad(t, strings.TrimPrefix(server, "redis://"))
			a, b := startNode(t, way.url()).ready(), startNode(t, server).ready()
			await(t, "both to know each other", func() bool { return a.knows(b) && b.knows(a) })
			b.events()
			cut := time.Now()
			way.close(true)
			await(t, "the other node to notice", func() bool { return b.Ready() != nil })
			if took := time.Since(cut); took > peerSilence+2*time.Second {
				t.Errorf("it was noticed after %s", took)
			}
			if err := b.Ready(); !errors.Is(err, ErrPeerSilent) || !strings.Contains(err.Error(), a.name) {
				t.Errorf("it says %v", err)
			}
			if err := a.Ready(); err == nil || errors.Is(err, ErrPeerSilent) {
				t.Errorf("the node that is cut off says %v", err)
			}
			b.checked(0)
			if a.hearsSince() != (time.Time{}) || b.hearsSince().IsZero() {
				t.Error("the one that is cut off waits for the other's signs of life")
			}
			way.close(false)
			b.ready()
			b.checked(0)
			a.ready()
			if b.lines("WARN") != 1 || b.lines("INFO") != 1 {
				t.Errorf("the log says\n%s", b.log)
			}
		})
	}
}

func TestRedisSaysGoodbye(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			url := server(t)
			a, b := startNode(t, url).ready(), startNode(t, url).ready()
			await(t, "the other node to be known", func() bool { return b.knows(a) })
			a.Close()
			await(t, "it to be forgotten", func() bool { return !b.knows(a) })
			if b.Ready() != nil || b.log.String() != "" {
				t.Errorf("a goodbye is an error: %v, %s", b.Ready(), b.log)
			}
		})
	}
}

// A node that has ever more to send says that it is there all the same.
func TestRedisBeatsWhileItIsBusy(t *testing.T) {
	url := servers["plain"](t)
	a, b := newNode(t, url), startNode(t, url).ready()
	if err := a.publisher.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the first sign of life", func() bool { return b.knows(a) })
	b.peers.leave(a.node)
	over := time.Now().Add(2 * beatEvery)
	a.client.AddHook(refill{func() {
		if time.Now().Before(over) && !b.knows(a) {
			a.publisher.add([]chat.Event{canary(7, 1)})
		}
	}})
	a.publisher.add([]chat.Event{canary(7, 1)})
	if err := a.publisher.sendAll(t.Context()); err != nil || !time.Now().Before(over) {
		t.Errorf("no sign of life came while there was more to send: %v", err)
	}
}

// refill is called whenever something is sent.
type refill struct{ add func() }

func (refill) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (refill) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (r refill) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		r.add()
		return next(ctx, commands)
	}
}

// A node of an earlier version takes a sign for an envelope that it doesn't know.
func TestSigns(t *testing.T) {
	id := nodeID{1, 2, 3, 4, 5, 6, 7, 8}
	for _, sign := range []byte{signAlive, signGoodbye} {
		text := string(appendSign(nil, sign, id, "a host process 7"))
		if got, node, name := openSign(text); got != sign || node != id || name != "a host process 7" {
			t.Errorf("%q is %c of %v, %q", text, got, node, name)
		}
		if !sentBy(text, id) || sentBy(text, nodeID{}) {
			t.Error("the sender is mistaken")
		}
		if _, err := openEnvelope(text); !errors.Is(err, errEnvelope) {
			t.Errorf("as an envelope it gives %v", err)
		}
		for n := range 1 + nodeLen {
			if got, _, _ := openSign(text[:n]); got != 0 {
				t.Errorf("%q is a sign", text[:n])
			}
		}
	}
	if sign, _, _ := openSign(string(appendEnvelope(nil, id, sample))); sign != 0 {
		t.Error("an envelope is a sign")
	}
	if _, _, name := openSign(string(appendSign(nil, signAlive, id, strings.Repeat("x", 1000)))); len(name) != maxName {
		t.Errorf("a name has %d octets", len(name))
	}
}

func (n *node) hearsSince() time.Time {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	return n.peers.hears
}

// knows says whether a node has heard another's signs of life, and no goodbye.
func (n *node) knows(other *node) bool {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	return n.peers.known[other.node] != nil
}
