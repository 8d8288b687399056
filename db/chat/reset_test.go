package chat_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"parley/db/chat"
)

func TestResetPassword(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: time.Hour})
	root := w.adminOf(t, "root")
	alice := w.withEmail(t, "alice", "Alice@Example.org")
	token, _ := remembered(t, w, alice)
	w.events.take()
	mail := w.resetMail(t, " aLICE@example.ORG ")
	if mail.To != "Alice@Example.org" || mail.User.Username != "alice" || mail.Place != "Parley" || !mail.Expires.After(w.clock.Now().Add(59*time.Minute)) {
		t.Errorf("the mail is %+v", mail)
	}
	for range 2 { // looking uses nothing up
		if u, err := w.FindReset(t.Context(), mail.Token); err != nil || u.ID != alice.ID {
			t.Fatalf("the link is %+v's: %v", u, err)
		}
	}
	for _, bad := range []string{"short", "password1", "ALICE@example.org"} {
		wantKind(t, w.ResetPassword(t.Context(), mail.Token, bad, "192.0.2.8"), chat.Invalid, "password")
	}
	if _, err := w.SessionByToken(t.Context(), token); err != nil {
		t.Fatalf("a refusal ended a session: %v", err)
	}
	if err := w.ResetPassword(t.Context(), mail.Token, "a new password", "192.0.2.8"); err != nil {
		t.Fatal(err)
	}
	if u, err := w.Authenticate(t.Context(), "alice", "a new password"); err != nil || u.ID != alice.ID {
		t.Errorf("signing in: %v", err)
	}
	_, err := w.SessionByToken(t.Context(), token)
	wantKind(t, err, chat.NotFound)
	if told := w.events.take(); len(told) != 1 || told[0].Type != chat.EventSessionEnded || told[0].To != alice.ID || len(told[0].Session) > 0 {
		t.Errorf("windows heard %+v", told)
	}
	wantKind(t, w.ResetPassword(t.Context(), mail.Token, "another password", ""), chat.NotFound) // once
	_, err = w.FindReset(t.Context(), mail.Token)
	wantKind(t, err, chat.NotFound)
	if got := w.deliver(t, &postbox{}); len(got) != 1 || got[0].Kind != chat.MailPasswordReset || got[0].To != "Alice@Example.org" || got[0].Token != "" {
		t.Errorf("the owner is told %+v", got)
	}
	log, err := w.AuditEvents(t.Context(), root, "", 0)
	log.Items = slices.DeleteFunc(log.Items, func(e chat.AuditEvent) bool { return e.Action == chat.AuditSignIn })
	if err != nil || len(log.Items) != 2 || log.Items[0].Action != chat.AuditResetPassword || log.Items[0].Actor != "alice" || log.Items[0].IP != "192.0.2.8" ||
		log.Items[1].Action != chat.AuditAskReset || log.Items[1].Actor != "" || log.Items[1].Subject != "alice" || log.Items[1].IP != "192.0.2.7" {
		t.Errorf("the log has %+v: %v", log.Items, err)
	}
}

