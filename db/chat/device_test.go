package chat_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"parley/db/chat"
	"parley/queries"
)

func openNames(page chat.Page[chat.OpenSession]) (names []string) {
	for _, o := range page.Items {
		names = append(names, o.Name)
	}
	return names
}

func TestOpenSessions(t *testing.T) {
	w, alice, token, _ := signedIn(t)
	bob := w.personNamed(t, "bobby", "Bobby")
	w.clock.move(time.Minute)
	_, desk, err := w.StartSession(t.Context(), alice, chat.Device{UserAgent: "curl/8.5.0", IP: "192.0.2.8"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.StartSession(t.Context(), bob, chat.Device{}); err != nil {
		t.Fatal(err)
	}
	w.clock.move(time.Minute)
	here, err := w.SessionByToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	page, err := w.OpenSessions(t.Context(), chat.Actor{User: alice}, here, "", 0)
	if err != nil || len(page.Items) != 2 || page.Next != "" {
		t.Fatalf("%+v, %v", page, err)
	}
	now := w.clock.Now().UTC().Truncate(time.Microsecond)
	want := []chat.OpenSession{
		{Name: nameOf(desk), Device: chat.Device{UserAgent: "curl/8.5.0", IP: "192.0.2.8"}, SignedInAt: now.Add(-time.Minute), SeenAt: now.Add(-time.Minute), ExpiresAt: desk.ExpiresAt},
		{Name: nameOf(here), Device: chat.Device{UserAgent: "Firefox", IP: "192.0.2.7"}, SignedInAt: now.Add(-2 * time.Minute), SeenAt: now, ExpiresAt: now.Add(lifetime), Current: true},
	}
	if !slices.Equal(page.Items, want) {
		t.Errorf("they are\n%+v, want\n%+v", page.Items, want)
	}
	w.clock.move(lifetime - time.Minute) // that of the desk has expired
	page, err = w.OpenSessions(t.Context(), chat.Actor{User: alice}, here, "", 0)
	if err != nil || !slices.Equal(openNames(page), []string{nameOf(here)}) {
		t.Errorf("then they are %+v, %v", page, err)
	}
}

// nameOf says what a session is called, and is no part of its hash.
func nameOf(s chat.Session) string {
	sum := sha256.Sum256(s.Hash)
	return hex.EncodeToString(sum[:16])
}

func TestOpenSessionsArePaged(t *testing.T) {
	w, alice, _, here := signedIn(t)
	now := w.clock.Now().UTC().Truncate(time.Microsecond)
	for i := range 24 {
		hash := sha256.Sum256([]byte{byte(i)})
		made := now.Add(-time.Duration(i/5) * time.Second) // several in the same microsecond
		p := queries.CreateSessionParams{IDHash: hash[:], UserID: alice.ID, CreatedAt: made, SeenAt: made, ExpiresAt: now.Add(time.Hour)}
		if err := w.q.CreateSession(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := w.OpenSessions(t.Context(), chat.Actor{User: alice}, here, "", 100)
	if err != nil || len(whole.Items) != 25 {
		t.Fatalf("%d sessions, %v", len(whole.Items), err)
	}
	var paged []string
	for after := ""; ; {
		page, err := w.OpenSessions(t.Context(), chat.Actor{User: alice}, here, after, 4)
		if err != nil {
			t.Fatal(err)
		}
		paged = append(paged, openNames(page)...)
		if after = page.Next; after == "" {
			break
		}
	}
	if !slices.Equal(paged, openNames(whole)) {
		t.Errorf("the pages hold\n%q, want\n%q", paged, openNames(whole))
	}
	for _, damaged := range []string{"!", "eA", "OTk5OTk5OTk5OTk5OTk5OTk5OQ", "LTE"} {
		_, err := w.OpenSessions(t.Context(), chat.Actor{User: alice}, here, damaged, 4)
		wantKind(t, err, chat.Malformed, "after")
	}
}

func TestEndOwnSession(t *testing.T) {
	w, alice, tokens, sessions := several(t, 3)
	bob := w.personNamed(t, "bobby", "Bobby")
	bobs, theirs := remembered(t, w, bob)
	for _, name := range []string{nameOf(theirs), "", "nothing", hex.EncodeToString(sessions[1].Hash), hex.EncodeToString(sessions[1].Hash)[:32], string(sessions[1].Hash), tokens[1], "%"} {
		wantKind(t, w.EndOwnSession(t.Context(), alice, name), chat.NotFound)
	}
	wantOpen(t, w, bobs)
	if err := w.EndOwnSession(t.Context(), alice, nameOf(sessions[1])); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, w, tokens[1])
	wantOpen(t, w, tokens[0])
	wantOpen(t, w, tokens[2])
	wantTold(t, w, chat.EventSessionEnded, sessions[1])
	wantAudit(t, w, chat.AuditEndSession, 1)
	wantKind(t, w.EndOwnSession(t.Context(), alice, nameOf(sessions[1])), chat.NotFound)
}

func TestEndOwnSessionWhenTheAnswerToTheCommitIsLost(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, _ := w.two(t)
	token, session := remembered(t, w, alice)
	line.planFor("COMMIT", 1, loseAfter)
	if err := w.EndOwnSession(t.Context(), chat.Actor{User: alice}, nameOf(session)); err != nil {
		t.Error(err)
	}
	wantEnded(t, w, token)
	wantTold(t, w, chat.EventSessionEnded, session)
}

func TestEndOtherSessions(t *testing.T) {
	w, alice, tokens, sessions := several(t, 3)
	bobs, _ := remembered(t, w, w.personNamed(t, "bobby", "Bobby"))
	for range 2 {
		if err := w.EndOtherSessions(t.Context(), alice, sessions[0]); err != nil {
			t.Fatal(err)
		}
	}
	wantOpen(t, w, tokens[0])
	wantOpen(t, w, bobs)
	wantEnded(t, w, tokens[1])
	wantEnded(t, w, tokens[2])
	wantTold(t, w, chat.EventSessionEnded, sessions[1:]...)
	wantAudit(t, w, chat.AuditEndOthers, 2)
	if err := w.EndOtherSessions(t.Context(), alice, chat.Session{}); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, w, tokens[0])
}

// Of so many the windows aren't told one by one.
func TestEndVeryManySessions(t *testing.T) {
	w, alice, tokens, sessions := several(t, 1)
	for i := range chat.MaxTold + 5 {
		hash := sha256.Sum256([]byte{byte(i), 1})
		if err := w.q.CreateSession(t.Context(), queries.CreateSessionParams{IDHash: hash[:], UserID: alice.User.ID, CreatedAt: time.Now(), SeenAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.EndOtherSessions(t.Context(), alice, sessions[0]); err != nil {
		t.Fatal(err)
	}
	wantTold(t, w, chat.EventSessionEnded, chat.Session{})
	wantOpen(t, w, tokens[0])
	if n := count(t, w.db, "SELECT COUNT(*) FROM sessions"); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}

// However much it is used, a session ends some time after the sign-in: in the database's eyes, by what is remembered, and
// for windows.
func TestSessionIsNeverOlderThan(t *testing.T) {
	const atMost = 25 * time.Hour
	for _, remember := range []time.Duration{-1, 1000 * time.Hour} {
		w := newWorldWith(t, chat.Options{SessionLifetime: lifetime, SessionAtMost: atMost, RememberFor: remember})
		w.clock.stop()
		alice, _ := w.two(t)
		began := w.clock.Now().UTC().Truncate(time.Microsecond)
		token, session := remembered(t, w, alice)
		for range 3 {
			w.clock.move(8 * time.Hour)
			wantOpen(t, w, token)
		}
		if found, err := w.SessionByToken(t.Context(), token); err != nil || !found.ExpiresAt.Equal(began.Add(atMost)) {
			t.Errorf("it expires %v after the sign-in: %v", found.ExpiresAt.Sub(began), err)
		}
		w.clock.move(time.Hour - time.Microsecond)
		wantOpen(t, w, token)
		w.clock.move(time.Microsecond)
		wantEnded(t, w, token)
		if ended, err := w.EndedSessions(t.Context(), [][]byte{session.Hash}); err != nil || len(ended) != 1 {
			t.Errorf("of its windows %d are to close: %v", len(ended), err)
		}
	}
}

// A setting that comes later, or gets shorter, holds for the sessions that there are.
func TestSessionAgeIsBoundForOldSessionsToo(t *testing.T) {
	w := newWorldWith(t, chat.Options{SessionAtMost: -1})
	alice, _ := w.two(t)
	token, session := remembered(t, w, alice)
	w.clock.move(20 * 24 * time.Hour)
	wantOpen(t, w, token)
	strict := w.restarted(chat.Options{SessionAtMost: 14 * 24 * time.Hour, Now: w.clock.Now})
	wantEnded(t, strict, token)
	if ended, err := strict.EndedSessions(t.Context(), [][]byte{session.Hash}); err != nil || len(ended) != 1 {
		t.Errorf("of its windows %d are to close: %v", len(ended), err)
	}
	if page, err := strict.OpenSessions(t.Context(), chat.Actor{User: alice}, session, "", 0); err != nil || len(page.Items) != 0 {
		t.Errorf("open are %+v, %v", page.Items, err)
	}
	wantKind(t, strict.EndOwnSession(t.Context(), chat.Actor{User: alice}, nameOf(session)), chat.NotFound)
	strict = w.restarted(chat.Options{SessionAtMost: 30 * time.Second, RememberFor: time.Hour, Now: w.clock.Now})
	young, _ := remembered(t, w, alice)
	wantOpen(t, strict, young)
	w.clock.move(31 * time.Second)
	wantEnded(t, strict, young)
	for range 30 {
		w.clock.move(20 * 24 * time.Hour) // 20 months, where there is no such bound
		wantOpen(t, w, token)
	}
}

func TestDeviceInWords(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0":                                                                     "Firefox 145 on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                            "Chrome 142 on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":              "Edge 142 on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15":                      "Safari 18 on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1":    "Safari 18 on iPhone",
		"Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.7444.60 Mobile/15E148 Safari/604.1":      "Chrome 142 on iPad",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36":                            "Chrome 142 on Android",
		"Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36": "Samsung Internet 26 on Android",
		"Mozilla/5.0 (Android 14; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0":                                                                       "Firefox 145 on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                             "Chrome 142 on ChromeOS",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 OPR/126.0.0.0":              "Opera 126 on Windows",
		"Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko":                                                                      "Internet Explorer on Windows",
		"curl/8.5.0":           "curl/8.5.0",
		"Go-http-client/1.1":   "Go-http-client/1.1",
		"python-requests/2.31": "python-requests/2.31",
		"":                     "An unknown program",
		"  \t":                 "An unknown program",
		"something <b>odd":     "something",
	} {
		if got := (chat.Device{UserAgent: agent}).String(); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}
