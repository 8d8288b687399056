package chat_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"parley/db/chat"
)

// several signs alice in on several devices, the first of which she acts on.
func several(t *testing.T, n int) (w *world, alice chat.Actor, tokens []string, sessions []chat.Session) {
	t.Helper()
	w = elephant(t)
	user, err := w.CreateUser(t.Context(), chat.NewUser{Username: "alice", Email: "a@example.org", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		token, session := remembered(t, w, user)
		tokens, sessions = append(tokens, token), append(sessions, session)
	}
	w.events.take()
	return w, chat.Actor{User: user, IP: "192.0.2.7"}, tokens, sessions
}

// wantTold compares what the windows were told with a session each, in any order.
func wantTold(t *testing.T, w *world, kind chat.EventType, sessions ...chat.Session) {
	t.Helper()
	var told [][]byte
	for _, e := range w.events.take() {
		if e.Type == kind {
			told = append(told, e.Session)
		} else {
			t.Errorf("the windows were told %+v", e)
		}
	}
	for _, s := range sessions {
		if !slices.ContainsFunc(told, func(hash []byte) bool { return bytes.Equal(hash, s.Hash) }) {
			t.Errorf("the windows of a session were told nothing")
		}
	}
	if len(told) != len(sessions) {
		t.Errorf("%d %s events, want %d", len(told), kind, len(sessions))
	}
}

func wantAudit(t *testing.T, w *world, action chat.AuditAction, n int) {
	t.Helper()
	if got := count(t, w.db, "SELECT COUNT(*) FROM audit_events WHERE action = ? AND ip = '192.0.2.7' AND actor_id = subject_id", action); got != n {
		t.Errorf("the log has %s %d times, want %d", action, got, n)
	}
}

func TestChangePassword(t *testing.T) {
	w, alice, tokens, sessions := several(t, 3)
	token, session, err := w.ChangePassword(t.Context(), alice, sessions[0], chat.PasswordChange{Current: password, Password: "tall beans and a heron"})
	if err != nil {
		t.Fatal(err)
	}
	for _, stale := range tokens {
		wantEnded(t, w, stale)
	}
	wantOpen(t, w, token)
	if found, err := w.SessionByToken(t.Context(), token); err != nil || !bytes.Equal(found.Hash, session.Hash) || found.User.ID != alice.User.ID || !found.ExpiresAt.Equal(session.ExpiresAt) {
		t.Errorf("the session is %+v, not %+v: %v", found, session, err)
	}
	moved := 0
	events := w.events.take()
	for _, e := range events {
		if e.Type == chat.EventSessionMoved && bytes.Equal(e.Session, sessions[0].Hash) {
			moved++
		}
	}
	if moved != 1 || len(events) != 3 {
		t.Errorf("the windows were told %+v", events)
	}
	wantAudit(t, w, chat.AuditChangePassword, 1)
	_, err = w.Authenticate(t.Context(), "alice", password)
	wantKind(t, err, chat.Denied)
	if _, err := w.Authenticate(t.Context(), "alice", "tall beans and a heron"); err != nil {
		t.Error(err)
	}
}

func TestChangePasswordRefused(t *testing.T) {
	w, alice, tokens, sessions := several(t, 2)
	hash := storedHash(t, w, "alice")
	for _, c := range []struct {
		given  chat.PasswordChange
		fields []string
	}{
		{chat.PasswordChange{Current: "wrong horse", Password: "tall beans and a heron"}, []string{"current_password"}},
		{chat.PasswordChange{Password: "tall beans and a heron"}, []string{"current_password"}},
		{chat.PasswordChange{Current: password, Password: "short"}, []string{"password"}},
		{chat.PasswordChange{Current: password, Password: "sunshine"}, []string{"password"}},
		{chat.PasswordChange{Current: password, Password: "a@example.org"}, []string{"password"}},
		{chat.PasswordChange{}, []string{"current_password", "password"}},
	} {
		_, _, err := w.ChangePassword(t.Context(), alice, sessions[0], c.given)
		wantKind(t, err, chat.Invalid, c.fields...)
	}
	for _, token := range tokens {
		wantOpen(t, w, token)
	}
	if storedHash(t, w, "alice") != hash || len(w.events.take()) > 0 {
		t.Error("something was changed")
	}
	wantAudit(t, w, chat.AuditWrongPassword, 3)
	wantAudit(t, w, chat.AuditChangePassword, 0)
}

// Somebody whose session an admin ends just now, or another device does, doesn't come back by it.
func TestChangePasswordInASessionThatHasEnded(t *testing.T) {
	w, alice, _, sessions := several(t, 2)
	hash := storedHash(t, w, "alice")
	mustExec(t, w.db, "DELETE FROM sessions WHERE id_hash = ?", sessions[0].Hash)
	_, _, err := w.ChangePassword(t.Context(), alice, sessions[0], chat.PasswordChange{Current: password, Password: "tall beans and a heron"})
	wantKind(t, err, chat.Denied)
	_, err = w.ChangeEmail(t.Context(), alice, sessions[0], chat.EmailChange{Current: password, Email: "new@example.org"})
	wantKind(t, err, chat.Denied)
	if user, err := w.Profile(t.Context(), alice); err != nil || user.Email != "a@example.org" {
		t.Errorf("the address is now %q: %v", user.Email, err)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM sessions"); n != 1 || storedHash(t, w, "alice") != hash {
		t.Errorf("%d sessions are left, or the password was changed", n)
	}
}

// The first try took effect and its answer was lost.
func TestChangePasswordWhenTheAnswerToTheCommitIsLost(t *testing.T) {
	w, line := newWired(t, asItIs)
	user, err := w.CreateUser(t.Context(), chat.NewUser{Username: "alice", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	_, here := remembered(t, w, user)
	other, _ := remembered(t, w, user)
	line.planFor("COMMIT", 1, loseAfter)
	token, _, err := w.ChangePassword(t.Context(), chat.Actor{User: user, IP: "192.0.2.7"}, here, chat.PasswordChange{Current: password, Password: "tall beans and a heron"})
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, w, token)
	wantEnded(t, w, other)
	if n := len(w.events.take()); n != 2 {
		t.Errorf("%d events, want one for each session", n)
	}
	wantAudit(t, w, chat.AuditChangePassword, 1)
}

// Two devices at the same time: one of them wins, and the other is out.
func TestChangePasswordOnTwoDevicesAtOnce(t *testing.T) {
	w, alice, _, sessions := several(t, 2)
	errs := make([]error, 2)
	together(2, func(i int) {
		_, _, errs[i] = w.ChangePassword(t.Context(), alice, sessions[i], chat.PasswordChange{Current: password, Password: "tall beans and a heron"})
	})
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("the answers are %v and %v", errs[0], errs[1])
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM sessions"); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestChangeEmail(t *testing.T) {
	w, alice, tokens, sessions := several(t, 3)
	if _, err := w.CreateUser(t.Context(), chat.NewUser{Username: "bob", Email: "bob@example.org", Password: password}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		given chat.EmailChange
		field string
	}{
		{chat.EmailChange{Current: "wrong horse", Email: "new@example.org"}, "current_password"},
		{chat.EmailChange{Current: password, Email: "nobody"}, "email"},
	} {
		_, err := w.ChangeEmail(t.Context(), alice, sessions[0], c.given)
		wantKind(t, err, chat.Invalid, c.field)
	}
	if own, err := w.ChangeEmail(t.Context(), alice, sessions[0], chat.EmailChange{Current: password, Email: " a@example.org "}); err != nil || own.User.Email != "a@example.org" || own.Wanted != "" {
		t.Errorf("the same address: %+v, %v", own, err)
	}
	for _, token := range tokens {
		wantOpen(t, w, token)
	}
	wantTold(t, w, chat.EventSessionEnded)
	own, err := w.ChangeEmail(t.Context(), alice, sessions[0], chat.EmailChange{Current: password, Email: "new@example.org"})
	if err != nil || own.User.Email != "a@example.org" || own.Wanted != "new@example.org" {
		t.Fatalf("%+v, %v", own, err)
	}
	wantOpen(t, w, tokens[0])
	wantEnded(t, w, tokens[1])
	wantEnded(t, w, tokens[2])
	wantTold(t, w, chat.EventSessionEnded, sessions[1:]...)
	wantAudit(t, w, chat.AuditWantEmail, 1)
	if own, err = w.ChangeEmail(t.Context(), alice, sessions[0], chat.EmailChange{Current: password, Email: "A@Example.org"}); err != nil || own.User.Email != "A@Example.org" || own.Wanted != "" {
		t.Errorf("in other letters: %+v, %v", own, err)
	}
	if own, err = w.ChangeEmail(t.Context(), alice, sessions[0], chat.EmailChange{Current: password}); err != nil || own.User.Email != "" {
		t.Errorf("no address: %+v, %v", own, err)
	}
	wantAudit(t, w, chat.AuditChangeEmail, 2)
}

// Whoever gives an address for their account can't find out whether it is somebody's, nor keep it from whoever has its mail.
func TestChangeEmailTellsNothingOfAddresses(t *testing.T) {
	w, alice, _, sessions := several(t, 1)
	w.withEmail(t, "bob", "bob@example.org")
	squatter := w.people(t, "squatter")[0]
	w.setEmail(t, squatter, "squatted@example.org", false)
	for _, c := range []struct {
		email, to string
		kind      chat.MailKind
	}{
		{"BOB@Example.org", "bob@example.org", chat.MailEmailTaken},
		{"free@example.org", "free@example.org", chat.MailConfirm},
		{"Squatted@example.org", "Squatted@example.org", chat.MailConfirm},
	} {
		ask := func(what string, ask func() error) chat.Mail {
			t.Helper()
			if err := ask(); err != nil {
				t.Fatalf("%s, %s: %v", c.email, what, err)
			}
			got := w.deliver(t, &postbox{})
			if len(got) != 1 || got[0].To != c.to || got[0].Kind != c.kind {
				t.Fatalf("%s, %s: the mail is %+v", c.email, what, got)
			}
			return got[0]
		}
		wantWanted := func(when, want string) {
			t.Helper()
			if own, err := w.OwnEmail(t.Context(), alice); err != nil || own.Wanted != want {
				t.Errorf("%s: %s she is to have %q: %v", c.email, when, own.Wanted, err)
			}
		}
		mail := ask("at first", func() error {
			own, err := w.ChangeEmail(t.Context(), alice, sessions[0], chat.EmailChange{Current: password, Email: c.email})
			if own.Wanted != c.email {
				t.Errorf("%s: she is to have %q", c.email, own.Wanted)
			}
			return err
		})
		wantKind(t, w.AskConfirmation(t.Context(), alice), chat.Invalid, "email") // just now
		w.clock.move(6 * time.Minute)
		wantWanted("after a while", c.email)
		mail2 := ask("again", func() error { return w.AskConfirmation(t.Context(), alice) })
		if c.kind == chat.MailConfirm {
			_, err := w.Confirm(t.Context(), mail.Token, "")
			wantKind(t, err, chat.NotFound)
			if _, err := w.Confirm(t.Context(), mail2.Token, ""); err != nil {
				t.Error(err)
			}
			wantWanted("after the confirmation", "")
			w.deliver(t, &postbox{}) // to the address so far
			continue
		}
		w.clock.move(24 * time.Hour)
		wantWanted("after a day", "")
	}
	if u, err := w.UserByName(t.Context(), "squatter"); err != nil || u.Email != "" {
		t.Errorf("the squatter has %q: %v", u.Email, err)
	}
}

// Whoever changes what signing in rests on is told where they were reached so far; a new address is asked for itself.
func TestOwnChangesAreToldByMail(t *testing.T) {
	w, alice, _, sessions := several(t, 1)
	mustExec(t, w.db, "UPDATE users SET email_confirmed_at = NOW(6)")
	wantMail := func(kind chat.MailKind, to string) {
		t.Helper()
		if n := count(t, w.db, "SELECT COUNT(*) FROM mails WHERE kind = ? AND email = ?", kind, to); n != 1 {
			t.Errorf("%d mails of the kind %s go to %s", n, kind, to)
		}
	}
	_, session, err := w.ChangePassword(t.Context(), alice, sessions[0], chat.PasswordChange{Current: password, Password: "tall beans and a heron"})
	if err != nil {
		t.Fatal(err)
	}
	wantMail(chat.MailPasswordChanged, "a@example.org")
	change := chat.EmailChange{Current: "tall beans and a heron", Email: "b@example.org"}
	if _, err := w.ChangeEmail(t.Context(), alice, session, change); err != nil {
		t.Fatal(err)
	}
	wantMail(chat.MailConfirm, "b@example.org")
	if n := count(t, w.db, "SELECT COUNT(*) FROM users WHERE email = 'a@example.org' AND email_confirmed_at IS NOT NULL"); n != 1 {
		t.Error("an address is theirs that nobody has confirmed")
	}
	for _, mail := range w.deliver(t, &postbox{}) {
		if mail.Kind == chat.MailConfirm {
			if _, err := w.Confirm(t.Context(), mail.Token, ""); err != nil {
				t.Error(err)
			}
		}
	}
	wantMail(chat.MailEmailChanged, "a@example.org")
}
