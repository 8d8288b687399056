package chat_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"parley/db/chat"
	"parley/queries"
)

// draft is a message to Bob that can be sent again.
func draft(body string) chat.Draft {
	return chat.Draft{Recipient: "bob", Body: body, ClientID: uuid.NewString()}
}

// rows gives how many messages have a client ID.
func (w *world) rows(t tb, d chat.Draft) int {
	t.Helper()
	id := uuid.MustParse(d.ClientID)
	return count(t, w.db, "SELECT COUNT(*) FROM messages WHERE client_key = ?", id[:])
}

// wantSent wants a message to be stored once, as sent, and announced to both.
func wantSent(t *testing.T, w *world, d chat.Draft, m chat.Message, err error) {
	t.Helper()
	if err != nil || m.Body != d.Body {
		t.Errorf("sending %q gave %+v: %v", d.Body, m, err)
	}
	if n := w.rows(t, d); n != 1 {
		t.Errorf("%q is stored %d times", d.Body, n)
	}
	var to []string
	for _, e := range w.events.take() {
		if e.ID == m.ID {
			to = append(to, e.With)
		}
	}
	if slices.Sort(to); err == nil && !slices.Equal(to, []string{"alice", "bob"}) {
		t.Errorf("%q was announced to the partners of %q", d.Body, to)
	}
}

func TestCommitWhoseAnswerIsLost(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, _ := w.two(t)
	for _, lost := range []int{1, 3, 1} {
		line.planFor("COMMIT", lost, loseAfter)
		d := draft("committed all the same")
		m, _, err := w.sendDraft(alice, d)
		wantSent(t, w, d, m, err)
	}
}

func TestCommitThatNeverArrives(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, _ := w.two(t)
	for _, lost := range []int{1, 3, 1} {
		line.planFor("COMMIT", lost, loseBefore)
		d := draft("not committed at first")
		m, replayed, err := w.sendDraft(alice, d)
		wantSent(t, w, d, m, err)
		if replayed {
			t.Error("it is said to be a replay, but nothing had been committed")
		}
	}
}

// The connection breaks at each command of a send in turn, before the server has seen it and after it has done it.
func TestConnectionLostAtEveryStep(t *testing.T) {
	for _, first := range []bool{true, false} { // the first message makes the conversation
		w, line := newWired(t, asItIs)
		people := 0
		pair := func() (chat.User, chat.Draft) {
			people++
			users := w.people(t, fmt.Sprint("a", people), fmt.Sprint("b", people))
			d := chat.Draft{Recipient: users[1].Username, Body: "x", ClientID: uuid.NewString()}
			if !first {
				w.send(t, users[0], users[1], "the first")
			}
			return users[0], d
		}
		sender, d := pair()
		line.plan(nil)
		if _, _, err := w.sendDraft(sender, d); err != nil {
			t.Fatal(err)
		}
		commands := line.sent()
		begin := slices.Index(commands, "START TRANSACTION")
		if begin < 0 || len(commands) < 6 {
			t.Fatalf("a send has the commands %q", commands)
		}
		for step := range commands {
			for _, h := range []harm{loseBefore, loseAfter} {
				sender, d := pair()
				loseAt(t, w, line, sender, d, step, h, step >= begin)
			}
		}
	}
}

// loseAt wants a send to succeed that breaks inside its transaction, and every one to be safe to send again.
func loseAt(t *testing.T, w *world, line *wire, sender chat.User, d chat.Draft, step int, h harm, inside bool) {
	t.Helper()
	at := 0
	line.plan(func(string) harm {
		if at++; at == step+1 {
			return h
		}
		return none
	})
	w.events.take()
	m, _, err := w.sendDraft(sender, d)
	if inside && err != nil || err != nil && chat.KindOf(err) != chat.Unavailable {
		t.Errorf("harm %d at command %d: %v", h, step, err)
	}
	if told := len(w.events.take()); err == nil && told != 2 || err != nil && told != 0 {
		t.Errorf("harm %d at command %d: %d events, though the error is %v", h, step, told, err)
	}
	again, replayed, againErr := w.sendDraft(sender, d)
	if againErr != nil || err == nil && (!replayed || again.ID != m.ID) || w.rows(t, d) != 1 {
		t.Errorf("harm %d at command %d: %v, and again %v, replayed %t, %d rows: %v", h, step, m.ID, again.ID, replayed, w.rows(t, d), againErr)
	}
}

// holder is a transaction of somebody else that holds locks.
type holder struct {
	t  *testing.T
	tx *sql.Tx
}

func hold(t *testing.T, w *world, statement string, args ...any) *holder {
	t.Helper()
	tx, err := w.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	h := &holder{t, tx}
	h.exec(statement, args...)
	return h
}

