package chat_test

import (
	"testing"
	"time"

	"parley/db/chat"
)

// remembered gives a session that a Store has looked up just now.
func remembered(t *testing.T, w *world, user chat.User) (token string, session chat.Session) {
	t.Helper()
	token, session, err := w.StartSession(t.Context(), user, chat.Device{})
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, w, token)
	return token, session
}

func wantOpen(t *testing.T, w *world, token string) {
	t.Helper()
	if _, err := w.SessionByToken(t.Context(), token); err != nil {
		t.Errorf("a session that is open: %v", err)
	}
}

func wantEnded(t *testing.T, w *world, token string) {
	t.Helper()
	_, err := w.SessionByToken(t.Context(), token)
	wantKind(t, err, chat.NotFound)
}

// An hour, so that nothing is over by itself.
func elephant(t *testing.T) *world { return newWorldWith(t, chat.Options{RememberFor: time.Hour}) }

func TestSessionEndedHereIsOverAtOnce(t *testing.T) {
	w := elephant(t)
	alice, bob := w.two(t)
	token, session := remembered(t, w, alice)
	other, _ := remembered(t, w, alice)
	bobs, _ := remembered(t, w, bob)
	if err := w.EndSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, w, token)
	wantOpen(t, w, other)
	wantOpen(t, w, bobs)
}

func TestSessionEndedElsewhere(t *testing.T) {
	w := elephant(t)
	alice, bob := w.two(t)
	node := w.restarted(chat.Options{})
	token, session := remembered(t, w, alice)
	other, _ := remembered(t, w, alice)
	third, _ := remembered(t, w, alice)
	bobs, _ := remembered(t, w, bob)
	if err := node.EndSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	wantOpen(t, w, token) // it doesn't know yet
	if open, err := w.SessionOpen(t.Context(), session); open || err != nil {
		t.Errorf("the database says that it is open %t: %v", open, err)
	}
	w.SessionEnded(alice.ID, session.Hash)
	wantEnded(t, w, token)
	mustExec(t, w.db, "DELETE FROM sessions WHERE user_id = ?", alice.ID)
	wantOpen(t, w, other)
	w.SessionEnded(alice.ID, nil)
	wantEnded(t, w, other)
	wantEnded(t, w, third)
	wantOpen(t, w, bobs)
}

// Nobody tells of it: then it is a matter of time.
func TestSessionEndedElsewhereInSilence(t *testing.T) {
	const keep = 300 * time.Millisecond
	w := newWorldWith(t, chat.Options{RememberFor: keep})
	alice, _ := w.two(t)
	token, _ := remembered(t, w, alice)
	began := time.Now()
	mustExec(t, w.db, "DELETE FROM sessions")
	for {
		_, err := w.SessionByToken(t.Context(), token)
		if chat.KindOf(err) == chat.NotFound {
			break
		}
		if err != nil || time.Since(began) > keep+time.Second {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
	}
}

func TestRememberedSessionExpires(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: time.Hour, SessionLifetime: 30 * time.Second})
	w.clock.stop()
	alice, _ := w.two(t)
	token, _ := remembered(t, w, alice)
	w.clock.move(30*time.Second - time.Microsecond)
	wantOpen(t, w, token)
	w.clock.move(time.Microsecond)
	wantEnded(t, w, token)
}

func TestAdminsChangeIsSeenAtOnce(t *testing.T) {
	w := elephant(t)
	alice, bob := w.two(t)
	admin := w.personNamed(t, "root", "Root")
	mustExec(t, w.db, "UPDATE users SET is_admin = TRUE WHERE id = ?", admin.ID)
	actor := chat.Actor{User: admin}
	bobs, _ := remembered(t, w, bob)
	w.send(t, alice, bob, "hello")
	name := "Robert"
	if _, err := w.EditUser(t.Context(), actor, "bob", chat.UserEdit{DisplayName: &name}); err != nil {
		t.Fatal(err)
	}
	if s, err := w.SessionByToken(t.Context(), bobs); err != nil || s.User.DisplayName != name {
		t.Errorf("he is %q: %v", s.User.DisplayName, err)
	}
	if m := w.send(t, alice, bob, "hello"); m.Recipient.DisplayName != name {
		t.Errorf("she wrote to %q", m.Recipient.DisplayName)
	}
	if _, err := w.DisableUser(t.Context(), actor, "bob"); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, w, bobs)
	_, _, err := w.SendMessage(t.Context(), alice, chat.Draft{Recipient: "bob", Body: "hello"})
	wantKind(t, err, chat.Invalid, "recipient")
}

// The first try took effect and its answer was lost: the second one finds nothing to do, and the windows must close.
func TestWindowsCloseThoughTheAnswerToTheCommitWasLost(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, bob := w.two(t)
	root := w.adminOf(t, "root")
	_, session := remembered(t, w, bob)
	for name, end := range map[string]func() error{
		"signing out": func() error { return w.EndSession(t.Context(), session) },
		"disabling":   func() error { _, err := w.DisableUser(t.Context(), root, "bob"); return err },
		"a password": func() error {
			_, err := w.EditUser(t.Context(), root, "alice", chat.UserEdit{Password: "another good one"})
			return err
		},
	} {
		w.events.take()
		line.planFor("COMMIT", 1, loseAfter)
		if err := end(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		told := w.events.take()
		if len(told) != 1 || told[0].Type != chat.EventSessionEnded || (told[0].To != bob.ID && told[0].To != alice.ID) {
			t.Errorf("%s: the windows were told %+v", name, told)
		}
	}
}