// Each of these ends a link that wasn't followed.
func TestResetLinksEnd(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world, root chat.Actor, alice chat.User){
		"an hour":         func(_ *testing.T, w *world, _ chat.Actor, _ chat.User) { w.clock.move(time.Hour) },
		"a disabled user": func(t *testing.T, w *world, _ chat.Actor, alice chat.User) { w.disable(t, alice) },
		"another address": func(t *testing.T, w *world, _ chat.Actor, alice chat.User) {
			w.setEmail(t, alice, "new@example.org", true)
		},
		"no address": func(t *testing.T, w *world, _ chat.Actor, alice chat.User) {
			mustExec(t, w.db, "UPDATE users SET email = NULL, email_key = NULL")
		},
		"another password": func(t *testing.T, w *world, _ chat.Actor, alice chat.User) {
			mustExec(t, w.db, "UPDATE users SET password_hash = 'other' WHERE id = ?", alice.ID)
		},
		"an admin's password": func(t *testing.T, w *world, root chat.Actor, _ chat.User) {
			if _, err := w.EditUser(t.Context(), root, "alice", chat.UserEdit{Password: password}); err != nil {
				t.Fatal(err)
			}
		},
		"a newer one": func(t *testing.T, w *world, _ chat.Actor, _ chat.User) {
			w.clock.move(6 * time.Minute)
			w.resetMail(t, "alice@example.org")
		},
		"one by an admin": func(t *testing.T, w *world, root chat.Actor, _ chat.User) {
			if _, err := w.MakeResetLink(t.Context(), root, "alice"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			root := w.adminOf(t, "root")
			alice := w.withEmail(t, "alice", "alice@example.org")
			mail := w.resetMail(t, "alice@example.org")
			if _, err := w.FindReset(t.Context(), mail.Token); err != nil {
				t.Fatal(err)
			}
			end(t, w, root, alice)
			_, err := w.FindReset(t.Context(), mail.Token)
			wantKind(t, err, chat.NotFound)
			before := count(t, w.db, "SELECT COUNT(*) FROM users WHERE password_hash LIKE '$argon2id%'")
			wantKind(t, w.ResetPassword(t.Context(), mail.Token, "a new password", ""), chat.NotFound)
			if after := count(t, w.db, "SELECT COUNT(*) FROM users WHERE password_hash LIKE '$argon2id%'"); after != before {
				t.Error("the password was set")
			}
		})
	}
}

// What ends between the look at a link and its use ends it too.
func TestResetLinkThatEndsWhileThePasswordIsHashed(t *testing.T) {
	w := newWorld(t)
	alice := w.withEmail(t, "alice", "alice@example.org")
	mail := w.resetMail(t, "alice@example.org")
	release := w.HoldHashingSlots(patience)
	ended := make(chan error, 1)
	go func() { ended <- w.ResetPassword(t.Context(), mail.Token, "a new password", "") }()
	eventually(t, "the hash to wait", func() bool { return w.Stats().HashesWaiting == 1 })
	w.disable(t, alice)
	release()
	wantKind(t, <-ended, chat.NotFound)
	if n := count(t, w.db, "SELECT COUNT(*) FROM users WHERE password_hash = 'none'"); n != 1 {
		t.Error("the password was set")
	}
}

// Of several at once one is the first, and the link does no more than once.
func TestResetLinkFollowedTwiceAtOnce(t *testing.T) {
	w := newWorld(t)
	w.withEmail(t, "alice", "alice@example.org")
	mail := w.resetMail(t, "alice@example.org")
	errs := make([]error, 4)
	together(4, func(i int) {
		errs[i] = w.ResetPassword(t.Context(), mail.Token, "password number "+string(rune('0'+i)), "")
	})
	won := slices.IndexFunc(errs, func(err error) bool { return err == nil })
	for i, err := range errs {
		if i != won {
			wantKind(t, err, chat.NotFound)
		}
	}
	if won < 0 {
		t.Fatal("none was the first")
	}
	if _, err := w.Authenticate(t.Context(), "alice", "password number "+string(rune('0'+won))); err != nil {
		t.Error(err)
	}
}

// Where the database doesn't say whether the password is set, windows are closed all the same: those whose sessions go on
// open again.
func TestResetWhoseCommitIsUnknown(t *testing.T) {
	w, line := newWired(t, func(*mysql.Config) {})
	alice := w.withEmail(t, "alice", "alice@example.org")
	mail := w.resetMail(t, "alice@example.org")
	w.BePatient(300 * time.Millisecond)
	w.events.take()
	line.planFor("COMMIT", 100, loseAfter)
	err := w.ResetPassword(t.Context(), mail.Token, "a new password", "")
	if told := w.events.take(); chat.KindOf(err) == chat.Unavailable && (len(told) != 1 || told[0].To != alice.ID || told[0].Type != chat.EventSessionEnded) {
		t.Errorf("%v, and windows heard %+v", err, told)
	}
	wantKind(t, err, chat.Unavailable)
}

