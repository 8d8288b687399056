package chat_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"parley/db"
	"parley/db/chat"
	"parley/db/dbtest"
	"parley/queries"
)

func TestMessageIsStoredAsSent(t *testing.T) {
	w := newWorld(t)
	w.people(t, "Alice", "Bob")
	alice, _ := w.UserByName(t.Context(), "alice")
	client := uuid.New()
	before := time.Now().UTC().Truncate(time.Microsecond)
	m, replayed, err := w.SendMessage(t.Context(), alice, chat.Draft{Recipient: "bOB", Body: " \tGood morning, Bob!\r\n", ClientID: client.String()})
	if err != nil || replayed {
		t.Fatalf("replayed %t: %v", replayed, err)
	}
	bob, _ := w.UserByName(t.Context(), "bob")
	want := chat.Message{
		ID: chat.MessageID{Conversation: m.ID.Conversation, Seq: 1}, Sender: alice, Recipient: bob,
		Body: "Good morning, Bob!", SentAt: m.SentAt, Rev: 1, ClientID: client,
	}
	if m != want || m.SentAt.Before(before) || m.SentAt.After(time.Now()) || m.SentAt.Location() != time.UTC {
		t.Errorf("sent %+v, want %+v", m, want)
	}
	for _, viewer := range []chat.User{alice, bob} {
		if read, err := w.Message(t.Context(), viewer, m.ID); err != nil || read != want {
			t.Errorf("%s reads %+v: %v", viewer.Username, read, err)
		}
	}
	stored, err := w.q.MessageBySeq(t.Context(), queries.MessageBySeqParams{ConversationID: m.ID.Conversation, Seq: 1})
	if err != nil || stored.SenderID != alice.ID {
		t.Errorf("the sender isn't kept: %+v: %v", stored, err)
	}
	if n := count(t, w.db, "SELECT CHAR_LENGTH(body) FROM messages"); n != utf8.RuneCountInString(want.Body) {
		t.Errorf("the message has %d characters to the database, want %d", n, utf8.RuneCountInString(want.Body))
	}
}

func TestBodyRules(t *testing.T) {
	w := newWorldWith(t, chat.Options{MaxBodyLength: 20})
	alice, bob := w.two(t)
	for _, c := range []struct{ given, stored string }{
		{"hi", "hi"},
		{"", ""},
		{" \t\r\n\v\f\u00A0\u2003\u2028\u3000", ""},
		{"\n\n a b \n c \n", "a b \n c"},
		{"a\r\nb\rc\nd", "a\nb\nc\nd"},
		{"a\r\r\nb", "a\n\nb"},
		{"<b>&amp;\"'%_\\", "<b>&amp;\"'%_\\"},
		{"0", "0"},
		{"NULL", "NULL"},
		{"e\u0301", "e\u0301"}, // kept as written, not composed
		{"\u202Eabc", "\u202Eabc"},
		{"a\x00b", ""},
		{"a\xffb", ""},
		{"\xed\xa0\x80", ""}, // half a surrogate pair
		{strings.Repeat("x", 20), strings.Repeat("x", 20)},
		{strings.Repeat("x", 21), ""},
		{" " + strings.Repeat("x", 20) + "\n", strings.Repeat("x", 20)},      // measured as stored
		{strings.Repeat("a\r\n", 9) + "bb", strings.Repeat("a\n", 9) + "bb"}, // 29 characters in a form
		{strings.Repeat("🙂", 20), strings.Repeat("🙂", 20)},
		{strings.Repeat("🙂", 21), ""},
	} {
		m, _, err := w.SendMessage(t.Context(), alice, chat.Draft{Recipient: "bob", Body: c.given})
		if c.stored == "" {
			wantKind(t, err, chat.Invalid, "body")
			continue
		}
		if err != nil || m.Body != c.stored {
			t.Errorf("%+q is stored as %+q, want %+q: %v", c.given, m.Body, c.stored, err)
			continue
		}
		if read, err := w.Message(t.Context(), bob, m.ID); err != nil || read.Body != c.stored {
			t.Errorf("%+q is read as %+q: %v", c.given, read.Body, err)
		}
	}
	if w.MaxBodyLength() != 20 || chat.New(w.db, chat.Options{}).MaxBodyLength() != 10_000 {
		t.Error("the longest body isn't what was asked for")
	}
}

