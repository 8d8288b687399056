package chat_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"parley/db/chat"
)

// talk has the two send n messages in turn, whose bodies are "1", "2" and so on.
func (w *world) talk(t tb, a, b chat.User, n int) (messages []chat.Message) {
	t.Helper()
	for i := range n {
		pair := []chat.User{a, b, a}
		messages = append(messages, w.send(t, pair[i%2], pair[i%2+1], fmt.Sprint(i+1)))
	}
	return messages
}

func seqs(messages []chat.Message) []uint64 {
	list := make([]uint64, len(messages))
	for i, m := range messages {
		list[i] = m.ID.Seq
	}
	return list
}

// upTo gives first to last.
func upTo(first, last uint64) []uint64 {
	list := []uint64{}
	for n := first; n <= last; n++ {
		list = append(list, n)
	}
	return list
}

func TestThreadParts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.talk(t, alice, bob, 25)
	id := func(seq uint64) chat.MessageID { return chat.MessageID{Conversation: 1, Seq: seq} }
	none := chat.MessageID{}
	for _, c := range []struct {
		before, after chat.MessageID
		limit         int
		first, last   uint64
		older, newer  bool
	}{
		{none, none, 0, 16, 25, true, false},
		{none, none, -1, 16, 25, true, false},
		{none, none, 1, 25, 25, true, false},
		{none, none, 24, 2, 25, true, false},
		{none, none, 25, 1, 25, false, false},
		{none, none, 1000, 1, 25, false, false},
		{id(16), none, 0, 6, 15, true, true},
		{id(6), none, 0, 1, 5, false, true},
		{id(6), none, 5, 1, 5, false, true},
		{id(6), none, 4, 2, 5, true, true},
		{id(2), none, 0, 1, 1, false, true},
		{id(1), none, 0, 1, 0, false, false},
		{id(25), none, 3, 22, 24, true, true},
		{id(26), none, 3, 23, 25, true, false},
		{id(math.MaxInt64), none, 3, 23, 25, true, false},
		{id(math.MaxUint64), none, 3, 23, 25, true, false},
		{none, id(25), 0, 1, 0, false, false},
		{none, id(24), 0, 25, 25, true, false},
		{none, id(15), 10, 16, 25, true, false},
		{none, id(14), 10, 15, 24, true, true},
		{none, id(1), 3, 2, 4, true, true},
		{none, id(math.MaxUint64), 3, 1, 0, false, false},
	} {
		name := fmt.Sprintf("before %v after %v limit %d", c.before, c.after, c.limit)
		for viewer, with := range map[chat.User]chat.User{alice: bob, bob: alice} {
			thread, err := w.Thread(t.Context(), viewer, with.Username, chat.ThreadQuery{Before: c.before, After: c.after, Limit: c.limit})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := seqs(thread.Messages); !slices.Equal(got, upTo(c.first, c.last)) || thread.HasOlder != c.older || thread.HasNewer != c.newer {
				t.Errorf("%s: %v, older %t, newer %t", name, got, thread.HasOlder, thread.HasNewer)
			}
			if conv := thread.Conversation; conv.LastMessage == nil || conv.LastMessage.Body != "25" || conv.With != with {
				t.Errorf("%s: the conversation is %+v", name, conv)
			}
		}
	}
}

func TestThreadOfNothing(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	thread, err := w.Thread(t.Context(), alice, "bob", chat.ThreadQuery{})
	if err != nil || len(thread.Messages) > 0 || thread.HasOlder || thread.HasNewer || thread.Conversation != (chat.Conversation{With: bob}) {
		t.Errorf("%+v: %v", thread, err)
	}
	_, err = w.Thread(t.Context(), alice, "nobody", chat.ThreadQuery{})
	wantKind(t, err, chat.NotFound)
}

// A cursor out of another conversation is refused, whether or not there is such a conversation, and says nothing of it.
func TestThreadWithAForeignCursor(t *testing.T) {
	w := newWorld(t)
	users := w.people(t, "alice", "bob", "eve")
	alice, bob, eve := users[0], users[1], users[2]
	m := w.send(t, alice, bob, "secret")
	w.send(t, eve, alice, "hi")
	for _, with := range []chat.User{alice, bob, eve} { // with a conversation, without one, with herself
		texts := map[string]bool{}
		for _, id := range []chat.MessageID{m.ID, {Conversation: m.ID.Conversation, Seq: 99}, {Conversation: 99, Seq: 1}, {Conversation: math.MaxUint64, Seq: 1}} {
			for field, q := range map[string]chat.ThreadQuery{"before": {Before: id}, "after": {After: id}} {
				_, err := w.Thread(t.Context(), eve, with.Username, q)
				wantKind(t, err, chat.Malformed, field)
				texts[fmt.Sprint(field, err)] = true
			}
		}
		if len(texts) != 2 {
			t.Errorf("cursors can be told apart: %v", texts)
		}
	}
}