func TestResetWhoseCommitIsLost(t *testing.T) {
	w, line := newWired(t, func(*mysql.Config) {})
	w.withEmail(t, "alice", "alice@example.org")
	mail := w.resetMail(t, "alice@example.org")
	line.planFor("COMMIT", 1, loseAfter)
	if err := w.ResetPassword(t.Context(), mail.Token, "a new password", ""); err != nil {
		t.Fatal(err)
	}
	if got := w.deliver(t, &postbox{}); len(got) != 1 {
		t.Errorf("the owner is told %+v", got)
	}
}

// To ask is the same work, statement by statement, whoever's the address is: neither the answer nor its time tells.
func TestAskingIsTheSameForEverybody(t *testing.T) {
	w, line := newWired(t, func(*mysql.Config) {})
	w.withEmail(t, "alice", "alice@example.org")
	w.setEmail(t, w.people(t, "bob")[0], "bob@example.org", false)
	w.disable(t, w.withEmail(t, "carol", "carol@example.org"))
	var first []string
	for _, email := range []string{"alice@example.org", "alice@example.org", "bob@example.org", "carol@example.org", "nobody@example.org"} {
		line.plan(nil)
		w.askReset(t, email)
		sent := slices.Clone(line.sent())
		sent = slices.DeleteFunc(sent, func(command string) bool { return strings.HasPrefix(command, "PREPARE ") })
		if first == nil {
			first = sent
		}
		if len(sent) != 1 || !strings.HasPrefix(sent[0], "-- name: QueueMail ") || !slices.Equal(sent, first) {
			t.Errorf("%s: %q", email, sent)
		}
	}
	if n := w.mails(t); n != 5 {
		t.Errorf("%d rows for five that asked", n)
	}
	if got := w.deliver(t, &postbox{}); len(got) != 1 || got[0].To != "alice@example.org" || w.mails(t) != 0 {
		t.Errorf("the mails are %+v, %d are left", got, w.mails(t))
	}
}

// Only an address that is known to be somebody's own gets links, and the address as stored: one that was typed may only
// look like it to the canonical form.
func TestWhoGetsResetLinks(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	bob := w.people(t, "bob")[0]
	w.setEmail(t, bob, "bob@kelvin.example", false)
	w.askReset(t, "bob@kelvin.example")
	if got := w.deliver(t, &postbox{}); len(got) != 0 {
		t.Fatalf("an unconfirmed address gets %+v", got)
	}
	if _, err := w.EditUser(t.Context(), root, "bob", chat.UserEdit{DisplayName: text("Bobby"), Email: text("bob@kelvin.example")}); err != nil {
		t.Fatal(err)
	}
	w.askReset(t, "bob@kelvin.example")
	if got := w.deliver(t, &postbox{}); len(got) != 0 {
		t.Fatalf("an admin who only saved the form answers for nothing, but %+v went out", got)
	}
	if _, err := w.EditUser(t.Context(), root, "bob", chat.UserEdit{Email: text("robert@kelvin.example")}); err != nil {
		t.Fatal(err)
	}
	w.askReset(t, "robert@\u212Aelvin.example") // with the sign of the unit
	if got := w.deliver(t, &postbox{}); len(got) != 1 || got[0].To != "robert@kelvin.example" {
		t.Errorf("the mails are %+v", got)
	}
	if _, err := w.EditUser(t.Context(), root, "bob", chat.UserEdit{Email: text("")}); err != nil {
		t.Fatal(err)
	}
	if u, err := w.UserByName(t.Context(), "bob"); err != nil || !u.EmailConfirmedAt.IsZero() {
		t.Errorf("without an address it is still confirmed: %+v, %v", u, err)
	}
	for _, made := range []func() error{
		func() error {
			_, err := w.CreateAccount(t.Context(), root, chat.NewUser{Username: "cid", Email: "cid@example.org", Password: password})
			return err
		},
		func() error {
			_, err := w.CreateUser(t.Context(), chat.NewUser{Username: "dee", Email: "dee@example.org", Password: password})
			return err
		},
	} {
		if err := made(); err != nil {
			t.Fatal(err)
		}
	}
	w.deliver(t, &postbox{}) // that addresses were changed
	for _, name := range []string{"cid", "dee"} {
		if got := w.resetMail(t, name+"@example.org"); got.User.Username != name {
			t.Errorf("%s gets %+v", name, got)
		}
	}
	for _, bad := range []string{"", "  ", "bob", "bob@x\r\nBcc: all@example.org", "a@b.example, c@d.example"} {
		wantKind(t, w.AskReset(t.Context(), bad, ""), chat.Invalid, "email")
	}
}