func TestRecipientRules(t *testing.T) {
	w := newWorld(t)
	users := w.people(t, "alice", "gone")
	w.disable(t, users[1])
	for _, recipient := range []string{"", " ", "nobody", "gone", "GONE", "alice ", "a\xff", strings.Repeat("x", 100_000)} {
		_, _, err := w.SendMessage(t.Context(), users[0], chat.Draft{Recipient: recipient, Body: "hi"})
		wantKind(t, err, chat.Invalid, "recipient")
	}
	_, _, err := w.SendMessage(t.Context(), users[0], chat.Draft{ClientID: "x"})
	wantKind(t, err, chat.Invalid, "body", "client_id", "recipient")
	if n := count(t, w.db, "SELECT COUNT(*) FROM conversations"); n > 0 {
		t.Errorf("refused messages left %d conversations", n)
	}
}

func TestMessageWithoutSenderCantBeStored(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "hi")
	_, _, err := w.SendMessage(t.Context(), chat.User{}, chat.Draft{Recipient: "bob", Body: "hi"})
	wantKind(t, err, chat.Denied)
	_, err = w.db.Exec("INSERT INTO messages (conversation_id, seq, sender_id, client_key, rev, body, created_at) VALUES (1, 2, NULL, '', 2, 'hi', NOW(6))")
	if err == nil {
		t.Error("the table takes a message without a sender")
	}
}

func TestClientIDSpellings(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	id := "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
	first, _, err := w.SendMessage(t.Context(), alice, chat.Draft{Recipient: "bob", Body: "hi", ClientID: id})
	if err != nil || first.ClientID.String() != id {
		t.Fatalf("%v: %v", first.ClientID, err)
	}
	for _, spelling := range []string{strings.ToUpper(id), "urn:uuid:" + id, "URN:UUID:" + id, "{" + id + "}", strings.ReplaceAll(id, "-", "")} {
		again, replayed, err := w.SendMessage(t.Context(), alice, chat.Draft{Recipient: "bob", Body: "hi", ClientID: spelling})
		if err != nil || !replayed || again != first {
			t.Errorf("%q is another client ID: %v", spelling, err)
		}
	}
	for _, wrong := range []string{"1", " " + id, id + " ", "[" + id + "]", "x" + id + "x", id[:35], id + "0", "g" + id[1:], strings.ReplaceAll(id, "-", "_"), id + "\n"} {
		_, _, err := w.SendMessage(t.Context(), alice, chat.Draft{Recipient: "bob", Body: "hi", ClientID: wrong})
		wantKind(t, err, chat.Invalid, "client_id")
	}
	made := map[uuid.UUID]bool{}
	for range 3 {
		made[w.send(t, alice, alice, "same").ClientID] = true
	}
	if len(made) != 3 {
		t.Errorf("three messages have the client IDs %v", made)
	}
}

