package fanout

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"parley/db/chat"
)

var _ Fanout = (*Redis)(nil)

// sample has something in each field.
var sample = chat.Event{
	Type: chat.EventMessage, To: 7, With: "böb", ID: chat.MessageID{Conversation: 300, Seq: 1 << 40}, Rev: 57, Seq: 3, Session: []byte{0, 1, 255},
}

// canary is an event that tells how far delivery has come.
func canary(to, seq uint64) chat.Event { return chat.Event{Type: chat.EventRead, To: to, Seq: seq} }

func TestRedisTakesEventsToTheNodesThatFollow(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			url := server(t)
			a, b, c := startNode(t, url).ready(), startNode(t, url).ready(), startNode(t, url).ready()
			for user := uint64(1); user <= 40; user++ { // each lane and each server of a cluster
				a.follows(user)
				b.follows(user)
			}
			c.follows(1000)
			e := sample
			for e.To = 1; e.To <= 40; e.To++ {
				a.Notify(e)
				if heard := a.events(); len(heard) != 1 || !reflect.DeepEqual(heard[0], e) {
					t.Fatalf("when Notify returned, this node had heard %+v", heard)
				}
				a.Notify(canary(e.To, 99))
				if heard := b.until(99); len(heard) != 1 || !reflect.DeepEqual(heard[0], e) {
					t.Fatalf("the other node heard %+v, want %+v", heard, e)
				}
				b.Notify(canary(e.To, 100))
				if heard := a.until(100); len(heard) != 1 || heard[0].Seq != 99 {
					t.Fatalf("this node heard %+v besides its own canary: an echo", heard)
				}
				b.events()
			}
			everybody := chat.Event{Type: chat.EventCheck, Rev: 1}
			a.Notify(everybody)
			for _, n := range []*node{b, c} {
				await(t, "what goes to everybody", func() bool { return slices.ContainsFunc(n.events(), func(e chat.Event) bool { return e.Rev == 1 }) })
			}
			a.Notify(canary(1000, 1))
			if heard := c.until(1); len(heard) != 0 {
				t.Errorf("a node heard %+v, of users whom it doesn't follow", heard)
			}
			for _, n := range []*node{a, b, c} {
				if n.log.String() != "" {
					t.Errorf("the log says %s", n.log)
				}
			}
		})
	}
}

func TestRedisKnowsWhetherChannelsAreSharded(t *testing.T) {
	for name, plain := range map[string]bool{"plain": true, "sharded": false, "cluster": false} {
		if n := startNode(t, servers[name](t)).ready(); n.plain.Load() != plain {
			t.Errorf("%s: plain is %t", name, !plain)
		}
	}
}

// A window's handshake is answered when Await returns, and what is committed from then on has to reach it.
func TestRedisIsSubscribedWhenAwaitReturns(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			url := server(t)
			a, b := startNode(t, url).ready(), startNode(t, url).ready()
			for user := uint64(1); user <= 300; user++ {
				b.follows(user)
				a.Notify(canary(user, user))
				if b.until(user); t.Failed() {
					return
				}
			}
		})
	}
}

// Many windows open at once, and each waits for its subscription, but not for the others'.
func TestRedisSubscribesInBatches(t *testing.T) {
	s := startRedis(t)
	a, b := startNode(t, s.url()).ready(), startNode(t, s.url()).ready()
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	defer client.Close()
	const users = 10_000
	began := time.Now()
	b.follows(slices.Collect(func(yield func(uint64) bool) {
		for u := range uint64(users) {
			if !yield(u + 1) {
				return
			}
		}
	})...)
	took := time.Since(began)
	stats := client.Info(t.Context(), "commandstats").Val()
	_, calls, _ := strings.Cut(stats, "cmdstat_ssubscribe:calls=")
	calls, _, _ = strings.Cut(calls, ",")
	t.Logf("%d subscriptions in %s by %s commands", users, took, calls)
	if len(calls) > 3 {
		t.Errorf("%s commands for %d subscriptions", calls, users)
	}
	for user := uint64(1); user <= users; user += 97 {
		a.Notify(canary(user, user))
		b.until(user)
	}
}

