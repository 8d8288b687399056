package chat_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"parley/db/chat"
)

func (w *world) block(t tb, by, other chat.User) {
	t.Helper()
	if err := w.Block(t.Context(), chat.Actor{User: by}, other.Username); err != nil {
		t.Fatalf("%s blocks %s: %v", by.Username, other.Username, err)
	}
}

func (w *world) unblock(t tb, by, other chat.User) {
	t.Helper()
	if err := w.Unblock(t.Context(), chat.Actor{User: by}, other.Username); err != nil {
		t.Fatalf("%s unblocks %s: %v", by.Username, other.Username, err)
	}
}

// trySend wants a new message to be taken, or else to be refused and not to be stored.
func (w *world) trySend(t tb, from, to chat.User, taken bool) error {
	t.Helper()
	d := chat.Draft{Recipient: to.Username, Body: "a new one", ClientID: uuid.NewString()}
	_, _, err := w.SendMessage(t.Context(), from, d)
	if taken {
		wantKind(t, err, 0)
	} else {
		wantKind(t, err, chat.Invalid, "recipient")
	}
	if n := w.rows(t, d); (n == 1) != taken {
		t.Errorf("from %s to %s: stored %d times, taken %t", from.Username, to.Username, n, taken)
	}
	return err
}

func TestBlock(t *testing.T) {
	for _, before := range []bool{true, false} { // whether there is a conversation
		for _, lower := range []bool{true, false} { // whether the one with the lower ID blocks
			w := newWorldWith(t, chat.Options{RememberFor: -1})
			alice, bob := w.two(t)
			if !lower {
				alice, bob = bob, alice
			}
			if before {
				w.send(t, alice, bob, "hello")
			}
			w.block(t, alice, bob)
			w.block(t, alice, bob)
			w.trySend(t, bob, alice, false)
			w.trySend(t, alice, bob, false)
			w.trySend(t, bob, bob, true)
			w.block(t, bob, alice)
			w.unblock(t, alice, bob)
			w.trySend(t, alice, bob, false)
			w.trySend(t, bob, alice, false)
			w.unblock(t, bob, alice)
			w.unblock(t, bob, alice)
			w.trySend(t, alice, bob, true)
			w.trySend(t, bob, alice, true)
		}
	}
}

func TestWhoCanBeBlocked(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.disable(t, bob)
	w.block(t, alice, bob)
	wantKind(t, w.Block(t.Context(), chat.Actor{User: alice}, "ALICE"), chat.Invalid)
	wantKind(t, w.Block(t.Context(), chat.Actor{User: alice}, "nobody"), chat.NotFound)
	wantKind(t, w.Unblock(t.Context(), chat.Actor{User: alice}, "nobody"), chat.NotFound)
	w.unblock(t, bob, alice)
	if n := count(t, w.db, "SELECT COUNT(*) FROM conversations"); n != 1 {
		t.Errorf("there are %d conversations", n)
	}
}

// Whoever is blocked reads what they read of somebody whose account is disabled, to the letter. The blocker reads why.
func TestBlockedPeopleAreNotTold(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	alice, bob := w.two(t)
	carl := w.personNamed(t, "carl", alice.DisplayName)
	w.block(t, alice, bob)
	w.disable(t, carl)
	told, neutral := w.trySend(t, bob, alice, false), w.trySend(t, bob, carl, false)
	if told.Error() != neutral.Error() {
		t.Errorf("blocked: %v\ndisabled: %v", told, neutral)
	}
	own, _ := errors.AsType[*chat.Error](w.trySend(t, alice, bob, false))
	if want := []string{"You have blocked bob. To write, unblock them first."}; own == nil || !slices.Equal(own.Fields["recipient"], want) {
		t.Errorf("the blocker reads %v", own)
	}
	if mine, theirs := w.conversation(t, alice, bob), w.conversation(t, bob, alice); !mine.Blocked || theirs.Blocked {
		t.Errorf("the blocker's says blocked: %t, the other's %t", mine.Blocked, theirs.Blocked)
	}
	if len(w.events.take()) > 0 {
		t.Error("somebody's windows heard of it")
	}
}