func TestMessageIDSpellings(t *testing.T) {
	for text, want := range map[string]chat.MessageID{
		"7-42": {Conversation: 7, Seq: 42}, "1-1": {Conversation: 1, Seq: 1},
		"18446744073709551615-18446744073709551615": {Conversation: math.MaxUint64, Seq: math.MaxUint64},
	} {
		var unmarshalled chat.MessageID
		got, err := chat.ParseMessageID(text)
		if err != nil || got != want || got.String() != text || unmarshalled.UnmarshalText([]byte(text)) != nil || unmarshalled != want {
			t.Errorf("%q is %v: %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "-", "7", "7-", "-42", "0-1", "1-0", "07-42", "7-042", "+7-42", "7-+42", "7--42", "7-42-1", " 7-42", "7-42 ", "7-42\n", "7_42", "7-4a",
		"٧-٤٢", "18446744073709551616-1", "1-18446744073709551616", "99999999999999999999-1", "100000000000000000000-1", "1e3-1", "0x7-1",
	} {
		_, err := chat.ParseMessageID(text)
		wantKind(t, err, chat.Malformed)
	}
}

// Whoever isn't in a conversation reads just what they read where there is none.
func TestMessageIsNotAStrangers(t *testing.T) {
	w := newWorld(t)
	users := w.people(t, "alice", "bob", "eve", "newcomer")
	alice, bob, eve, newcomer := users[0], users[1], users[2], users[3]
	m := w.send(t, alice, bob, "secret")
	other := w.send(t, alice, eve, "hello")
	notes := w.send(t, alice, alice, "mine")
	_, never := w.Message(t.Context(), eve, chat.MessageID{Conversation: 99, Seq: 1})
	wantKind(t, never, chat.NotFound)
	for _, viewer := range []chat.User{eve, newcomer, {}, {ID: 99}} {
		for _, id := range []chat.MessageID{
			m.ID, notes.ID, {}, {Conversation: m.ID.Conversation, Seq: 2}, {Conversation: m.ID.Conversation}, {Conversation: other.ID.Conversation, Seq: 2},
			{Conversation: math.MaxUint64, Seq: math.MaxUint64}, {Conversation: math.MaxInt64 + 1, Seq: 1},
		} {
			if got, err := w.Message(t.Context(), viewer, id); got != (chat.Message{}) || fmt.Sprintf("%#v", err) != fmt.Sprintf("%#v", never) {
				t.Errorf("%q reads %v as %+v: %v", viewer.Username, id, got, err)
			}
		}
	}
	if _, err := w.Message(t.Context(), bob, notes.ID); fmt.Sprintf("%#v", err) != fmt.Sprintf("%#v", never) {
		t.Errorf("Bob reads Alice's notes: %v", err)
	}
}

func (w *world) sendDraft(from chat.User, d chat.Draft) (chat.Message, bool, error) {
	return w.SendMessage(context.Background(), from, d)
}

func TestReplay(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	d := chat.Draft{Recipient: "bob", Body: "once", ClientID: uuid.NewString()}
	first, _, err := w.sendDraft(alice, d)
	if err != nil {
		t.Fatal(err)
	}
	w.send(t, bob, alice, "between")
	padded := d
	padded.Body = "  once\r\n" // the same once it is trimmed
	shouted := d
	shouted.Recipient = "BOB"
	for name, store := range map[string]*world{"the same Store": w, "another Store": w.restarted(chat.Options{})} {
		for _, again := range []chat.Draft{d, padded, shouted} {
			m, replayed, err := store.sendDraft(alice, again)
			if err != nil || !replayed || m != first {
				t.Errorf("%s gives %+v, replayed %t: %v", name, m, replayed, err)
			}
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM messages"); n != 2 {
		t.Errorf("there are %d messages", n)
	}
}

// What was sent stays sent, whatever has changed since.
func TestReplayUnderOtherRules(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	alice, bob := w.two(t)
	d := chat.Draft{Recipient: "bob", Body: strings.Repeat("long ", 10), ClientID: uuid.NewString()}
	first, _, err := w.sendDraft(alice, d)
	if err != nil {
		t.Fatal(err)
	}
	w.disable(t, bob)
	stricter := w.restarted(chat.Options{MaxBodyLength: 5})
	for name, store := range map[string]*world{"to somebody disabled since": w, "longer than is allowed since": stricter} {
		m, replayed, err := store.sendDraft(alice, d)
		if err != nil || !replayed || m.ID != first.ID || m.Body != first.Body {
			t.Errorf("%s: %+v, replayed %t: %v", name, m, replayed, err)
		}
	}
	other := d
	other.Body = "other"
	for _, refused := range []chat.Draft{other, {Recipient: "bob", Body: d.Body}, {Recipient: "bob", Body: d.Body, ClientID: uuid.NewString()}} {
		_, replayed, err := w.sendDraft(alice, refused)
		wantKind(t, err, chat.Invalid, "recipient")
		if replayed {
			t.Errorf("%+v is a replay", refused)
		}
	}
}

func TestClientIDInUseIsAConflict(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	d := chat.Draft{Recipient: "bob", Body: "one", ClientID: uuid.NewString()}
	if _, _, err := w.sendDraft(alice, d); err != nil {
		t.Fatal(err)
	}
	w.events.take()
	for _, body := range []string{"two", "One", "one.", "oné"} {
		d.Body = body
		m, replayed, err := w.sendDraft(alice, d)
		wantKind(t, err, chat.Conflict, "client_id")
		if m != (chat.Message{}) || replayed {
			t.Errorf("%+v, replayed %t", m, replayed)
		}
	}
	if told := w.events.take(); len(told) > 0 {
		t.Errorf("the windows were told %+v", told)
	}
}

// A client ID is its sender's, in its conversation: elsewhere it names another message.
func TestClientIDElsewhereIsAnotherMessage(t *testing.T) {
	w := newWorld(t)
	users := w.people(t, "alice", "bob", "eve")
	alice, bob, eve := users[0], users[1], users[2]
	id := uuid.NewString()
	seen := map[chat.MessageID]bool{}
	for i, c := range []struct{ from, to chat.User }{{alice, bob}, {bob, alice}, {alice, eve}, {alice, alice}, {eve, bob}} {
		m, replayed, err := w.sendDraft(c.from, chat.Draft{Recipient: c.to.Username, Body: fmt.Sprint(i), ClientID: id})
		if err != nil || replayed || seen[m.ID] {
			t.Errorf("%d: %v, replayed %t: %v", i, m.ID, replayed, err)
		}
		seen[m.ID] = true
	}
}

// Twenty windows send the same thing, half of them through another node.
func TestReplayAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	nodes := []*world{w, w.restarted(chat.Options{})}
	for round := range 10 { // the first round makes the conversation too
		d := chat.Draft{Recipient: "bob", Body: fmt.Sprint(round), ClientID: uuid.NewString()}
		var mu sync.Mutex
		found, fresh := map[chat.MessageID]int{}, 0
		together(20, func(i int) {
			m, replayed, err := nodes[i%2].sendDraft(alice, d)
			mu.Lock()
			defer mu.Unlock()
			found[m.ID]++
			if !replayed {
				fresh++
			}
			if err != nil || m.Body != d.Body {
				t.Errorf("%+v: %v", m, err)
			}
		})
		if len(found) != 1 || fresh != 1 {
			t.Errorf("round %d: messages %v, %d of them new", round, found, fresh)
		}
	}
	if c := w.conversation(t, bob, alice); c.LastSeq != 10 || c.Unread != 10 {
		t.Errorf("%+v", c)
	}
}

// Of two texts under one client ID at the same time one is stored, and the other is a conflict.
func TestConflictAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	for range 10 {
		id := uuid.NewString()
		errs := make([]error, 8)
		together(len(errs), func(i int) {
			_, _, errs[i] = w.sendDraft(alice, chat.Draft{Recipient: "bob", Body: fmt.Sprint(i), ClientID: id})
		})
		stored := 0
		for _, err := range errs {
			if err == nil {
				stored++
				continue
			}
			wantKind(t, err, chat.Conflict, "client_id")
		}
		if stored != 1 {
			t.Errorf("%d texts were stored under one client ID", stored)
		}
	}
}

// Whoever can read seq n can read every seq below it, at every moment.
func TestOrderUnderManySenders(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	const senders, each = 16, 12
	sent := make([][]chat.Message, senders)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { watchForHoles(t, w, alice, bob, stop) })
	together(senders, func(i int) {
		pair := []chat.User{alice, bob, alice}
		for n := range each {
			m, _, err := w.sendDraft(pair[i%2], chat.Draft{Recipient: pair[i%2+1].Username, Body: fmt.Sprint(i, "/", n)})
			if err != nil {
				t.Error(err)
				return
			}
			sent[i] = append(sent[i], m)
		}
	})
	close(stop)
	watching.Wait()
	var all []chat.Message
	for _, own := range sent {
		if !slices.IsSorted(seqs(own)) {
			t.Errorf("one sender's messages have the seqs %v", seqs(own))
		}
		all = append(all, own...)
	}
	slices.SortFunc(all, func(a, b chat.Message) int { return int(a.ID.Seq) - int(b.ID.Seq) })
	if !slices.Equal(seqs(all), upTo(1, senders*each)) {
		t.Errorf("the seqs are %v", seqs(all))
	}
	changes := readAll(t, w, bob, alice, 0)
	if !slices.EqualFunc(all, changes, sameMessage) {
		t.Error("what was sent isn't what is read")
	}
	for i, m := range all {
		if m.Rev != uint64(i+1) || i > 0 && !m.SentAt.After(all[i-1].SentAt) {
			t.Errorf("%v has the rev %d and the time %v", m.ID, m.Rev, m.SentAt)
		}
	}
}