// Nobody can fill a mailbox, nor end links faster than they can be followed.
func TestResetMailsComeSeldom(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	w.withEmail(t, "alice", "alice@example.org")
	first := w.resetMail(t, "alice@example.org")
	for range 3 {
		w.clock.move(time.Minute)
		w.askReset(t, "alice@example.org")
	}
	if got := w.deliver(t, &postbox{}); len(got) != 0 {
		t.Errorf("more went out: %+v", got)
	}
	if _, err := w.FindReset(t.Context(), first.Token); err != nil {
		t.Error(err)
	}
	w.clock.move(2 * time.Minute)
	second := w.resetMail(t, "alice@example.org")
	_, err := w.FindReset(t.Context(), first.Token)
	wantKind(t, err, chat.NotFound)
	if _, err := w.FindReset(t.Context(), second.Token); err != nil {
		t.Error(err)
	}
}

// Whoever asks, from however many networks and for whatever, an address gets only so much of a kind; links to choose a
// password by aren't kept out by the rest, and somebody else's address isn't either.
func TestMailboxesAreNotFilled(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	root := w.adminOf(t, "root")
	if _, err := w.EditPlace(t.Context(), root, chat.PlaceEdit{SignUp: text(string(chat.SignUpOpen))}); err != nil {
		t.Fatal(err)
	}
	w.withEmail(t, "alice", "alice@example.org")
	signUp := func(username, email string) {
		t.Helper()
		if _, err := w.SignUp(t.Context(), stranger, chat.NewUser{Username: username, Email: email, Password: password}, ""); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		signUp(fmt.Sprint("taker", i), "ALICE@example.org")
		signUp(fmt.Sprint("stranger", i), "nobody.yet@example.org")
	}
	kinds := map[chat.MailKind]int{}
	for _, m := range w.deliver(t, &postbox{}) {
		kinds[m.Kind]++
	}
	if kinds[chat.MailEmailTaken] != 3 || kinds[chat.MailConfirm] != 3 || w.mails(t) != 0 {
		t.Errorf("went out: %v, and %d wait", kinds, w.mails(t))
	}
	first := 0
	for range 12 { // an hour of resetPause
		w.askReset(t, "alice@example.org")
		first += len(w.deliver(t, &postbox{}))
		w.clock.move(5 * time.Minute)
	}
	if first < 3 || first > 6 {
		t.Errorf("%d links in the first hour", first)
	}
	second := 0
	for range 12 {
		w.askReset(t, "alice@example.org")
		second += len(w.deliver(t, &postbox{}))
		w.clock.move(5 * time.Minute)
	}
	if second != 3 {
		t.Errorf("%d links in the hour after", second)
	}
	signUp("somebody", "other@example.org")
	if got := w.deliver(t, &postbox{}); len(got) != 1 || got[0].Kind != chat.MailConfirm {
		t.Errorf("another address gets %+v", got)
	}
	w.clock.move(3 * time.Hour)
	if _, err := w.SweepMail(t.Context()); err != nil || count(t, w.db, "SELECT COUNT(*) FROM mailboxes") != 0 {
		t.Errorf("what is over is kept: %v", err)
	}
}