// Both people see one order, and each message the same but for who looks.
func TestThreadIsTheSameToBoth(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	sent := w.talk(t, alice, bob, 9)
	for viewer, with := range map[chat.User]chat.User{alice: bob, bob: alice} {
		thread, err := w.Thread(t.Context(), viewer, with.Username, chat.ThreadQuery{})
		if err != nil || !slices.EqualFunc(thread.Messages, sent, sameMessage) {
			t.Errorf("%s sees %+v: %v", viewer.Username, thread.Messages, err)
		}
	}
}

func TestChanges(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.talk(t, alice, bob, 120)
	for _, c := range []struct {
		rev         uint64
		limit       int
		first, last uint64
		upTo        uint64
		more        bool
	}{
		{0, 0, 1, 50, 50, true},
		{0, 1000, 1, 100, 100, true},
		{20, 100, 21, 120, 120, false},
		{19, 100, 20, 119, 119, true},
		{119, 10, 120, 120, 120, false},
		{120, 10, 1, 0, 120, false},
		{121, 10, 1, 0, 120, false}, // nobody can have been given that: the database is the truth
		{math.MaxUint64, 10, 1, 0, 120, false},
	} {
		changes, err := w.Changes(t.Context(), bob, "alice", c.rev, c.limit)
		if err != nil || !slices.Equal(seqs(changes.Messages), upTo(c.first, c.last)) || changes.Rev != c.upTo || changes.More != c.more {
			t.Errorf("since %d, at most %d: %v, up to %d, more %t: %v", c.rev, c.limit, seqs(changes.Messages), changes.Rev, changes.More, err)
		}
	}
}

// A message that was changed comes again, at its new place in the order of rev, and not at its old one.
func TestChangesAreInTheOrderOfRev(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.talk(t, alice, bob, 6)
	mustExec(t, w.db, "UPDATE messages SET rev = CASE seq WHEN 2 THEN 8 WHEN 5 THEN 7 END, edited_at = created_at WHERE seq IN (2, 5)")
	mustExec(t, w.db, "UPDATE conversations SET last_rev = 8")
	for rev, want := range map[uint64][]uint64{0: {1, 3, 4, 6, 5, 2}, 4: {6, 5, 2}, 6: {5, 2}, 7: {2}, 8: {}} {
		var got []uint64
		for more := true; more; {
			changes, err := w.Changes(t.Context(), alice, "bob", rev, 2)
			if err != nil || changes.More && changes.Rev <= rev {
				t.Fatalf("changes since %d lead to %d: %v", rev, changes.Rev, err)
			}
			got = append(got, seqs(changes.Messages)...)
			rev, more = changes.Rev, changes.More
		}
		if !slices.Equal(got, want) || rev != 8 {
			t.Errorf("%v, up to %d, want %v", got, rev, want)
		}
	}
}

func TestChangesOfNothing(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	for _, rev := range []uint64{0, 5} {
		changes, err := w.Changes(t.Context(), alice, "bob", rev, 0)
		if err != nil || len(changes.Messages) > 0 || changes.Rev != 0 || changes.More || changes.Conversation.With != bob {
			t.Errorf("%+v: %v", changes, err)
		}
	}
	_, err := w.Changes(t.Context(), alice, "nobody", 0, 0)
	wantKind(t, err, chat.NotFound)
}

// A window that opens while messages arrive and then catches up shows each of them, without a gap, each time.
func TestOpeningWhileMessagesArrive(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	var done atomic.Bool
	var sending sync.WaitGroup
	for range 2 {
		sending.Go(func() {
			for !done.Load() {
				if _, _, err := w.sendDraft(bob, chat.Draft{Recipient: "alice", Body: "x"}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 60 {
		thread, err := w.Thread(t.Context(), alice, "bob", chat.ThreadQuery{Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[uint64]bool{}
		for _, m := range append(thread.Messages, readAll(t, w, alice, bob, thread.Conversation.LastRev)...) {
			seen[m.ID.Seq] = true
		}
		shown := slices.Sorted(maps.Keys(seen))
		if !slices.Equal(shown, upTo(shown[0], shown[len(shown)-1])) || thread.HasNewer {
			t.Errorf("opened at the rev %d, newer %t, the window shows %v", thread.Conversation.LastRev, thread.HasNewer, shown)
		}
	}
	done.Store(true)
	sending.Wait()
}
