package chat_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"parley/db/chat"
)

func (w *world) conversation(t tb, viewer, with chat.User) chat.Conversation {
	t.Helper()
	c, err := w.Conversation(t.Context(), viewer, with.Username)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) conversations(t tb, viewer chat.User, q chat.ConversationQuery) chat.Page[chat.Conversation] {
	t.Helper()
	page, err := w.Conversations(t.Context(), viewer, q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// read marks a conversation read on a device that has just opened it.
func (w *world) read(t tb, viewer, with chat.User, seq uint64) chat.Conversation {
	t.Helper()
	c := w.conversation(t, viewer, with)
	if err := w.MarkRead(t.Context(), viewer, &c, seq); err != nil {
		t.Fatal(err)
	}
	return c
}

func withs(list []chat.Conversation) (names []string) {
	for _, c := range list {
		names = append(names, c.With.Username)
	}
	return names
}

func TestConversationBeforeTheFirstMessage(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	want := chat.Conversation{With: bob}
	for range 2 {
		if c := w.conversation(t, alice, bob); c != want {
			t.Errorf("%+v", c)
		}
	}
	if page := w.conversations(t, alice, chat.ConversationQuery{}); len(page.Items) > 0 || page.Next != "" {
		t.Errorf("it is listed: %+v", page)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM conversations"); n > 0 {
		t.Error("looking at it made it")
	}
	_, err := w.Conversation(t.Context(), alice, "nobody")
	wantKind(t, err, chat.NotFound)
}

// Each of the two sees the other, by whatever spelling of the name.
func TestConversationAsEachSeesIt(t *testing.T) {
	w := newWorld(t)
	users := w.people(t, "Ǽlf", "bob", "eve")
	aelf, bob, eve := users[0], users[1], users[2]
	w.send(t, aelf, bob, "one")
	w.send(t, bob, aelf, "two")
	w.send(t, bob, aelf, "three")
	for _, c := range []struct {
		viewer, with chat.User
		spelling     string
		unread       int
	}{{aelf, bob, "BOB", 2}, {bob, aelf, "ǽLF", 1}} {
		got, err := w.Conversation(t.Context(), c.viewer, c.spelling)
		want := chat.Conversation{ID: got.ID, With: c.with, LastSeq: 3, LastRev: 3, Unread: c.unread}
		if err != nil || got != want || got.ID == 0 {
			t.Errorf("%s sees %+v: %v", c.viewer.Username, got, err)
		}
	}
	for _, other := range []chat.User{aelf, bob} {
		if c := w.conversation(t, eve, other); c != (chat.Conversation{With: other}) {
			t.Errorf("a third person sees %+v", c)
		}
	}
	if page := w.conversations(t, eve, chat.ConversationQuery{}); len(page.Items) > 0 {
		t.Errorf("a third person is shown %+v", page.Items)
	}
}

func TestConversationsAreOrderedByLastActivity(t *testing.T) {
	w := newWorld(t)
	me := w.people(t, "me")[0]
	others := w.people(t, "c", "a", "b")
	for _, other := range others {
		w.send(t, me, other, "first to "+other.Username)
	}
	w.send(t, me, me, "a note")
	last := w.send(t, others[0], me, "second")
	page := w.conversations(t, me, chat.ConversationQuery{})
	if got, want := withs(page.Items), []string{"c", "me", "b", "a"}; !slices.Equal(got, want) {
		t.Errorf("the order is %q, want %q", got, want)
	}
	newest := page.Items[0]
	if newest.LastMessage == nil || !sameMessage(*newest.LastMessage, last) || newest.LastSeq != 2 || newest.LastRev != 2 || newest.Unread != 1 {
		t.Errorf("the newest is %+v with the last message %+v", newest, newest.LastMessage)
	}
}

// What the list shows of a conversation is what opening it shows.
func TestListAndConversationAgree(t *testing.T) {
	w := newWorld(t)
	me := w.people(t, "me")[0]
	for i := range 12 {
		other := w.people(t, fmt.Sprint("other", i))[0]
		for n := range 5 {
			pair := []chat.User{me, other, me}
			w.send(t, pair[(i+n)%2], pair[(i+n)%2+1], fmt.Sprint(n))
		}
		w.read(t, me, other, uint64(i%7))
	}
	for _, listed := range w.conversations(t, me, chat.ConversationQuery{}).Items {
		opened, err := w.Thread(t.Context(), me, listed.With.Username, chat.ThreadQuery{Limit: 1})
		last := *opened.Conversation.LastMessage
		last.Sender, last.Recipient = shown(me, last.Sender), shown(me, last.Recipient)
		opened.Conversation.With, opened.Conversation.LastMessage = shown(me, opened.Conversation.With), &last
		if err != nil || !sameConversation(listed, opened.Conversation) {
			t.Errorf("listed %+v, opened %+v: %v", listed, opened.Conversation, err)
		}
	}
}

// sameConversation leaves out what only the list knows, the time of the last activity.
func sameConversation(a, b chat.Conversation) bool {
	return a.ID == b.ID && sameNames(a.With, b.With) && a.LastSeq == b.LastSeq && a.LastRev == b.LastRev && a.LastReadSeq == b.LastReadSeq &&
		a.Unread == b.Unread && sameMessage(*a.LastMessage, *b.LastMessage)
}

// sameNames compares what a list has of people.
func sameNames(a, b chat.User) bool {
	return a.ID == b.ID && a.Username == b.Username && a.DisplayName == b.DisplayName && a.DisabledAt.Equal(b.DisabledAt)
}

// sameMessage compares what a reader sees and the time to its microsecond.
func sameMessage(a, b chat.Message) bool {
	return a.ID == b.ID && a.Sender.ID == b.Sender.ID && a.Recipient.ID == b.Recipient.ID && a.Body == b.Body && a.SentAt.Equal(b.SentAt) &&
		a.Rev == b.Rev && a.ClientID == b.ClientID && a.EditedAt.Equal(b.EditedAt) && a.DeletedAt.Equal(b.DeletedAt)
}

func TestUnreadIsExact(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	for i := range 10 { // 1, 3, 5, 7 and 9 are Alice's
		pair := []chat.User{alice, bob, alice}
		w.send(t, pair[i%2], pair[i%2+1], fmt.Sprint(i+1))
	}
	mustExec(t, w.db, "UPDATE messages SET deleted_at = created_at WHERE seq IN (4, 5)")
	for _, c := range []struct {
		read       uint64
		alice, bob int
	}{{0, 4, 4}, {1, 4, 3}, {2, 3, 3}, {3, 3, 2}, {4, 3, 2}, {5, 3, 2}, {8, 1, 1}, {9, 1, 0}, {10, 0, 0}} {
		for viewer, unread := range map[chat.User]int{alice: c.alice, bob: c.bob} {
			with := bob
			if viewer == bob {
				with = alice
			}
			marked := w.read(t, viewer, with, c.read)
			fresh := w.conversation(t, viewer, with)
			listed := w.conversations(t, viewer, chat.ConversationQuery{}).Items[0]
			if fresh.Unread != unread || listed.Unread != unread || marked.Unread != unread {
				t.Errorf("%s has read up to %d: %d unread, %d in the list, %d after marking, want %d",
					viewer.Username, c.read, fresh.Unread, listed.Unread, marked.Unread, unread)
			}
		}
	}
}

// What a list says of a conversation is of one moment, also while messages arrive.
func TestUnreadGoesWithTheLastSeq(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.send(t, bob, alice, "first")
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
	for range 100 {
		listed := w.conversations(t, alice, chat.ConversationQuery{}).Items[0]
		for _, c := range []chat.Conversation{listed, w.conversation(t, alice, bob)} {
			if c.Unread != int(c.LastSeq) || c.LastMessage != nil && c.LastMessage.ID.Seq != c.LastSeq {
				t.Errorf("of %d messages %d are unread, and the last is %+v", c.LastSeq, c.Unread, c.LastMessage)
			}
		}
	}
	done.Store(true)
	sending.Wait()
}

// To be unread a message must be somebody else's, so notes never are.
func TestNotes(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	m := w.send(t, alice, alice, "milk")
	if m.Sender != alice || m.Recipient != alice {
		t.Errorf("%+v", m)
	}
	w.send(t, alice, alice, "bread")
	list := w.conversations(t, alice, chat.ConversationQuery{}).Items
	if len(list) != 1 || list[0].With != alice || list[0].Unread != 0 || list[0].LastMessage.Body != "bread" {
		t.Errorf("%+v", list)
	}
	w.events.take()
	if c := w.read(t, alice, alice, 2); c.LastReadSeq != 2 || c.Unread != 0 {
		t.Errorf("%+v", c)
	}
	if told := w.events.take(); len(told) != 1 || told[0].To != alice.ID || told[0].With != "alice" {
		t.Errorf("the windows were told %+v", told)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM members"); n != 1 {
		t.Errorf("notes have %d members", n)
	}
}

func TestMarkRead(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	for range 5 {
		w.send(t, bob, alice, "hi")
	}
	w.events.take()
	for _, c := range []struct {
		seq, mark uint64
		told      bool
	}{
		{0, 0, false}, {2, 2, true}, {2, 2, false}, {1, 2, false}, {0, 2, false}, {4, 4, true},
		{math.MaxUint64, 5, true}, {6, 5, false}, {5, 5, false}, {math.MaxInt64, 5, false},
	} {
		got := w.read(t, alice, bob, c.seq)
		fresh := w.conversation(t, alice, bob)
		if got.LastReadSeq != c.mark || got.Unread != 5-int(c.mark) || got != fresh {
			t.Errorf("after reading %d: %+v, and %+v afresh", c.seq, got, fresh)
		}
		want := []chat.Event{{Type: chat.EventRead, To: alice.ID, With: "bob", Seq: c.mark}}
		if told := w.events.take(); c.told && !sameEvents(told, want) || !c.told && len(told) > 0 {
			t.Errorf("after reading %d the windows were told %+v", c.seq, told)
		}
	}
	if c := w.conversation(t, bob, alice); c.LastReadSeq != 0 {
		t.Errorf("Alice's reading moved Bob's watermark: %+v", c)
	}
}

func sameEvents(a, b []chat.Event) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// A device that holds an older view of the conversation can't take the watermark down.
func TestMarkReadFromAStaleDevice(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	for range 9 {
		w.send(t, bob, alice, "hi")
	}
	stale := w.conversation(t, alice, bob)
	w.read(t, alice, bob, 7)
	w.events.take()
	if err := w.MarkRead(t.Context(), alice, &stale, 3); err != nil {
		t.Fatal(err)
	}
	if fresh := w.conversation(t, alice, bob); stale != fresh || fresh.LastReadSeq != 7 || fresh.Unread != 2 {
		t.Errorf("the stale device has %+v, the database %+v", stale, fresh)
	}
	if told := w.events.take(); len(told) > 0 {
		t.Errorf("the windows were told %+v", told)
	}
}

func TestWatermarkRisesUnderManyDevices(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	const messages = 40
	for range messages {
		w.send(t, bob, alice, "hi")
	}
	w.events.take()
	together(messages, func(i int) {
		c := w.conversation(t, alice, bob)
		if err := w.MarkRead(t.Context(), alice, &c, uint64((i*17)%messages+1)); err != nil {
			t.Error(err)
		}
		if fresh := w.conversation(t, alice, bob); fresh.LastReadSeq < uint64((i*17)%messages+1) {
			t.Errorf("%d was marked, and then the watermark was %d", (i*17)%messages+1, fresh.LastReadSeq)
		}
	})
	if c := w.conversation(t, alice, bob); c.LastReadSeq != messages || c.Unread != 0 {
		t.Errorf("%+v", c)
	}
	heard := map[uint64]int{}
	for _, e := range w.events.take() {
		heard[e.Seq]++
		if e.To != alice.ID || heard[e.Seq] > 1 {
			t.Errorf("told %+v, %d times", e, heard[e.Seq])
		}
	}
	if heard[messages] != 1 {
		t.Error("nobody was told of the last one")
	}
}

// A conversation that grows while somebody reads the list goes to its top; all others are seen once.
func TestConversationPagesWhileMessagesArrive(t *testing.T) {
	w := newWorld(t)
	me := w.people(t, "me")[0]
	var others []chat.User
	var want []string
	for i := range 60 {
		others = append(others, w.people(t, fmt.Sprintf("u%02d", i))...)
		w.send(t, others[i], me, "hello")
		want = append([]string{others[i].Username}, want...)
	}
	for _, limit := range []int{1, 7, 100} {
		if got := walkList(t, w, me, limit, func(int) {}); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q", limit, got)
		}
	}
	touched := map[string]bool{}
	got := walkList(t, w, me, 5, func(page int) {
		for _, i := range []int{page * 2, 59 - page*5} { // one not shown yet, one shown already
			touched[others[i].Username] = true
			w.send(t, others[i], me, "again")
		}
		w.send(t, w.people(t, fmt.Sprint("new", page))[0], me, "hello")
	})
	untouched := func(name string) bool { return !touched[name] }
	if a, b := filter(got, untouched), filter(want, untouched); !slices.Equal(a, b) || len(b) < 30 {
		t.Errorf("the untouched ones are %q, want %q", a, b)
	}
	if slices.Sort(got); len(slices.Compact(got)) != len(got) {
		t.Errorf("somebody was shown twice: %q", got)
	}
}

func filter(names []string, keep func(string) bool) (kept []string) {
	for _, name := range names {
		if keep(name) {
			kept = append(kept, name)
		}
	}
	return kept
}

func walkList(t *testing.T, w *world, viewer chat.User, limit int, between func(page int)) (seen []string) {
	t.Helper()
	q := chat.ConversationQuery{Limit: limit}
	for page := 0; ; page++ {
		found := w.conversations(t, viewer, q)
		seen = append(seen, withs(found.Items)...)
		if q.After = found.Next; q.After == "" {
			return seen
		}
		between(page)
	}
}

// Conversations that were last active in the same microsecond are shown once each too.
func TestConversationPagesOfOneTime(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	me := w.people(t, "me")[0]
	for i := range 7 {
		w.send(t, w.people(t, fmt.Sprint("u", i))[0], me, "hello")
	}
	got := walkList(t, w, me, 2, func(int) {})
	if want := []string{"u6", "u5", "u4", "u3", "u2", "u1", "u0"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestConversationCursorsMadeByHand(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	encode := func(plain string) string { return base64.RawURLEncoding.EncodeToString([]byte(plain)) }
	for _, cursor := range []string{
		"!", encode(" "), encode("1"), encode("a b"), encode("1 b"), encode("-1 -1"), encode("1 2 3"), encode("1 2x"), encode(" 1 2"),
		encode("9223372036854775807 1"), encode("-9223372036854775808 1"), encode("253402300800000000 1"),
		encode("1 18446744073709551616"), encode("99999999999999999999 1"),
	} {
		_, err := w.Conversations(t.Context(), alice, chat.ConversationQuery{After: cursor})
		wantKind(t, err, chat.Malformed, "after")
	}
	if page := w.conversations(t, alice, chat.ConversationQuery{After: encode("1 18446744073709551615")}); len(page.Items) > 0 {
		t.Errorf("%+v", page)
	}
}

// Somebody who was disabled stays in the list: what they wrote is still there to read.
func TestConversationWithADisabledPerson(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	m := w.send(t, bob, alice, "bye")
	w.disable(t, bob)
	list := w.conversations(t, alice, chat.ConversationQuery{}).Items
	if len(list) != 1 || !list[0].With.Disabled() || list[0].Unread != 1 {
		t.Errorf("%+v", list)
	}
	if read, err := w.Message(t.Context(), alice, m.ID); err != nil || read.Body != "bye" {
		t.Errorf("%+v: %v", read, err)
	}
}
