package chat_test

import (
	"context"
	"fmt"
	"testing"

	"parley/db/chat"
)

func TestSetUp(t *testing.T) {
	w := newWorld(t)
	w.people(t, "alice") // somebody who is no admin
	old, err := w.OpenSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.restarted(chat.Options{}).OpenSetup(t.Context())
	if err != nil || len(token) < 22 || token == old {
		t.Fatalf("the next start gives %q after %q: %v", token, old, err)
	}
	for _, wrong := range []string{old, "", "abc", token + "x"} {
		wantKind(t, w.CheckSetup(t.Context(), wrong), chat.NotFound)
		_, err := w.SetUp(t.Context(), stranger, wrong, "Here", chat.NewUser{Username: "mallory", Password: password})
		wantKind(t, err, chat.NotFound)
	}
	_, err = w.SetUp(t.Context(), stranger, token, " ", chat.NewUser{Username: "a b", Password: "short", Email: "x", DisplayName: "\u202e"})
	wantKind(t, err, chat.Invalid, "display_name", "email", "name", "password", "username")
	_, err = w.SetUp(t.Context(), stranger, token, "Here", chat.NewUser{Username: "ALICE", Password: password})
	wantKind(t, err, chat.Invalid, "username") // and the link still works
	wantKind(t, w.CheckSetup(t.Context(), token), 0)
	user, err := w.SetUp(t.Context(), stranger, token, "Our place", chat.NewUser{Username: "admin", Email: "a@example.org", Password: password})
	if err != nil || !user.IsAdmin || user.Username != "admin" || user.Email != "a@example.org" {
		t.Fatalf("%+v: %v", user, err)
	}
	if got := w.deliver(t, &postbox{}); len(got) != 1 || got[0].Kind != chat.MailConfirm || got[0].To != "a@example.org" || !user.EmailConfirmedAt.IsZero() {
		t.Errorf("the mail is %+v", got)
	}
	if place, err := w.Place(t.Context()); err != nil || place.Name != "Our place" {
		t.Errorf("the place is %+v: %v", place, err)
	}
	if e := w.lastEvent(t, chat.Actor{User: user}); e.Action != chat.AuditSetUp || e.Actor != "admin" || e.IP != stranger.IP {
		t.Errorf("the log has %+v", e)
	}
	wantKind(t, w.CheckSetup(t.Context(), token), chat.NotFound)
	if again, err := w.OpenSetup(t.Context()); again != "" || err != nil {
		t.Errorf("with an admin a start gives %q: %v", again, err)
	}
}

// An admin who was made in another way ends the link.
func TestSetUpIsOverWithAnyAdmin(t *testing.T) {
	w := newWorld(t)
	token, err := w.OpenSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root := w.adminOf(t, "root")
	wantKind(t, w.CheckSetup(t.Context(), token), chat.NotFound)
	w.disable(t, root.User)
	wantKind(t, w.CheckSetup(t.Context(), token), 0) // nobody can administer the place again
	mustExec(t, w.db, "UPDATE users SET disabled_at = NULL")
	if _, err := w.OpenSetup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM setup_links"); n != 0 {
		t.Errorf("%d links are left", n)
	}
}

func TestTwoSetUpsAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	token, err := w.OpenSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 4)
	together(len(errs), func(i int) {
		_, errs[i] = w.SetUp(context.Background(), stranger, token, "Here", chat.NewUser{Username: fmt.Sprint("first", i), Password: password})
	})
	made := 0
	for _, err := range errs {
		switch chat.KindOf(err) {
		case 0:
			made++
		case chat.Conflict, chat.NotFound: // NotFound where the other one was done before this one began
		default:
			t.Error(err)
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM users"); made != 1 || n != 1 {
		t.Errorf("%d were made, and there are %d", made, n)
	}
}
