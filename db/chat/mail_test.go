package chat_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"parley/db/chat"
	"parley/queries"
)

// postbox is a Mailer that keeps what it is given.
type postbox struct {
	mu   sync.Mutex
	got  []chat.Mail
	fail func(chat.Mail) error // what Send answers
}

func (p *postbox) Send(_ context.Context, m chat.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, m)
	if p.fail != nil {
		return p.fail(m)
	}
	return nil
}

// deliver sends everything that is due and gives what went out.
func (w *world) deliver(t tb, p *postbox) []chat.Mail {
	t.Helper()
	p.got = nil
	for {
		_, found, err := w.DeliverMail(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if !found {
			return p.got
		}
	}
}

// withEmail makes somebody whom an admin gave an address.
func (w *world) withEmail(t tb, username, email string) chat.User {
	t.Helper()
	user := w.people(t, username)[0]
	w.setEmail(t, user, email, true)
	user, err := w.UserByName(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

func (w *world) setEmail(t tb, user chat.User, email string, confirmed bool) {
	t.Helper()
	if _, err := w.db.Exec("UPDATE users SET email = ?, email_key = ?, email_confirmed_at = IF(?, NOW(6), NULL) WHERE id = ?", email, chat.Canonical(email), confirmed, user.ID); err != nil {
		t.Fatal(err)
	}
}

func (w *world) askReset(t tb, email string) {
	t.Helper()
	if err := w.AskReset(t.Context(), email, "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
}

// resetMail asks for a link and gives the mail that brings it.
func (w *world) resetMail(t tb, email string) chat.Mail {
	t.Helper()
	w.askReset(t, email)
	got := w.deliver(t, &postbox{})
	if len(got) != 1 || got[0].Kind != chat.MailReset {
		t.Fatalf("the mails are %+v", got)
	}
	return got[0]
}

func (w *world) mails(t tb) int { return count(t, w.db, "SELECT COUNT(*) FROM mails") }

// A mail that doesn't go out is tried later and later for about two days; then it is stuck, and an admin can have it tried
// as if it were new.
func TestMailIsTriedForTwoDays(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	w.withEmail(t, "alice", "alice@example.org")
	w.askReset(t, "alice@example.org")
	w.clock.stop()
	box := &postbox{fail: func(chat.Mail) error { return errors.New("421 try later") }}
	start, tokens := w.clock.Now(), map[string]bool{}
	var d chat.Delivery
	for n := 1; !d.Stuck; n++ {
		var found bool
		var err error
		if d, found, err = w.DeliverMail(t.Context(), box); !found || err != nil || d.Attempts != n || d.Dropped {
			t.Fatalf("try %d: %+v, found %t: %v", n, d, found, err)
		}
		tokens[d.Token] = true
		if again, found, _ := w.DeliverMail(t.Context(), box); found {
			t.Fatalf("it is tried again at once: %+v", again)
		}
		list, err := w.Mails(t.Context(), root, "", 0)
		if err != nil || len(list.Items) != 1 || list.Items[0].Stuck() != d.Stuck || list.Items[0].Error != "421 try later" || list.Items[0].Username != "alice" {
			t.Fatalf("admins see %+v: %v", list, err)
		}
		if pause := list.Items[0].DueAt.Sub(w.clock.Now()); !d.Stuck {
			if pause < 50*time.Second || pause > 6*time.Hour {
				t.Errorf("after try %d it waits for %s", n, pause)
			}
			w.clock.move(pause)
		}
	}
	if took := w.clock.Now().Sub(start); took < 40*time.Hour || took > 52*time.Hour {
		t.Errorf("it is stuck after %s", took)
	}
	if len(tokens) != d.Attempts {
		t.Errorf("%d tries had %d tokens", d.Attempts, len(tokens))
	}
	w.clock.move(24 * time.Hour)
	if _, found, err := w.DeliverMail(t.Context(), box); found || err != nil {
		t.Errorf("what is stuck is tried: %v", err)
	}
	list, _ := w.Mails(t.Context(), root, "", 0)
	if list.Waiting != 0 || list.Stuck != 1 {
		t.Errorf("%d wait, %d are stuck", list.Waiting, list.Stuck)
	}
	if err := w.RetryMail(t.Context(), root, list.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	if got := w.deliver(t, &postbox{}); len(got) != 1 || got[0].Attempts != 1 || w.mails(t) != 0 {
		t.Errorf("tried again it is %+v, %d are left", got, w.mails(t))
	}
	log, _ := w.AuditEvents(t.Context(), root, "", 0)
	if e := log.Items[0]; e.Action != chat.AuditRetryMail || e.Subject != "alice" || e.Actor != "root" {
		t.Errorf("the log has %+v", e)
	}
}

// What the next server refuses for good isn't tried again, and what it quotes of the mail is kept without the link.
func TestMailThatIsRefused(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	w.withEmail(t, "alice", "alice@example.org")
	w.askReset(t, "alice@example.org")
	box := &postbox{fail: func(m chat.Mail) error {
		return fmt.Errorf("%w: 554 your text https://chat/password/reset/%s is spam %s", chat.ErrMailRefused, m.Token, strings.Repeat("é", 300))
	}}
	d, found, err := w.DeliverMail(t.Context(), box)
	if !found || err != nil || !d.Stuck || d.Attempts != 1 {
		t.Fatalf("%+v, %t: %v", d, found, err)
	}
	list, err := w.Mails(t.Context(), root, "", 0)
	if err != nil || len(list.Items) != 1 || !list.Items[0].Stuck() || strings.Contains(list.Items[0].Error, d.Token) || !strings.Contains(list.Items[0].Error, "554 your text https://chat/password/reset/… is spam") {
		t.Errorf("admins see %+v: %v", list, err)
	}
	if err := w.DropMail(t.Context(), root, list.Items[0].ID); err != nil || w.mails(t) != 0 {
		t.Errorf("dropped, %d are left: %v", w.mails(t), err)
	}
	wantKind(t, w.DropMail(t.Context(), root, list.Items[0].ID), chat.NotFound)
	wantKind(t, w.RetryMail(t.Context(), root, list.Items[0].ID), chat.NotFound)
}

// A copy of the database signs nobody in: no table holds what a link carries.
func TestQueueHoldsNoSecret(t *testing.T) {
	w := newWorld(t)
	alice := w.withEmail(t, "alice", "alice@example.org")
	w.askReset(t, "alice@example.org")
	box := &postbox{fail: func(m chat.Mail) error { return errors.New("no: " + m.Token) }}
	got := w.deliver(t, box)
	if len(got) != 1 || len(got[0].Token) < 22 {
		t.Fatalf("%+v", got)
	}
	for _, table := range []string{"mails", "links", "audit_events"} {
		rows, err := w.db.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]string, len(columns))
			into := make([]any, len(columns))
			for i := range into {
				into[i] = &nullable{&values[i]}
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.Join(values, "\n"), got[0].Token) {
				t.Errorf("%s holds the token: %q", table, values)
			}
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM links WHERE user_id = ? AND token_hash = UNHEX(SHA2(?, 256))", alice.ID, got[0].Token); n != 1 {
		t.Errorf("%d links have its SHA-256", n)
	}
}

// nullable scans anything as text.
type nullable struct{ text *string }

func (n *nullable) Scan(v any) error { *n.text = fmt.Sprintf("%s", v); return nil }

// However many nodes take from the queue, each mail goes out once.
func TestManyNodesSendEachMailOnce(t *testing.T) {
	w := newWorld(t)
	users := w.people(t, "ann", "ben", "cid")
	const each = 20
	for _, u := range users {
		for n := range each {
			if err := w.queue(t, chat.MailPasswordChanged, u, fmt.Sprintf("%s%d@example.org", u.Username, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	box := &postbox{}
	nodes := []*world{w, w.restarted(chat.Options{}), w.restarted(chat.Options{})}
	together(9, func(i int) {
		for {
			_, found, err := nodes[i%3].DeliverMail(t.Context(), box)
			if err != nil {
				t.Error(err)
			}
			if !found || err != nil {
				return
			}
		}
	})
	sent := map[string]int{}
	for _, m := range box.got {
		sent[m.To]++
	}
	for to, n := range sent {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
	if len(sent) != each*len(users) || w.mails(t) != 0 {
		t.Errorf("%d of %d went out, %d are left", len(sent), each*len(users), w.mails(t))
	}
}

func (w *world) queue(t tb, kind chat.MailKind, user chat.User, to string) error {
	t.Helper()
	return w.InTx(t.Context(), func(ctx context.Context, q *queries.Queries) error {
		return chat.QueueMail(ctx, q, w.clock.Now().UTC(), kind, user.ID, to)
	})
}

// While a node sends a mail nobody else does, nor can an admin have it sent a second time. If the node dies, another takes
// over once the lease has ended.
func TestMailOfANodeThatDies(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	alice := w.withEmail(t, "alice", "alice@example.org")
	if err := w.queue(t, chat.MailPasswordChanged, alice, alice.Email); err != nil {
		t.Fatal(err)
	}
	dying := diesWhile{started: make(chan struct{}), die: make(chan struct{})}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _, _, err := w.DeliverMail(ctx, dying); ended <- err }()
	<-dying.started
	other := w.restarted(chat.Options{Now: w.clock.Now})
	if got := other.deliver(t, &postbox{}); len(got) != 0 {
		t.Errorf("another node sends it too: %+v", got)
	}
	list, err := w.Mails(t.Context(), root, "", 0)
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%+v: %v", list, err)
	}
	wantKind(t, w.RetryMail(t.Context(), root, list.Items[0].ID), chat.Invalid)
	w.clock.move(5*time.Minute + time.Second)
	if got := other.deliver(t, &postbox{}); len(got) != 1 || got[0].Attempts != 2 {
		t.Errorf("when the lease has ended it is sent as %+v", got)
	}
	close(dying.die)
	if err := <-ended; err != nil || w.mails(t) != 0 {
		t.Errorf("the first one ends with %v, %d are left", err, w.mails(t))
	}
}

// A node whose lease has ended doesn't put off, or take away, what another one has by now.
func TestMailOfASlowNodeIsLeftToTheOther(t *testing.T) {
	w := newWorld(t)
	alice := w.withEmail(t, "alice", "alice@example.org")
	if err := w.queue(t, chat.MailPasswordChanged, alice, alice.Email); err != nil {
		t.Fatal(err)
	}
	for _, result := range []error{errors.New("no"), nil} {
		w.clock.move(6 * time.Hour)
		slow := diesWhile{started: make(chan struct{}), die: make(chan struct{}), with: result}
		ended := make(chan error, 1)
		go func() { _, _, err := w.DeliverMail(t.Context(), slow); ended <- err }()
		<-slow.started
		w.clock.move(5*time.Minute + time.Second)
		other := diesWhile{started: make(chan struct{}), die: make(chan struct{}), with: errors.New("the other's")}
		go func() { _, _, err := w.DeliverMail(t.Context(), other); ended <- err }()
		<-other.started
		close(slow.die)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := count(t, w.db, "SELECT COUNT(*) FROM mails WHERE leased_until > ?", w.clock.Now().UTC()); n != 1 {
			t.Errorf("the slow node's end (%v) took it from the other", result)
		}
		close(other.die)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM mails WHERE error = 'the other''s'"); n != 1 {
		t.Error("what the other node noted is gone")
	}
}

// diesWhile is a Mailer whose process stops in the middle.
type diesWhile struct {
	started, die chan struct{}
	with         error
}

func (d diesWhile) Send(context.Context, chat.Mail) error {
	close(d.started)
	<-d.die
	return d.with
}

// The answer to a commit may be lost, and then the mail isn't queued, or gone, twice.
func TestMailWithLostAnswers(t *testing.T) {
	w, line := newWired(t, func(*mysql.Config) {})
	alice := w.withEmail(t, "alice", "alice@example.org")
	if err := w.queue(t, chat.MailPasswordChanged, alice, alice.Email); err != nil {
		t.Fatal(err)
	}
	box := &postbox{fail: func(chat.Mail) error {
		line.planFor("COMMIT", 1, loseAfter)
		return nil
	}}
	if _, found, err := w.DeliverMail(t.Context(), box); !found || err != nil || w.mails(t) != 0 {
		t.Errorf("found %t, %d are left: %v", found, w.mails(t), err)
	}
}

func TestMailsForAdmins(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	alice := w.withEmail(t, "alice", "alice@example.org")
	for n := range 3 {
		if err := w.queue(t, chat.MailPasswordChanged, alice, fmt.Sprintf("%d@example.org", n)); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	after := ""
	for {
		list, err := w.Mails(t.Context(), root, after, 2)
		if err != nil || list.Waiting != 3 {
			t.Fatalf("%+v: %v", list, err)
		}
		for _, m := range list.Items {
			seen = append(seen, m.To)
		}
		if after = list.Next; after == "" {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "2@example.org 1@example.org 0@example.org" {
		t.Errorf("the pages have %s", got)
	}
	_, err := w.Mails(t.Context(), chat.Actor{User: alice}, "", 0)
	wantKind(t, err, chat.NotFound)
	wantKind(t, w.DropMail(t.Context(), chat.Actor{User: alice}, 1), chat.NotFound)
	wantKind(t, w.RetryMail(t.Context(), chat.Actor{User: alice}, 1), chat.NotFound)
	_, err = w.Mails(t.Context(), root, "nonsense", 0)
	wantKind(t, err, chat.Malformed, "after")
}

func TestSweepMail(t *testing.T) {
	w := newWorld(t)
	w.withEmail(t, "alice", "alice@example.org")
	bob := w.withEmail(t, "bob", "bob@example.org")
	w.resetMail(t, "alice@example.org")
	if err := w.queue(t, chat.MailPasswordChanged, bob, bob.Email); err != nil {
		t.Fatal(err)
	}
	w.deliver(t, &postbox{fail: func(chat.Mail) error { return chat.ErrMailRefused }})
	for _, step := range []struct {
		after        time.Duration
		links, mails int
	}{{0, 1, 1}, {59 * time.Minute, 1, 1}, {2 * time.Minute, 0, 1}, {29 * 24 * time.Hour, 0, 1}, {24 * time.Hour, 0, 0}} {
		w.clock.move(step.after)
		if _, err := w.SweepMail(t.Context()); err != nil {
			t.Fatal(err)
		}
		if links, mails := count(t, w.db, "SELECT COUNT(*) FROM links"), w.mails(t); links != step.links || mails != step.mails {
			t.Errorf("%s later there are %d links and %d mails, want %d and %d", step.after, links, mails, step.links, step.mails)
		}
	}
}
