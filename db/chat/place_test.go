package chat_test

import (
	"strings"
	"testing"
	"time"

	"parley/db/chat"
)

// adminOf makes an admin.
func (w *world) adminOf(t *testing.T, username string) chat.Actor {
	t.Helper()
	user := w.people(t, username)[0]
	mustExec(t, w.db, "UPDATE users SET is_admin = TRUE WHERE id = ?", user.ID)
	user.IsAdmin = true
	return chat.Actor{User: user, IP: "192.0.2.1"}
}

func text(s string) *string { return &s }

func TestPlace(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: time.Hour})
	root := w.adminOf(t, "root")
	want := chat.Place{Name: "Parley"}
	if p, err := w.Place(t.Context()); p != want || err != nil {
		t.Errorf("at first it is %+v: %v", p, err)
	}
	p, err := w.EditPlace(t.Context(), root, chat.PlaceEdit{Name: text("  Our   place ")})
	want.Name = "Our place"
	if p != want || err != nil {
		t.Errorf("it is made %+v: %v", p, err)
	}
	for name, store := range map[string]*world{"this Store": w, "another one": w.restarted(chat.Options{})} {
		if p, err := store.Place(t.Context()); p != want || err != nil {
			t.Errorf("%s has %+v: %v", name, p, err)
		}
	}
	if _, err := w.EditPlace(t.Context(), root, chat.PlaceEdit{Name: text("Our place")}); err != nil {
		t.Error(err)
	}
	log, err := w.AuditEvents(t.Context(), root, "", 0)
	if err != nil || len(log.Items) != 1 || log.Items[0].Detail != "name: Our place" || log.Items[0].Action != chat.AuditSetPlace {
		t.Errorf("the log has %+v: %v", log.Items, err)
	}
}

func TestPlaceRefusals(t *testing.T) {
	w := newWorld(t)
	root, alice := w.adminOf(t, "root"), w.people(t, "alice")[0]
	for field, edits := range map[string][]chat.PlaceEdit{
		"name": {{Name: text("")}, {Name: text(" \u200b ")}, {Name: text(strings.Repeat("x", 65))}, {Name: text("a\u202eb")}},
	} {
		for _, e := range edits {
			_, err := w.EditPlace(t.Context(), root, e)
			wantKind(t, err, chat.Invalid, field)
		}
	}
	_, err := w.EditPlace(t.Context(), chat.Actor{User: alice}, chat.PlaceEdit{Name: text("Mine")})
	wantKind(t, err, chat.NotFound)
	if n := count(t, w.db, "SELECT COUNT(*) FROM settings"); n != 0 {
		t.Errorf("%d settings were written", n)
	}
}

func TestOwnProfile(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: time.Hour})
	alice, bob := w.two(t)
	token, _ := remembered(t, w, alice)
	w.send(t, bob, alice, "hello")
	actor := chat.Actor{User: alice}
	u, err := w.EditProfile(t.Context(), actor, chat.ProfileEdit{DisplayName: text(" Alice  Archer ")})
	if err != nil || u.DisplayName != "Alice Archer" {
		t.Errorf("%+v: %v", u, err)
	}
	if s, err := w.SessionByToken(t.Context(), token); err != nil || s.User.DisplayName != "Alice Archer" {
		t.Errorf("her session has %q: %v", s.User.DisplayName, err)
	}
	if m := w.send(t, bob, alice, "hello"); m.Recipient.DisplayName != "Alice Archer" {
		t.Errorf("bob writes to %q", m.Recipient.DisplayName)
	}
	if found, err := w.Users(t.Context(), bob, chat.UserQuery{Search: "archer"}); err != nil || len(found.Items) != 1 {
		t.Errorf("the directory finds %+v: %v", found, err)
	}
	if u, err := w.EditProfile(t.Context(), actor, chat.ProfileEdit{}); err != nil || u.DisplayName != "Alice Archer" {
		t.Errorf("nothing to change: %+v: %v", u, err)
	}
	if u, err := w.EditProfile(t.Context(), actor, chat.ProfileEdit{DisplayName: text("")}); err != nil || u.DisplayName != "alice" {
		t.Errorf("without one: %+v: %v", u, err)
	}
	_, err = w.EditProfile(t.Context(), actor, chat.ProfileEdit{DisplayName: text("a\nb\u202e")})
	wantKind(t, err, chat.Invalid, "display_name")
	w.disable(t, alice)
	_, err = w.EditProfile(t.Context(), actor, chat.ProfileEdit{DisplayName: text("Ghost")})
	wantKind(t, err, chat.NotFound)
	if u, err := w.Profile(t.Context(), actor); err != nil || u.DisplayName != "alice" {
		t.Errorf("%+v: %v", u, err)
	}
}
