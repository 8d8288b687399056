package chat_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"parley/db/chat"
	"parley/queries"
)

// confirmation queues one, as whoever gives an account an address does, and gives the mail.
func (w *world) confirmation(t tb, user chat.User, email string) chat.Mail {
	t.Helper()
	err := w.InTx(t.Context(), func(ctx context.Context, q *queries.Queries) error {
		return chat.QueueConfirmation(ctx, q, w.clock.Now().UTC(), user.ID, email, "192.0.2.7")
	})
	if err != nil {
		t.Fatal(err)
	}
	got := w.deliver(t, &postbox{})
	if len(got) != 1 || got[0].Kind != chat.MailConfirm || got[0].To != email {
		t.Fatalf("the mails are %+v", got)
	}
	return got[0]
}

func TestConfirm(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	alice := w.people(t, "alice")[0]
	w.setEmail(t, alice, "alice@example.org", false)
	mail := w.confirmation(t, alice, "alice@example.org")
	for range 2 { // looking confirms nothing
		if c, err := w.FindConfirmation(t.Context(), mail.Token); err != nil || c.Email != "alice@example.org" || c.User.ID != alice.ID || !c.User.EmailConfirmedAt.IsZero() {
			t.Fatalf("%+v: %v", c, err)
		}
	}
	_, err := w.FindReset(t.Context(), mail.Token) // it is no link for something else
	wantKind(t, err, chat.NotFound)
	wantKind(t, w.ResetPassword(t.Context(), mail.Token, password, ""), chat.NotFound)
	if _, err := w.Confirm(t.Context(), mail.Token, "192.0.2.8"); err != nil {
		t.Fatal(err)
	}
	if u, err := w.Profile(t.Context(), chat.Actor{User: alice}); err != nil || u.EmailConfirmedAt.IsZero() || u.Email != "alice@example.org" {
		t.Errorf("%+v: %v", u, err)
	}
	_, err = w.Confirm(t.Context(), mail.Token, "")
	wantKind(t, err, chat.NotFound)
	log, err := w.AuditEvents(t.Context(), root, "", 0)
	if e := log.Items[0]; err != nil || e.Action != chat.AuditConfirmEmail || e.Actor != "alice" || e.IP != "192.0.2.8" || e.Detail != "alice@example.org" {
		t.Errorf("the log has %+v: %v", log.Items, err)
	}
	w.resetMail(t, "alice@example.org") // now it may bring a new password
}

// An address that takes another's place is nobody's until it is confirmed, and whoever had the mail before is told.
func TestConfirmAChangeOfAddress(t *testing.T) {
	w := newWorld(t)
	alice := w.withEmail(t, "alice", "old@example.org")
	mail := w.confirmation(t, alice, "New@example.org")
	w.resetMail(t, "old@example.org")
	if _, err := w.Confirm(t.Context(), mail.Token, ""); err != nil {
		t.Fatal(err)
	}
	if got := w.deliver(t, &postbox{}); len(got) != 1 || got[0].Kind != chat.MailEmailChanged || got[0].To != "old@example.org" {
		t.Errorf("told is %+v", got)
	}
	u, err := w.Profile(t.Context(), chat.Actor{User: alice})
	if err != nil || u.Email != "New@example.org" || u.EmailConfirmedAt.IsZero() || u.DisplayName != "alice" {
		t.Errorf("%+v: %v", u, err)
	}
	if found, err := w.Users(t.Context(), chat.User{}, chat.UserQuery{Search: "alice"}); err != nil || len(found.Items) != 1 {
		t.Errorf("the directory has %+v: %v", found, err)
	}
	w.clock.move(10 * time.Minute)
	w.askReset(t, "old@example.org")
	if got := w.deliver(t, &postbox{}); len(got) != 0 {
		t.Errorf("the old address gets %+v", got)
	}
}