func TestRedisForgetsWhoHasLeft(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, server(t), func(r *Redis) {
				for _, l := range r.lanes {
					l.linger = 0
				}
			}).ready()
			n.follows(1, 2)
			n.Unfollow(2)
			channels := func() (names []string) {
				ask := n.client.PubSubShardChannels
				if n.plain.Load() {
					ask = n.client.PubSubChannels
				}
				if cluster, ok := n.client.(*redis.ClusterClient); ok {
					_ = cluster.ForEachMaster(t.Context(), func(ctx context.Context, c *redis.Client) error {
						found := c.PubSubShardChannels(ctx, "*user*").Val()
						n.mu.Lock()
						defer n.mu.Unlock()
						names = append(names, found...)
						return nil
					})
					return names
				}
				return ask(t.Context(), "*user*").Val()
			}
			await(t, "one subscription", func() bool { return slices.Equal(channels(), []string{userChannel(1)}) })
			n.follows(2)
			if got := channels(); len(got) != 2 {
				t.Errorf("whoever comes back is followed as %v", got)
			}
		})
	}
}

// A page that is loaded anew closes its window and opens another: that costs no command.
func TestRedisLingers(t *testing.T) {
	s := startRedis(t)
	n := startNode(t, s.url()).ready()
	n.follows(1)
	n.Unfollow(1)
	n.follows(1)
	if left := n.lanes[0].takeLeft(time.Now()); left != nil {
		t.Errorf("%v is let go of at once", left)
	}
	if left := n.lanes[0].takeLeft(time.Now().Add(linger)); left != nil {
		t.Errorf("%v is let go of, but has a window", left)
	}
	n.Unfollow(1)
	if left := n.lanes[0].takeLeft(time.Now().Add(linger)); !slices.Equal(left, []uint64{1}) {
		t.Errorf("%v is let go of", left)
	}
}

// It is the last time of leaving that counts, and however often windows come and go, nothing piles up. There is no Redis
// here that could confirm anything.
func TestRedisLingersFromTheLastTime(t *testing.T) {
	l := newLane(nil, 0)
	l.follow(1)
	l.users[1].confirmed = true
	began := time.Now()
	for range 100 {
		l.unfollow(1)
		l.follow(1)
	}
	l.unfollow(1)
	if len(l.left) != 1 {
		t.Errorf("%d notes of one user are kept", len(l.left))
	}
	l.users[1].leftAt = began.Add(4 * time.Second)
	for after, want := range []int{5: 0, 6: 0, 8: 0, 9: 1} {
		if left := l.takeLeft(began.Add(time.Duration(after)*time.Second + time.Millisecond)); len(left) != want {
			t.Errorf("after %d s %v is let go of", after, left)
		}
	}
}

// While Redis is away a node's own windows hear all, and afterwards every window is told to look. The log has one line
// for each end of that.
func TestRedisGoesAwayAndReturns(t *testing.T) {
	s := startRedis(t)
	a, b := startNode(t, s.url()).ready(), startNode(t, s.url()).ready()
	a.follows(7)
	b.follows(7)
	s.kill()
	for _, n := range []*node{a, b} {
		await(t, "the node to notice", func() bool { return n.Ready() != nil })
	}
	for i := range uint64(1000) {
		a.Notify(canary(7, i))
	}
	if heard := slices.DeleteFunc(a.events(), func(e chat.Event) bool { return e.Type == chat.EventCheck }); len(heard) != 1000 {
		t.Errorf("this node heard %d of its own 1000 events", len(heard))
	}
	// Until then what was notified may only have been late, if Redis was back first.
	for _, n := range []*node{a, b} {
		await(t, "the publisher to notice too", n.publisher.isAway)
	}
	began := time.Now()
	b.Follow(8)
	if b.Await(t.Context(), 8); time.Since(began) > awaitAtMost/2 {
		t.Errorf("a window waits %s for a Redis that is away", time.Since(began))
	}
	a.events()
	b.events()
	s.start()
	a.checked(0)
	b.checked(0)
	a.ready()
	b.ready()
	for _, user := range []uint64{7, 8} {
		a.Notify(canary(user, 1<<20+user))
		b.until(1<<20 + user)
	}
	if a.Lost() == 0 {
		t.Error("nothing is said to be lost")
	}
	for _, n := range []*node{a, b} {
		if n.lines("WARN") != 1 || n.lines("INFO") != 1 || n.lines("ERROR") != 0 {
			t.Errorf("the log says\n%s", n.log)
		}
	}
}