// readAll catches up from a rev on, page by page.
func readAll(t tb, w *world, viewer, with chat.User, rev uint64) (messages []chat.Message) {
	t.Helper()
	for more := true; more; {
		changes, err := w.Changes(context.Background(), viewer, with.Username, rev, 7)
		if err != nil || changes.More && changes.Rev <= rev {
			t.Fatalf("changes since %d lead to %d: %v", rev, changes.Rev, err)
		}
		messages = append(messages, changes.Messages...)
		rev, more = changes.Rev, changes.More
	}
	return messages
}

// watchForHoles catches up again and again, as a window does.
func watchForHoles(t *testing.T, w *world, a, b chat.User, stop <-chan struct{}) {
	rev, seq := uint64(0), uint64(0)
	for {
		changes, err := w.Changes(context.Background(), a, b.Username, rev, 5)
		if err != nil {
			t.Error(err)
			return
		}
		for _, m := range changes.Messages {
			if seq++; m.ID.Seq != seq || m.Rev != seq {
				t.Errorf("after %d came %v with the rev %d", seq-1, m.ID, m.Rev)
				return
			}
		}
		if rev = changes.Rev; rev != seq {
			t.Errorf("caught up to the rev %d with messages up to %d", rev, seq)
			return
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// Two people write to each other for the first time at the same moment, on two nodes: one conversation, two messages.
func TestFirstMessagesAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	nodes := []*world{w, w.restarted(chat.Options{})}
	for pair := range 50 {
		users := w.people(t, fmt.Sprint("a", pair), fmt.Sprint("b", pair))
		ids := make([]chat.MessageID, 4)
		together(len(ids), func(i int) {
			m, _, err := nodes[i/2].sendDraft(users[i%2], chat.Draft{Recipient: users[1-i%2].Username, Body: "hello"})
			if err != nil {
				t.Error(err)
			}
			ids[i] = m.ID
		})
		slices.SortFunc(ids, func(a, b chat.MessageID) int { return int(a.Seq) - int(b.Seq) })
		for i, id := range ids {
			if id != (chat.MessageID{Conversation: ids[0].Conversation, Seq: uint64(i + 1)}) {
				t.Errorf("pair %d: %v", pair, ids)
			}
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM conversations"); n != 50 {
		t.Errorf("50 pairs have %d conversations", n)
	}
}

// First messages of many pairs that share people must not wait for each other so long that one fails.
func TestFirstMessagesAmongManyPeople(t *testing.T) {
	w := newWorld(t)
	var users []chat.User
	for i := range 8 {
		users = append(users, w.people(t, fmt.Sprint("u", i))...)
	}
	together(len(users)*len(users), func(i int) {
		if _, _, err := w.sendDraft(users[i/len(users)], chat.Draft{Recipient: users[i%len(users)].Username, Body: "hello"}); err != nil {
			t.Error(err)
		}
	})
}

// Two nodes' clocks are an hour apart, and one goes back all the time.
func TestTimesFollowSeqWhateverTheClocksSay(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	ahead := w.restarted(chat.Options{})
	ahead.clock.move(time.Hour)
	var last chat.Message
	for i := range 30 {
		node := []*world{w, ahead}[i%2]
		node.clock.move(-time.Minute)
		m := node.send(t, alice, bob, "tick")
		if i > 0 && !m.SentAt.After(last.SentAt) {
			t.Errorf("%v was sent at %v, %v at %v", last.ID, last.SentAt, m.ID, m.SentAt)
		}
		last = m
	}
	w.clock.stop()
	for range 3 {
		w.send(t, alice, bob, "within one microsecond")
	}
}

// lookout reads each message it hears of, through connections of its own, while the Store waits.
type lookout struct {
	t     *testing.T
	store *chat.Store
	heard [][]chat.Event
}

func (l *lookout) Notify(events ...chat.Event) {
	l.heard = append(l.heard, events)
	for _, e := range events {
		m, err := l.store.Message(context.Background(), chat.User{ID: e.To}, e.ID)
		if err != nil || m.Rev != e.Rev {
			l.t.Errorf("told of %+v, but there it reads %+v: %v", e, m, err)
		}
	}
}

func TestNotifyAfterCommit(t *testing.T) {
	pool := dbtest.New(t)
	l := &lookout{t: t, store: chat.New(pool, chat.Options{})}
	w := worldOn(pool, chat.Options{Notifier: l})
	users := w.people(t, "Alice", "Bob", "Eve")
	alice, bob := users[0], users[1]
	d := chat.Draft{Recipient: "bob", Body: "hi", ClientID: uuid.NewString()}
	m, _, err := w.sendDraft(alice, d)
	if err != nil {
		t.Fatal(err)
	}
	back := w.send(t, bob, alice, "hi yourself")
	note := w.send(t, alice, alice, "note")
	if _, _, err := w.sendDraft(alice, d); err != nil { // its first event may have been lost
		t.Fatal(err)
	}
	event := func(to, with chat.User, m chat.Message) chat.Event {
		return chat.Event{Type: chat.EventMessage, To: to.ID, With: with.Username, ID: m.ID, Rev: m.Rev}
	}
	want := [][]chat.Event{
		{event(alice, bob, m), event(bob, alice, m)},
		{event(bob, alice, back), event(alice, bob, back)},
		{event(alice, alice, note)},
		{event(alice, bob, m), event(bob, alice, m)},
	}
	if fmt.Sprint(l.heard) != fmt.Sprint(want) {
		t.Errorf("the windows were told\n%v, want\n%v", l.heard, want)
	}
}

func TestRefusedMessagesAreNotAnnounced(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	for _, d := range []chat.Draft{{Recipient: "bob"}, {Recipient: "nobody", Body: "hi"}, {Recipient: "bob", Body: "hi", ClientID: "x"}} {
		if _, _, err := w.sendDraft(alice, d); err == nil {
			t.Errorf("%+v was sent", d)
		}
	}
	if told := w.events.take(); len(told) > 0 {
		t.Errorf("the windows were told %+v", told)
	}
}

// Somebody who hangs up while sending has sent, or not; never half.
func TestHangingUpWhileSending(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	sent := 0
	for i := range 40 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Duration(i*50) * time.Microsecond) // spreads the ends over the send; any value passes
			cancel()
		}()
		d := chat.Draft{Recipient: "bob", Body: fmt.Sprint(i), ClientID: uuid.NewString()}
		m, _, err := w.SendMessage(ctx, alice, d)
		if err == nil {
			sent++
			if _, err := w.Message(t.Context(), bob, m.ID); err != nil {
				t.Error(err)
			}
		}
		cancel()
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM messages"); n != sent+1 {
		t.Errorf("%d messages were sent, and %d are stored", sent+1, n)
	}
}

