package chat_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"parley/db"
	"parley/db/chat"
	"parley/db/dbtest"
)

// await polls until a condition holds.
func await(t tb, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestStatsCountSendsByWhatBecameOfThem(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	send := func(ctx context.Context, d chat.Draft) {
		d.Recipient = bob.Username
		_, _, _ = w.SendMessage(ctx, alice, d) // what becomes of it is what is counted
	}
	const id = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"
	send(t.Context(), chat.Draft{Body: "one"})
	send(t.Context(), chat.Draft{Body: "two", ClientID: id})
	send(t.Context(), chat.Draft{Body: "two", ClientID: id})
	send(t.Context(), chat.Draft{Body: "three", ClientID: id})
	send(t.Context(), chat.Draft{Body: ""})
	got := w.Stats()
	if got.Stored != 2 || got.Replayed != 1 || got.Refused != 2 || got.Unavailable != 0 || got.Failed != 0 {
		t.Errorf("counted %+v", got)
	}
	if got.SendGroups.Sum != 4 || got.SendGroups.Count() != 4 {
		t.Errorf("four sends went in these groups: %+v", got.SendGroups)
	}
	if got.LookupGroups.Count() == 0 {
		t.Error("the recipients were looked up, and nothing is counted")
	}
	w.BePatient(1)
	send(t.Context(), chat.Draft{Body: "four"})
	if got := w.Stats(); got.Unavailable != 1 || got.Stored != 2 {
		t.Errorf("without time: counted %+v", got)
	}
}

// Sends of one conversation that come while it is locked wait, and then go together.
func TestStatsSeeWhatWaits(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	before := w.Stats()
	h := hold(t, w, lockAll)
	const more = 9
	sent := make(chan error, more)
	for range more {
		go func() {
			_, _, err := w.SendMessage(context.WithoutCancel(t.Context()), alice, chat.Draft{Recipient: "bob", Body: "more"})
			sent <- err
		}()
	}
	await(t, "the sends to wait", func() bool { return w.Stats().SendsWaiting == more-1 })
	h.release()
	for range more {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
	groups := w.Stats().SendGroups.Minus(before.SendGroups)
	if groups.Sum != more || groups.Count() != 2 {
		t.Errorf("the sends went in these groups: %+v", groups)
	}
	if waiting := w.Stats().SendsWaiting; waiting != 0 {
		t.Errorf("%d still wait", waiting)
	}
}

func TestStatsCountFetches(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	m := w.send(t, alice, bob, "hi")
	forgetful := w.restarted(chat.Options{RememberFor: -1})
	for _, store := range []*world{w, forgetful} {
		if _, err := store.Message(t.Context(), bob, m.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.Stats(); got.FromMemory != 1 || got.FromDatabase != 0 {
		t.Errorf("what was just sent: %+v", got)
	}
	if got := forgetful.Stats(); got.FromMemory != 0 || got.FromDatabase != 1 {
		t.Errorf("by another node: %+v", got)
	}
}

func TestStatsSeeHashing(t *testing.T) {
	w := newWorld(t)
	if got := w.Stats(); got.Hashing != 0 || got.HashingPlaces != chat.MaxConcurrentHashes || got.HashesWaiting != 0 {
		t.Errorf("at rest: %+v", got)
	}
	release := w.HoldHashingSlots(patience)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = w.Authenticate(ctx, "nobody", password) // it is to wait, and to be given up
	}()
	await(t, "somebody to wait", func() bool { return w.Stats().HashesWaiting == 1 })
	if got := w.Stats().Hashing; got != chat.MaxConcurrentHashes {
		t.Errorf("%d places are taken", got)
	}
	cancel()
	<-ended
	release()
	if got := w.Stats(); got.Hashing != 0 || got.HashesWaiting != 0 {
		t.Errorf("afterwards: %+v", got)
	}
}

func TestStatsSeeThePool(t *testing.T) {
	w := newWorld(t)
	conn, err := w.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Stats().Pool.InUse; got != 1 {
		t.Errorf("%d connections are in use", got)
	}
	conn.Close()
	if got := w.Stats().Pool; got.InUse != 0 || got.MaxOpenConnections == 0 {
		t.Errorf("the pool is %+v", got)
	}
}

// Sends go by a pool of their conversation's home, which counts as well.
func TestStatsOfSeveralPools(t *testing.T) {
	dsn, reads := dbtest.NewDSN(t)
	writes, err := db.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writes.Close() })
	w := worldOn(reads, chat.Options{Home: func(uint64, uint64) *sql.DB { return writes }})
	alice, bob := w.two(t)
	w.send(t, alice, bob, "hello")
	want := reads.Stats().MaxOpenConnections + writes.Stats().MaxOpenConnections
	if pool := w.Stats().Pool; pool.MaxOpenConnections != want || pool.OpenConnections < 2 {
		t.Errorf("of %d connections the pools have %+v", want, pool)
	}
}