// However an account gets another address, that one isn't confirmed of itself; the same in other letters still is.
func TestAnotherAddressIsNotConfirmed(t *testing.T) {
	w := newWorld(t)
	alice := w.withEmail(t, "alice", "alice@example.org")
	for _, c := range []struct {
		email     string
		confirmed bool
	}{{"Alice@Example.org", true}, {"other@example.org", false}} {
		err := w.q.UpdateUser(t.Context(), queries.UpdateUserParams{
			DisplayName: "alice", SearchKey: []byte("alice"), ID: alice.ID,
			Email: sql.NullString{String: c.email, Valid: true}, EmailKey: sql.NullString{String: chat.Canonical(c.email), Valid: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		if u, err := w.Profile(t.Context(), chat.Actor{User: alice}); err != nil || u.Email != c.email || u.EmailConfirmedAt.IsZero() == c.confirmed {
			t.Errorf("%s: %+v, %v", c.email, u, err)
		}
	}
}

func TestConfirmationsEnd(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *world, chat.User){
		"a day":           func(_ *testing.T, w *world, _ chat.User) { w.clock.move(24 * time.Hour) },
		"a disabled user": func(t *testing.T, w *world, alice chat.User) { w.disable(t, alice) },
		"an admin's address": func(t *testing.T, w *world, _ chat.User) {
			if _, err := w.EditUser(t.Context(), w.adminOf(t, "root"), "alice", chat.UserEdit{Email: text("other@example.org")}); err != nil {
				t.Fatal(err)
			}
		},
		"a newer one": func(t *testing.T, w *world, alice chat.User) { w.confirmation(t, alice, "newer@example.org") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice := w.people(t, "alice")[0]
			mail := w.confirmation(t, alice, "alice@example.org")
			w.clock.move(23 * time.Hour)
			if _, err := w.FindConfirmation(t.Context(), mail.Token); err != nil {
				t.Fatal(err)
			}
			end(t, w, alice)
			_, err := w.FindConfirmation(t.Context(), mail.Token)
			wantKind(t, err, chat.NotFound)
			_, err = w.Confirm(t.Context(), mail.Token, "")
			wantKind(t, err, chat.NotFound)
			if n := count(t, w.db, "SELECT COUNT(*) FROM users WHERE email_key = 'alice@example.org'"); n != 0 {
				t.Error("she has the address")
			}
		})
	}
}

func TestConfirmAnAddressThatSomebodyElseGot(t *testing.T) {
	w := newWorld(t)
	alice := w.people(t, "alice")[0]
	mail := w.confirmation(t, alice, "shared@example.org")
	w.withEmail(t, "bob", "SHARED@example.org")
	_, err := w.Confirm(t.Context(), mail.Token, "")
	wantKind(t, err, chat.Invalid, "email")
	if u, err := w.Profile(t.Context(), chat.Actor{User: alice}); err != nil || u.Email != "" || !u.EmailConfirmedAt.IsZero() {
		t.Errorf("%+v: %v", u, err)
	}
}

func TestConfirmWhoseCommitIsLost(t *testing.T) {
	w, line := newWired(t, func(*mysql.Config) {})
	alice := w.people(t, "alice")[0]
	mail := w.confirmation(t, alice, "alice@example.org")
	line.planFor("COMMIT", 1, loseAfter)
	if _, err := w.Confirm(t.Context(), mail.Token, ""); err != nil {
		t.Fatal(err)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM audit_events"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
}

func TestAskConfirmation(t *testing.T) {
	w := newWorld(t)
	alice := w.people(t, "alice")[0]
	actor := chat.Actor{User: alice}
	wantKind(t, w.AskConfirmation(t.Context(), actor), chat.Invalid, "email") // no address
	w.setEmail(t, alice, "alice@example.org", false)
	if err := w.AskConfirmation(t.Context(), actor); err != nil {
		t.Fatal(err)
	}
	got := w.deliver(t, &postbox{})
	if len(got) != 1 || got[0].To != "alice@example.org" {
		t.Fatalf("%+v", got)
	}
	wantKind(t, w.AskConfirmation(t.Context(), actor), chat.Invalid, "email") // just now
	w.clock.move(6 * time.Minute)
	if err := w.AskConfirmation(t.Context(), actor); err != nil {
		t.Error(err)
	}
	if _, err := w.Confirm(t.Context(), got[0].Token, ""); err != nil {
		t.Fatal(err)
	}
	wantKind(t, w.AskConfirmation(t.Context(), actor), chat.Invalid, "email") // confirmed
	if got := w.deliver(t, &postbox{}); len(got) != 0 || w.mails(t) != 0 {
		t.Errorf("what is confirmed already is confirmed again by %+v", got)
	}
}