func TestRedisMayBeAwayAtTheStart(t *testing.T) {
	s := startRedis(t)
	s.kill()
	n := startNode(t, s.url())
	if n.Ready() == nil {
		t.Error("a node that isn't connected is ready")
	}
	n.Follow(1)
	n.Notify(canary(1, 1))
	n.until(1)
	s.start()
	n.ready()
	n.checked(0)
}

// A node that alone is cut off has lost what others should have heard: all of them are told to look when it is back.
func TestRedisTellsOthersWhatANodeLost(t *testing.T) {
	s := startRedis(t)
	way := newRoad(t, s.addr)
	a, b := startNode(t, way.url()).ready(), startNode(t, s.url()).ready()
	b.follows(7)
	b.events()
	way.close(true)
	a.Notify(canary(7, 1))
	await(t, "the node to notice", func() bool { return a.Ready() != nil && a.Lost() > 0 })
	way.close(false)
	b.checked(0)
	a.ready()
	a.Notify(canary(7, 2))
	b.until(2)
	if b.lines("WARN") != 0 {
		t.Errorf("the node that wasn't cut off says %s", b.log)
	}
}

// Notify never blocks: more than can be sent is lost and counted, and all other nodes' windows are told to look.
func TestRedisOverflows(t *testing.T) {
	s := startRedis(t)
	b := startNode(t, s.url()).ready().follows(7)
	a := newNode(t, s.url())
	a.deliver = a.take
	for range maxWaiting + 10 { // nobody sends yet
		a.Notify(canary(7, 5))
	}
	if heard, lost := len(a.events()), a.Lost(); heard != maxWaiting+10 || lost != 10 {
		t.Errorf("this node's windows heard %d, %d are said to be lost", heard, lost)
	}
	a.Subscribe(a.take)
	n := 0
	await(t, "a check, and all that fitted", func() bool {
		checked := false
		for _, e := range b.events() {
			if e.Type == chat.EventCheck {
				checked = true
			} else {
				n++
			}
		}
		return checked
	})
	if n != maxWaiting {
		t.Errorf("the other node heard %d before the check, want all %d that fitted", n, maxWaiting)
	}
}

// Redis drops a subscriber that reads too slowly. It finds out, subscribes anew, and its windows are told to look.
func TestRedisDropsASlowSubscriber(t *testing.T) {
	s := startRedis(t, "--client-output-buffer-limit", "pubsub 64kb 64kb 1")
	a, b := startNode(t, s.url()).ready(), startNode(t, s.url()).ready()
	b.follows(7)
	b.events()
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	defer client.Close()
	subscribed := func() int64 { return client.PubSubShardNumSub(t.Context(), userChannel(7)).Val()[userChannel(7)] }
	if subscribed() != 1 {
		t.Fatal("the test's node isn't subscribed")
	}
	b.hold.Lock()
	long := chat.Event{Type: chat.EventMessage, To: 7, With: strings.Repeat("x", 4000)}
	await(t, "Redis to lose its patience", func() bool {
		for range 100 {
			a.Notify(long)
		}
		return subscribed() == 0
	})
	b.hold.Unlock()
	b.checked(0)
	b.ready()
	a.ready()
	a.Notify(canary(7, 1))
	b.until(1)
}

// A server that stands still answers nothing and closes nothing.
func TestRedisStandsStill(t *testing.T) {
	s := startRedis(t)
	a, b := startNode(t, s.url()).ready(), startNode(t, s.url()).ready()
	b.follows(7)
	s.signal(syscall.SIGSTOP)
	began := time.Now()
	for _, n := range []*node{a, b} {
		await(t, "the node to notice", func() bool { return n.Ready() != nil })
	}
	if took := time.Since(began); took > silence+2*answerWithin {
		t.Errorf("it was noticed after %s", took)
	}
	a.Notify(canary(7, 1))
	s.signal(syscall.SIGCONT)
	a.ready()
	b.ready()
	b.checked(0)
}