func (h *holder) exec(statement string, args ...any) {
	h.t.Helper()
	if _, err := h.tx.Exec(statement, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *holder) release() {
	if err := h.tx.Rollback(); err != nil {
		h.t.Error(err)
	}
}

const lockAll = "UPDATE conversations SET last_seq = last_seq + 0 WHERE id > 0"

// sending is a send on its way.
type sending struct {
	d       chat.Draft
	m       chat.Message
	err     error
	took    time.Duration
	arrived chan struct{}
}

func (w *world) begin(from chat.User, d chat.Draft) *sending {
	s := &sending{d: d, arrived: make(chan struct{})}
	go func() {
		defer close(s.arrived)
		began := time.Now()
		s.m, _, s.err = w.sendDraft(from, d)
		s.took = time.Since(began)
	}()
	return s
}

func (s *sending) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.arrived:
	case <-time.After(patience):
		t.Fatal("the send neither succeeds nor fails")
	}
}

func TestLockTimeoutIsTriedAgain(t *testing.T) {
	t.Parallel()
	w, line := newWired(t, func(c *mysql.Config) { c.Params = map[string]string{"innodb_lock_wait_timeout": "1"} })
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	h := hold(t, w, lockAll)
	s := w.begin(alice, draft("late"))
	eventually(t, "a lock time-out", func() bool { return line.answered(1205) > 0 })
	h.release()
	s.wait(t)
	wantSent(t, w, s.d, s.m, s.err)
}

// The other transaction inserts the same row first and then wants the conversation, the wrong way round. The Store comes
// last and has written less, so that it is the one that is sent back, whichever of the two an engine goes by.
func TestDeadlockIsTriedAgain(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, bob := w.two(t)
	m := w.send(t, alice, bob, "first")
	const insert = `INSERT INTO messages (conversation_id, seq, sender_id, client_key, rev, body, created_at) VALUES (?, ?, ?, ?, ?, 'x', NOW(6))`
	h := hold(t, w, insert, m.ID.Conversation, 2, alice.ID, "k", 2)
	for i := range 50 {
		h.exec(insert, m.ID.Conversation+1000, i, alice.ID, fmt.Sprint(i), i)
	}
	line.planFor("-- name: CreateMessages", 1, pause)
	s := w.begin(alice, draft("sent back"))
	eventually(t, "the Store's lock on the conversation", func() bool { return slices.ContainsFunc(line.sent(), isCreate) })
	locked := make(chan error)
	go func() {
		_, err := h.tx.Exec(lockAll)
		locked <- err
	}()
	seen := 0 // a statement that isn't kept waiting is gone at the second look
	eventually(t, "the other's wait for it", func() bool {
		seen += count(t, w.db, "SELECT COUNT(*) FROM information_schema.processlist WHERE info = ?", lockAll)
		return seen > 20
	})
	line.resume()
	eventually(t, "a deadlock", func() bool { return line.answered(1213) > 0 })
	if err := <-locked; err != nil {
		t.Error(err)
	}
	h.release()
	s.wait(t)
	wantSent(t, w, s.d, s.m, s.err)
	if line.answered(1213) != 1 {
		t.Errorf("there were %d deadlocks", line.answered(1213))
	}
}

func isCreate(command string) bool { return strings.HasPrefix(command, "-- name: CreateMessages") }

func TestKilledWhileWaiting(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	for kill, tried := range map[string]func(before uint32) bool{
		"KILL CONNECTION": func(before uint32) bool { now := line.waiting("LockConversations"); return now != 0 && now != before },
		"KILL QUERY":      func(uint32) bool { return line.answered(1317)+line.answered(1213) > 0 }, // Galera calls it a deadlock
	} {
		h := hold(t, w, lockAll)
		w.events.take()
		s := w.begin(alice, draft(kill))
		var id uint32
		eventually(t, "the Store's wait", func() bool { id = line.waiting("LockConversations"); return id != 0 })
		eventually(t, "another try", func() bool {
			_, _ = w.db.Exec(fmt.Sprint(kill, " ", id)) // more than once: the first may come too early, a later one too late
			return tried(id)
		})
		h.release()
		s.wait(t)
		wantSent(t, w, s.d, s.m, s.err)
	}
}

// brief is a patience that keeps the tests short, and still is longer than a few tries.
const brief = time.Second

// wantUnavailable wants a send to have given up in time, neither much earlier nor later.
func wantUnavailable(t *testing.T, s *sending) {
	t.Helper()
	s.wait(t)
	wantKind(t, s.err, chat.Unavailable)
	if s.took < brief*9/10 || s.took > brief+4*time.Second {
		t.Errorf("the send gave up after %v, want about %v", s.took, brief)
	}
}