// What was sent before the block stays sent, and everything stays readable.
func TestBlockHidesNothing(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	alice, bob := w.two(t)
	d := chat.Draft{Recipient: "alice", Body: "before", ClientID: uuid.NewString()}
	first, _, err := w.sendDraft(bob, d)
	wantKind(t, err, 0)
	before := w.conversation(t, alice, bob)
	w.block(t, alice, bob)
	after := w.conversation(t, alice, bob)
	if before.Blocked = true; after != before || after.Unread != 1 {
		t.Errorf("the conversation was %+v and is %+v", before, after)
	}
	for range 2 {
		m, replayed, err := w.sendDraft(bob, d)
		if err != nil || !replayed || !sameMessage(m, first) {
			t.Errorf("the replay gives %+v, %t: %v", m, replayed, err)
		}
	}
	other := d
	other.Body = "another"
	_, _, err = w.sendDraft(bob, other)
	wantKind(t, err, chat.Conflict, "client_id")
	list, err := w.Conversations(t.Context(), alice, chat.ConversationQuery{})
	if err != nil || len(list.Items) != 1 || list.Items[0].Unread != 1 {
		t.Errorf("the list is %+v: %v", list, err)
	}
	if m, err := w.Message(t.Context(), bob, first.ID); err != nil || m.Body != "before" {
		t.Errorf("bob reads %+v: %v", m, err)
	}
}

// A conversation that only a block has made isn't in anybody's list.
func TestBlockBeforeTheFirstMessage(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.block(t, alice, bob)
	for _, u := range []chat.User{alice, bob} {
		list, err := w.Conversations(t.Context(), u, chat.ConversationQuery{})
		if err != nil || len(list.Items) > 0 {
			t.Errorf("%s's list is %+v: %v", u.Username, list, err)
		}
	}
}

func TestBlocked(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	check := func(either, byAlice, byBob bool) {
		t.Helper()
		for _, pair := range [][2]chat.User{{alice, bob}, {bob, alice}} {
			if got, err := w.Blocked(t.Context(), pair[0], pair[1]); got != either || err != nil {
				t.Errorf("Blocked says %t: %v", got, err)
			}
		}
		a, errA := w.HasBlocked(t.Context(), alice, bob)
		b, errB := w.HasBlocked(t.Context(), bob, alice)
		if a != byAlice || b != byBob || errA != nil || errB != nil {
			t.Errorf("alice has blocked: %t, %v; bob: %t, %v", a, errA, b, errB)
		}
	}
	check(false, false, false)
	w.block(t, bob, alice)
	check(true, false, true)
	w.block(t, alice, bob)
	check(true, true, true)
	w.unblock(t, bob, alice)
	check(true, true, false)
	w.unblock(t, alice, bob)
	check(false, false, false)
}