// A subscription that takes longer than a handshake may wait is made good by a check.
func TestRedisConfirmsLate(t *testing.T) {
	s := startRedis(t)
	way := newRoad(t, s.addr)
	b := startNode(t, way.url()).ready()
	way.jam.Lock()
	began := time.Now()
	b.follows(7)
	took := time.Since(began)
	way.jam.Unlock()
	if took < awaitAtMost || took > 3*awaitAtMost {
		t.Errorf("it waited %s", took)
	}
	b.checked(7)
}

func TestRedisSendsWhatWaitsWhenItCloses(t *testing.T) {
	s := startRedis(t)
	a, b := startNode(t, s.url()).ready(), startNode(t, s.url()).ready()
	b.follows(7)
	for i := range uint64(5000) {
		a.Notify(canary(7, i+1))
	}
	a.Close()
	b.until(5000)
}

// What isn't an envelope, or is one of a later version, is nobody's business.
func TestRedisIgnoresWhatItDoesNotKnow(t *testing.T) {
	s := startRedis(t)
	b := startNode(t, s.url()).ready().follows(7)
	b.events()
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	defer client.Close()
	for _, text := range []string{"", "x", "{}", strings.Repeat("\xff", 50), "\x02" + strings.Repeat("a", 20)} {
		if err := client.SPublish(t.Context(), userChannel(7), text).Err(); err != nil {
			t.Fatal(err)
		}
	}
	startNode(t, s.url()).ready().Notify(canary(7, 1))
	if heard := b.until(1); len(heard) != 0 {
		t.Errorf("it delivered %+v", heard)
	}
}

func TestRedisURLs(t *testing.T) {
	for url, good := range map[string]bool{
		"redis://localhost": true, "redis://:secret@localhost:6379/3": true, "rediss://user:secret@redis.example.org:6380": true,
		"unix:///run/redis.sock": true, "redis://one:6379?addr=two:6379&addr=three:6379": true,
		"localhost:6379": false, "http://localhost": false, "redis://user:secret@local host": false,
		"redis://:secret@localhost/zero": false, "redis://:secret@localhost?colour=red": false, "redis://:sec%ret@localhost": false, "nonsense": false,
	} {
		err := CheckRedisURL(url)
		if (err == nil) != good {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && (!errors.Is(err, ErrRedisURL) || strings.Contains(err.Error(), "sec")) {
			t.Errorf("%s: the error says %v", url, err)
		}
		if _, err := NewRedis(url, "n", slog.New(slog.NewTextHandler(io.Discard, nil))); (err == nil) != good {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestEnvelopes(t *testing.T) {
	node, other := nodeID{1, 2, 3}, nodeID{3, 2, 1}
	for v, i := reflect.ValueOf(sample), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the sample has nothing in %s, so nothing is known of it", v.Type().Field(i).Name)
		}
	}
	envelope := string(appendEnvelope(nil, node, sample))
	t.Logf("%d octets", len(envelope))
	if !sentBy(envelope, node) || sentBy(envelope, other) {
		t.Error("the sender is mistaken")
	}
	got, err := openEnvelope(envelope)
	if err != nil || !reflect.DeepEqual(got, sample) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := openEnvelope(envelope + "what a later version adds"); err != nil || !reflect.DeepEqual(got, sample) {
		t.Errorf("from a later version: %+v, %v", got, err)
	}
	short := sample
	short.Session = nil
	if got, err := openEnvelope(envelope[:len(envelope)-1-len(sample.Session)]); err != nil || !reflect.DeepEqual(got, short) {
		t.Errorf("from an earlier version: %+v, %v", got, err)
	}
	for n := range len(envelope) {
		_, _ = openEnvelope(envelope[:n]) // no panic
	}
}

func TestEnvelopesOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64()
		e := chat.Event{
			Type: chat.EventType(rapid.String().Draw(t, "type")), To: number.Draw(t, "to"), With: rapid.String().Draw(t, "with"),
			ID: chat.MessageID{Conversation: number.Draw(t, "conversation"), Seq: number.Draw(t, "message")}, Rev: number.Draw(t, "rev"), Seq: number.Draw(t, "seq"),
		}
		if got, err := openEnvelope(string(appendEnvelope(nil, nodeID{}, e))); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%+v became %+v, %v", e, got, err)
		}
		_, _ = openEnvelope(string(rapid.SliceOf(rapid.Byte()).Draw(t, "damaged"))) // no panic
	})
}