// again sends the same thing again, now that nothing is in its way.
func again(t *testing.T, w *world, from chat.User, s *sending) {
	t.Helper()
	w.events.take()
	m, _, err := w.sendDraft(from, s.d)
	wantSent(t, w, s.d, m, err)
}

func TestLockedForTooLong(t *testing.T) {
	t.Parallel()
	w, _ := newWired(t, asItIs)
	w.BePatient(brief)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	w.events.take()
	h := hold(t, w, lockAll)
	s := w.begin(alice, draft("too late"))
	wantUnavailable(t, s)
	if told := w.events.take(); len(told) > 0 || w.rows(t, s.d) > 0 {
		t.Errorf("nothing was sent, but the windows were told %+v", told)
	}
	h.release()
	again(t, w, alice, s)
}

// A server or a network that stops in the middle of a send, without a word, must not hold the sender for ever.
func TestFrozenDatabase(t *testing.T) {
	for _, command := range []string{"START TRANSACTION", "-- name: LockConversations", "-- name: CreateMessages", "COMMIT"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			w, line := newWired(t, asItIs)
			w.BePatient(brief)
			alice, bob := w.two(t)
			w.send(t, alice, bob, "first")
			w.events.take()
			frozen := false
			begun := false
			line.plan(func(c string) harm {
				begun = begun || c == "START TRANSACTION"
				frozen = frozen || begun && len(c) >= len(command) && c[:len(command)] == command
				if frozen {
					return freeze
				}
				return none
			})
			s := w.begin(alice, draft(command))
			wantUnavailable(t, s)
			if told := w.events.take(); len(told) > 0 {
				t.Errorf("the windows were told %+v", told)
			}
			line.plan(nil)
			again(t, w, alice, s)
		})
	}
}

// A refused message ends its transaction with a ROLLBACK, which may meet the same.
func TestFrozenRollback(t *testing.T) {
	t.Parallel()
	w, line := newWired(t, asItIs)
	w.BePatient(brief)
	alice, _ := w.two(t)
	d := draft("one")
	if _, _, err := w.sendDraft(alice, d); err != nil {
		t.Fatal(err)
	}
	line.planFor("ROLLBACK", 1, freeze)
	d.Body = "two"
	s := w.begin(alice, d)
	s.wait(t)
	wantKind(t, s.err, chat.Conflict, "client_id")
	line.plan(nil)
	m, _, err := w.sendDraft(alice, draft("three"))
	if err != nil || m.ID.Seq != 2 {
		t.Errorf("%+v: %v", m, err)
	}
}

func TestDatabaseGoneForTooLong(t *testing.T) {
	t.Parallel()
	w, line := newWired(t, asItIs)
	w.BePatient(brief)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	line.plan(func(c string) harm {
		if c == "START TRANSACTION" {
			go line.sever()
			return loseBefore
		}
		return none
	})
	s := w.begin(alice, draft("nobody there"))
	wantUnavailable(t, s)
	if _, err := w.Message(t.Context(), alice, chat.MessageID{Conversation: 1, Seq: 1}); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("to read gives %v", err)
	}
	wantKind(t, w.Ready(t.Context()), chat.Unavailable)
	line.plan(nil)
	line.mend()
	again(t, w, alice, s)
	if err := w.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDatabaseGoneForAMoment(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	w.events.take()
	tries := 0
	line.plan(func(c string) harm {
		if c != "START TRANSACTION" {
			return none
		}
		if tries++; tries <= 5 {
			return loseBefore
		}
		return none
	})
	s := w.begin(alice, draft("a moment later"))
	s.wait(t)
	wantSent(t, w, s.d, s.m, s.err)
}

// A time that is up between the last statement and the commit is a time-out like every other.
func TestTimeUpJustBeforeTheCommit(t *testing.T) {
	w := newWorld(t)
	w.BePatient(brief)
	err := w.InTx(t.Context(), func(ctx context.Context, q *queries.Queries) error {
		<-ctx.Done()
		eventually(t, "the rollback", func() bool {
			_, err := q.AnyUser(context.Background())
			return errors.Is(err, sql.ErrTxDone)
		})
		return nil
	})
	wantKind(t, err, chat.Unavailable)
}

// Whoever hangs up after a send has begun to write has sent, at whichever command it is.
func TestHangingUpInTheMiddle(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	w.send(t, alice, bob, "second")
	for step := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		at := -1
		line.plan(func(c string) harm {
			if at >= 0 || c == "START TRANSACTION" {
				at++
			}
			if at == step {
				cancel()
			}
			return none
		})
		w.events.take()
		d := draft(fmt.Sprint("hung up at step ", step))
		m, _, err := w.SendMessage(ctx, alice, d)
		wantSent(t, w, d, m, err)
		if ctx.Err() == nil {
			t.Errorf("a send has no step %d: %q", step, line.sent())
		}
		cancel()
	}
}