func TestBlocks(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	people := w.people(t, "alice", "b", "c", "d", "e")
	alice := people[0]
	for i, other := range people[1:] {
		if i != 2 { // two at the same time
			w.clock.move(1e9)
		}
		w.block(t, alice, other)
	}
	w.block(t, people[1], alice)
	var names []string
	for after := ""; ; {
		page, err := w.Blocks(t.Context(), chat.Actor{User: alice}, after, 1)
		if err != nil || len(page.Items) > 1 {
			t.Fatalf("%+v: %v", page, err)
		}
		for _, b := range page.Items {
			names = append(names, b.User.Username)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if want := []string{"e", "d", "c", "b"}; !slices.Equal(names, want) {
		t.Errorf("they are %q, want %q", names, want)
	}
	_, err := w.Blocks(t.Context(), chat.Actor{User: alice}, "!", 0)
	wantKind(t, err, chat.Malformed, "after")
}

// While a block is on its way to its commit, a send through another node waits for it, and is refused.
func TestSendMeetsABlock(t *testing.T) {
	for _, before := range []bool{true, false} {
		w, line := newWired(t, asItIs)
		elsewhere := wiredTo(t, line.dsn, w.db)
		alice, bob := w.two(t)
		if before {
			w.send(t, alice, bob, "hello")
		}
		line.planFor("COMMIT", 1, pause)
		blocked := make(chan error)
		go func() { blocked <- w.Block(t.Context(), chat.Actor{User: alice}, "bob") }()
		eventually(t, "the block to come to its commit", func() bool { return slices.Contains(line.sent(), "COMMIT") })
		sent := make(chan error)
		d := chat.Draft{Recipient: "alice", Body: "meanwhile", ClientID: uuid.NewString()}
		go func() { _, _, err := elsewhere.sendDraft(bob, d); sent <- err }()
		eventually(t, "the send to wait for the lock", func() bool { return line.waiting("LockConversations") > 0 })
		line.resume()
		wantKind(t, <-blocked, 0)
		wantKind(t, <-sent, chat.Invalid, "recipient")
		if n := w.rows(t, d); n != 0 {
			t.Errorf("it is stored %d times", n)
		}
	}
}

// The other way round the block waits, and the message is there.
func TestBlockMeetsASend(t *testing.T) {
	for _, before := range []bool{true, false} {
		w, line := newWired(t, asItIs)
		elsewhere := wiredTo(t, line.dsn, w.db)
		alice, bob := w.two(t)
		if before {
			w.send(t, alice, bob, "hello")
		}
		line.planFor("COMMIT", 1, pause)
		d := chat.Draft{Recipient: "alice", Body: "just before", ClientID: uuid.NewString()}
		sent, blocked := make(chan error), make(chan error)
		go func() { _, _, err := w.sendDraft(bob, d); sent <- err }()
		eventually(t, "the send to come to its commit", func() bool { return slices.Contains(line.sent(), "COMMIT") })
		go func() { blocked <- elsewhere.Block(t.Context(), chat.Actor{User: alice}, "bob") }()
		eventually(t, "the block to wait for the lock", func() bool { return line.waiting("LockConversations") > 0 })
		line.resume()
		wantKind(t, <-sent, 0)
		wantKind(t, <-blocked, 0)
		if n := w.rows(t, d); n != 1 {
			t.Errorf("it is stored %d times", n)
		}
		elsewhere.trySend(t, bob, alice, false)
	}
}

// Blocks and sends of many at once: whatever was sent after a block was answered is refused, and the rows agree.
func TestBlocksAmongSends(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	elsewhere := w.restarted(chat.Options{RememberFor: -1})
	alice, bob := w.two(t)
	together(6, func(i int) {
		for range 10 {
			switch i {
			case 0:
				w.block(t, alice, bob)
				elsewhere.trySend(t, bob, alice, false)
				w.unblock(t, alice, bob)
			case 1:
				elsewhere.block(t, bob, alice)
				w.trySend(t, alice, bob, false)
				elsewhere.unblock(t, bob, alice)
			default:
				from, to := alice, bob
				if i%2 == 0 {
					from, to = bob, alice
				}
				_, _, err := w.SendMessage(t.Context(), from, chat.Draft{Recipient: to.Username, Body: "x"})
				if err != nil {
					wantKind(t, err, chat.Invalid, "recipient")
				}
			}
		}
	})
	w.trySend(t, alice, bob, true)
}

// A group may hold messages of several conversations: those that aren't blocked are sent.
func TestBlockedMessageInAGroup(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	people := w.people(t, "alice", "bob", "carl", "dora")
	w.block(t, people[0], people[1])
	together(12, func(i int) {
		for range 5 {
			switch i % 3 {
			case 0:
				w.trySend(t, people[1], people[0], false)
			case 1:
				w.trySend(t, people[1], people[2], true)
			default:
				w.trySend(t, people[3], people[0], true)
			}
		}
	})
}

// A block costs a send no statement.
func TestSendAsksNothingOfBlocks(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "hello")
	line.plan(nil)
	w.send(t, alice, bob, "again")
	var statements []string
	for _, c := range line.sent() {
		if !slices.Contains(statements, c) {
			statements = append(statements, c)
		}
	}
	if len(statements) != 6 { // the recipient, BEGIN, the lock, the message, the counters, COMMIT
		t.Errorf("a send has the statements %q", statements)
	}
}