// bodies are texts that a wrong character set, collation or packet size would change.
func bodies(longest int) map[string]string {
	return map[string]string{
		"emoji":            "🙂👩‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿 ❤️",
		"right to left":    "שלום \u202Bעולם\u202C — مرحبا بالعالم",
		"beyond the BMP":   "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐐷 \U0010FFFF",
		"combining":        "Z\u0351\u036B\u0343a\u0301\u0302 e\u0301",
		"controls":         "a\tb\nc\x01\x1b[31m\x7f\u0085\u200B\uFEFFd",
		"SQL and HTML":     `'; DROP TABLE messages; -- <script>alert("x")</script> \' \0 \Z %_ ?`,
		"quotes at end":    `\`,
		"trailing letters": "a\u00ADb",
		"longest":          strings.Repeat("🙂", longest),
		"longest in ASCII": strings.Repeat("x", longest),
	}
}

// Whatever time zone and character set a DSN or a server asks for, text and times come back as they went.
func TestTextAndTimesWhateverTheDSNSays(t *testing.T) {
	dsn, pool := dbtest.NewDSN(t)
	t.Cleanup(func() { checkWhole(t, pool) })
	worldOn(pool, chat.Options{}).two(t)
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*mysql.Config){
		"as it is": func(*mysql.Config) {},
		"odd": func(c *mysql.Config) {
			c.Loc, c.ParseTime, c.Collation = kolkata, false, "latin1_swedish_ci"
			c.Params = map[string]string{"time_zone": "'-11:30'", "sql_mode": "''"}
		},
	} {
		store := chat.New(openAs(t, dsn, change), chat.Options{})
		alice, err := store.UserByName(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		for kind, body := range bodies(store.MaxBodyLength()) {
			sent, _, err := store.SendMessage(t.Context(), alice, chat.Draft{Recipient: "bob", Body: body})
			if err != nil || sent.Body != body {
				t.Errorf("%s: %s was sent as %+q: %v", name, kind, sent.Body, err)
				continue
			}
			sameEverywhere(t, dsn, sent)
		}
	}
}

// openAs opens the database with a changed DSN.
func openAs(t *testing.T, dsn string, change func(*mysql.Config)) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(cfg)
	pool, err := db.Open(t.Context(), cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// sameEverywhere reads a message by every way there is, in a time zone of its own.
func sameEverywhere(t *testing.T, dsn string, sent chat.Message) {
	t.Helper()
	store := chat.New(openAs(t, dsn, func(c *mysql.Config) { c.Params = map[string]string{"time_zone": "'+05:45'"} }), chat.Options{})
	ctx := t.Context()
	one, err := store.Message(ctx, sent.Recipient, sent.ID)
	if err != nil {
		t.Fatal(err)
	}
	thread, err := store.Thread(ctx, sent.Recipient, sent.Sender.Username, chat.ThreadQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := store.Changes(ctx, sent.Recipient, sent.Sender.Username, sent.Rev-1, 1)
	if err != nil {
		t.Fatal(err)
	}
	list, err := store.Conversations(ctx, sent.Sender, chat.ConversationQuery{})
	if err != nil {
		t.Fatal(err)
	}
	replay, _, err := store.SendMessage(ctx, sent.Sender, chat.Draft{Recipient: sent.Recipient.Username, Body: sent.Body, ClientID: sent.ClientID.String()})
	if err != nil {
		t.Fatal(err)
	}
	listed := *list.Items[0].LastMessage
	if listed.Recipient != shown(sent.Sender, sent.Recipient) {
		t.Errorf("the list has %+v for %+v", listed.Recipient, sent.Recipient)
	}
	listed.Recipient = sent.Recipient
	for i, m := range []chat.Message{one, thread.Messages[0], changes.Messages[0], listed, replay} {
		if m != sent {
			t.Errorf("way %d: %+v, sent %+v", i, m, sent)
		}
	}
}
