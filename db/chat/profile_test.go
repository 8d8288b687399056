package chat_test

import (
	"strings"
	"testing"

	"parley/db/chat"
)

func TestEditProfile(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	self := chat.Actor{User: alice, IP: "192.0.2.1"}
	edit := func(about, zone *string) (chat.Profile, error) {
		return w.EditProfile(t.Context(), self, chat.ProfileEdit{About: about, TimeZone: zone})
	}
	longest := strings.Repeat("🙂", 160)
	for about, want := range map[string]string{" two \n words\t": "two words", longest: longest, "": "", "مرحبا بالعالم": "مرحبا بالعالم"} {
		p, err := edit(&about, nil)
		wantKind(t, err, 0)
		if stored, _ := w.ProfileOf(t.Context(), "ALICE"); p.About != want || stored.About != want {
			t.Errorf("%.20q becomes %.20q, stored as %.20q", about, p.About, stored.About)
		}
	}
	for _, about := range []string{strings.Repeat("x", 161), "turned \u202e around", "isolated \u2066 text", "a\x00b", "a\x1bb"} {
		_, err := edit(&about, nil)
		wantKind(t, err, chat.Invalid, "about")
	}
	for zone, known := range map[string]bool{"Europe/Berlin": true, "": true, "Asia/Calcutta": true, "Local": false, "Mars/Olympus": false, "../etc/passwd": false, "Europe/../UTC": false} {
		p, err := edit(nil, &zone)
		if known && (err != nil || p.TimeZone != zone) || !known && chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s: %q, %v", zone, p.TimeZone, err)
		}
	}
	before := count(t, w.db, "SELECT COUNT(*) FROM audit_events")
	if _, err := edit(nil, nil); err != nil || count(t, w.db, "SELECT COUNT(*) FROM audit_events") != before {
		t.Errorf("an edit of nothing is written down: %v", err)
	}
}

// Whatever is remembered of how pages look to somebody, they see at once what they have set.
func TestLooksFollowTheProfile(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	looks := func() (zone string) {
		t.Helper()
		l, err := w.Looks(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		if l.TimeZone != nil {
			zone = l.TimeZone.String()
		}
		return zone + " " + string(l.Photo)
	}
	if got := looks(); got != " " {
		t.Errorf("at first: %q", got)
	}
	zone := "Asia/Tokyo"
	if _, err := w.EditProfile(t.Context(), chat.Actor{User: alice}, chat.ProfileEdit{TimeZone: &zone}); err != nil || looks() != "Asia/Tokyo " {
		t.Errorf("then: %q, %v", looks(), err)
	}
	u, err := w.SetPhoto(t.Context(), chat.Actor{User: alice}, chat.Picture{ContentType: "image/png", Small: []byte("s"), Large: []byte("l")})
	if err != nil || looks() != "Asia/Tokyo "+string(u.Photo) {
		t.Errorf("with a photo: %q, %v", looks(), err)
	}
}

func TestPhotos(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	alice, bob := w.two(t)
	w.send(t, alice, bob, "hi")
	one := chat.Picture{ContentType: "image/jpeg", Small: []byte("small"), Large: []byte("\xff\xd8\x00large")}
	set := func(u chat.User, p chat.Picture) chat.PhotoID {
		t.Helper()
		changed, err := w.SetPhoto(t.Context(), chat.Actor{User: u}, p)
		if err != nil || changed.Photo == "" {
			t.Fatalf("%q, %v", changed.Photo, err)
		}
		return changed.Photo
	}
	first := set(alice, one)
	if again := set(alice, one); again != first {
		t.Errorf("the same photo is now %q, was %q", again, first)
	}
	if bobs := set(bob, one); bobs == first {
		t.Error("two people have the same photo")
	}
	got, err := w.Photo(t.Context(), first)
	if err != nil || string(got.Small) != "small" || string(got.Large) != string(one.Large) || got.ContentType != one.ContentType {
		t.Errorf("%+v, %v", got, err)
	}
	w.wantPhotos(t, bob, alice, first)
	second := set(alice, chat.Picture{ContentType: "image/png", Small: []byte("s"), Large: []byte("l")})
	if _, err := w.Photo(t.Context(), first); chat.KindOf(err) != chat.NotFound || second == first {
		t.Errorf("the photo before is still there: %v", err)
	}
	w.wantPhotos(t, bob, alice, second)
	if _, err := w.RemovePhoto(t.Context(), chat.Actor{User: alice}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RemovePhoto(t.Context(), chat.Actor{User: alice}); err != nil {
		t.Errorf("removing none: %v", err)
	}
	w.wantPhotos(t, bob, alice, "")
	for _, id := range []chat.PhotoID{second, "", "x", "../../etc", chat.PhotoID(strings.Repeat("A", 43))} {
		if _, err := w.Photo(t.Context(), id); chat.KindOf(err) != chat.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM photos"); n != 1 {
		t.Errorf("%d photos are stored, want bob's alone", n)
	}
}

// wantPhotos looks in every list that shows somebody.
func (w *world) wantPhotos(t *testing.T, viewer, of chat.User, want chat.PhotoID) {
	t.Helper()
	list, err1 := w.Conversations(t.Context(), viewer, chat.ConversationQuery{})
	people, err2 := w.Users(t.Context(), viewer, chat.UserQuery{})
	thread, err3 := w.Thread(t.Context(), viewer, of.Username, chat.ThreadQuery{})
	one, err4 := w.ProfileOf(t.Context(), of.Username)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		t.Fatal(err1, err2, err3, err4)
	}
	for where, got := range map[string]chat.PhotoID{
		"conversations": list.Items[0].With.Photo, "people": people.Items[0].Photo, "thread": thread.Conversation.With.Photo, "profile": one.Photo,
	} {
		if got != want {
			t.Errorf("%s: the photo is %q, want %q", where, got, want)
		}
	}
}