// What can't be read for want of a database is not said to be missing.
func TestReadsWithoutADatabase(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, bob := w.two(t)
	m := w.send(t, alice, bob, "hi")
	token, session, err := w.StartSession(t.Context(), alice, chat.Device{})
	if err != nil {
		t.Fatal(err)
	}
	c := w.conversation(t, bob, alice)
	line.sever()
	ctx := context.Background()
	for name, read := range map[string]func() error{
		"Message":        func() error { _, err := w.Message(ctx, alice, m.ID); return err },
		"Thread":         func() error { _, err := w.Thread(ctx, alice, "bob", chat.ThreadQuery{}); return err },
		"Changes":        func() error { _, err := w.Changes(ctx, alice, "bob", 0, 0); return err },
		"Conversation":   func() error { _, err := w.Conversation(ctx, alice, "bob"); return err },
		"Conversations":  func() error { _, err := w.Conversations(ctx, alice, chat.ConversationQuery{}); return err },
		"MarkRead":       func() error { return w.MarkRead(ctx, bob, &c, 1) },
		"Users":          func() error { _, err := w.Users(ctx, alice, chat.UserQuery{}); return err },
		"UserByName":     func() error { _, err := w.UserByName(ctx, "bob"); return err },
		"AnyUser":        func() error { _, err := w.AnyUser(ctx); return err },
		"Authenticate":   func() error { _, err := w.Authenticate(ctx, "bob", password); return err },
		"SessionByToken": func() error { _, err := w.SessionByToken(ctx, token); return err },
		"StartSession":   func() error { _, _, err := w.StartSession(ctx, alice, chat.Device{}); return err },
		"EndSession":     func() error { return w.EndSession(ctx, session) },
		"SweepSessions":  func() error { _, err := w.SweepSessions(ctx); return err },
		"CreateUser": func() error {
			_, err := w.CreateUser(ctx, chat.NewUser{Username: "new", Password: password})
			return err
		},
		"SendMessage": func() error { _, _, err := w.sendDraft(alice, draft("x")); return err },
		"a replay": func() error {
			_, _, err := w.sendDraft(alice, chat.Draft{Recipient: "bob", Body: "hi", ClientID: m.ClientID.String()})
			return err
		},
	} {
		if err := read(); chat.KindOf(err) != chat.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Somebody holds one conversation: sends to others go on, whether or not they wait for their turn together with it.
func TestHeldConversationHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people := w.people(t, "held", "holder", "a", "b", "c", "d", "e", "f", "g", "h")
	held := w.send(t, people[0], people[1], "first")
	for i := 2; i < len(people); i += 2 {
		w.send(t, people[i], people[i+1], "first")
	}
	h := hold(t, w, "UPDATE conversations SET last_seq = last_seq + 0 WHERE id = ?", held.ID.Conversation)
	var stuck, free []*sending
	for range 20 { // more than there are connections
		stuck = append(stuck, w.begin(people[0], chat.Draft{Recipient: people[1].Username, Body: "stuck", ClientID: uuid.NewString()}))
	}
	eventually(t, "the wait for the lock", func() bool {
		return count(t, w.db, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '-- name: LockConversations%'") > 0
	})
	for range 3 {
		for i := 2; i < len(people); i += 2 {
			free = append(free, w.begin(people[i], chat.Draft{Recipient: people[i+1].Username, Body: "free", ClientID: uuid.NewString()}))
		}
	}
	for _, s := range free {
		s.wait(t)
		if s.err != nil || s.took > 4*time.Second { // a moment longer than a lock is waited for, twice
			t.Errorf("%s: %v after %s", s.d.Recipient, s.err, s.took)
		}
	}
	h.release()
	for _, s := range stuck {
		s.wait(t)
	}
	for _, s := range stuck {
		if chat.KindOf(s.err) == chat.Unavailable { // its time was over
			again(t, w, people[0], s)
		} else if s.err != nil {
			t.Error(s.err)
		}
	}
}

// A server that takes no more prepared statements serves all the same.
func TestServerWithTooManyPreparedStatements(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	var limit int
	if err := w.db.QueryRow("SELECT @@max_prepared_stmt_count").Scan(&limit); err != nil {
		t.Fatal(err)
	}
	w.send(t, alice, bob, "before")
	var name string
	var used int
	if err := w.db.QueryRow("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'").Scan(&name, &used); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustExec(t, w.db, fmt.Sprint("SET GLOBAL max_prepared_stmt_count = ", limit)) })
	mustExec(t, w.db, fmt.Sprint("SET GLOBAL max_prepared_stmt_count = ", used+1))
	w.send(t, alice, bob, "during")
	if _, err := w.Conversations(t.Context(), bob, chat.ConversationQuery{}); err != nil {
		t.Error(err)
	}
}