// A mail that is tried again is the same mail.
func TestTryingAgainFillsNoMailbox(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	w.withEmail(t, "alice", "alice@example.org")
	w.askReset(t, "alice@example.org")
	for i := range 6 {
		if got := w.deliver(t, &postbox{fail: func(chat.Mail) error { return context.DeadlineExceeded }}); len(got) != 1 {
			t.Fatalf("try %d: %+v", i, got)
		}
		mustExec(t, w.db, "UPDATE mails SET due_at = ?", w.clock.Now().UTC())
	}
}

// A mail that was asked for earlier and comes late doesn't end the link of one that was asked for later.
func TestLateMailDoesNotEndANewerLink(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	w.withEmail(t, "alice", "alice@example.org")
	w.askReset(t, "alice@example.org")
	w.deliver(t, &postbox{fail: func(chat.Mail) error { return context.DeadlineExceeded }})
	mustExec(t, w.db, "UPDATE mails SET due_at = ?", w.clock.Now().UTC().Add(10*time.Minute))
	w.clock.move(6 * time.Minute)
	newer := w.resetMail(t, "alice@example.org")
	w.clock.move(5 * time.Minute)
	if got := w.deliver(t, &postbox{}); len(got) != 0 || w.mails(t) != 0 {
		t.Errorf("the older one goes out as %+v", got)
	}
	if _, err := w.FindReset(t.Context(), newer.Token); err != nil {
		t.Error(err)
	}
}

// What is over by the time that a mail is sent isn't sent.
func TestMailThatIsOverIsDropped(t *testing.T) {
	for name, end := range map[string]func(*world, chat.User){
		"disabled":        func(w *world, alice chat.User) { w.disable(t, alice) },
		"another address": func(w *world, alice chat.User) { w.setEmail(t, alice, "new@example.org", true) },
		"gone":            func(w *world, alice chat.User) { mustExec(t, w.db, "DELETE FROM users WHERE id = ?", alice.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice := w.withEmail(t, "alice", "alice@example.org")
			w.askReset(t, "alice@example.org")
			w.deliver(t, &postbox{fail: func(chat.Mail) error { return context.DeadlineExceeded }})
			end(w, alice)
			w.clock.move(time.Hour)
			if got := w.deliver(t, &postbox{}); len(got) != 0 || w.mails(t) != 0 {
				t.Errorf("%+v goes out, %d are left", got, w.mails(t))
			}
		})
	}
}

func TestAdminMakesAResetLink(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	alice := w.people(t, "alice")[0] // without an address
	made, err := w.MakeResetLink(t.Context(), root, "ALICE")
	if err != nil || made.Account.ID != alice.ID || made.Expires.Before(w.clock.Now()) {
		t.Fatalf("%+v: %v", made, err)
	}
	if err := w.ResetPassword(t.Context(), made.Token, "a new password", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Authenticate(t.Context(), "alice", "a new password"); err != nil || w.mails(t) != 0 {
		t.Errorf("%d mails, %v", w.mails(t), err)
	}
	log, err := w.AuditEvents(t.Context(), root, "", 0)
	log.Items = slices.DeleteFunc(log.Items, func(e chat.AuditEvent) bool { return e.Action == chat.AuditSignIn })
	if err != nil || len(log.Items) != 2 || log.Items[1].Action != chat.AuditMakeResetLink || log.Items[1].Subject != "alice" || log.Items[1].Actor != "root" {
		t.Errorf("the log has %+v: %v", log.Items, err)
	}
	_, err = w.MakeResetLink(t.Context(), chat.Actor{User: alice}, "root")
	wantKind(t, err, chat.NotFound)
	_, err = w.MakeResetLink(t.Context(), root, "nobody")
	wantKind(t, err, chat.NotFound)
	w.disable(t, alice)
	_, err = w.MakeResetLink(t.Context(), root, "alice")
	wantKind(t, err, chat.Invalid)
	_, err = w.FindReset(t.Context(), "")
	wantKind(t, err, chat.NotFound)
}
