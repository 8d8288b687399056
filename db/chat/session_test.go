package chat_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
	"parley/queries"
)

const lifetime = 10 * time.Hour

// signedIn gives a world whose clock stands still, and a session in it.
func signedIn(t *testing.T) (*world, chat.User, string, chat.Session) {
	t.Helper()
	w := newWorldWith(t, chat.Options{SessionLifetime: lifetime})
	w.clock.stop()
	alice, _ := w.two(t)
	token, session, err := w.StartSession(t.Context(), alice, chat.Device{UserAgent: "Firefox", IP: "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	return w, alice, token, session
}

func TestSessionHoldsItsUser(t *testing.T) {
	w, alice, token, session := signedIn(t)
	if session.User != alice || session.Renewed || !session.ExpiresAt.Equal(w.clock.Now().Truncate(time.Microsecond).Add(lifetime)) {
		t.Errorf("%+v", session)
	}
	found, err := w.SessionByToken(t.Context(), token)
	if err != nil || found.User.ID != alice.ID || !bytes.Equal(found.Hash, session.Hash) || !found.ExpiresAt.Equal(session.ExpiresAt) || found.Renewed {
		t.Errorf("%+v: %v", found, err)
	}
	for _, wrong := range []string{"", token[:len(token)-1], token + "A", strings.ToLower(token), " " + token, string(session.Hash), fmt.Sprintf("%x", session.Hash)} {
		_, err := w.SessionByToken(t.Context(), wrong)
		wantKind(t, err, chat.NotFound)
	}
}

func TestSessionTokenIsRandomAndNotStored(t *testing.T) {
	w, alice, token, session := signedIn(t)
	secret, err := base64.RawURLEncoding.DecodeString(token)
	if sum := sha256.Sum256([]byte(token)); err != nil || len(secret) != 32 || !bytes.Equal(session.Hash, sum[:]) {
		t.Errorf("the token %q has the hash %x: %v", token, session.Hash, err)
	}
	other, _, err := w.StartSession(t.Context(), alice, chat.Device{})
	if err != nil || other == token {
		t.Errorf("two sessions have one token: %v", err)
	}
	for _, part := range []any{token, secret} {
		n := count(t, w.db, `SELECT COUNT(*) FROM sessions WHERE LOCATE(?, CONCAT_WS('|', id_hash, user_agent, ip)) > 0`, part)
		if n > 0 {
			t.Error("the token is in the table")
		}
	}
}

func TestSessionExpires(t *testing.T) {
	w, _, token, _ := signedIn(t)
	w.clock.move(lifetime - time.Microsecond)
	if _, err := w.SessionByToken(t.Context(), token); err != nil {
		t.Errorf("in its last microsecond: %v", err)
	}
	w.clock.move(lifetime) // the use just now renewed it
	_, err := w.SessionByToken(t.Context(), token)
	wantKind(t, err, chat.NotFound)
	w.clock.move(-time.Hour)
	if _, err := w.SessionByToken(t.Context(), token); err != nil {
		t.Errorf("to find a session expired ends it for a clock that is behind: %v", err)
	}
}

// seenAt reads when the session was noted as used.
func seenAt(t *testing.T, w *world, session chat.Session) time.Time {
	t.Helper()
	rows, err := w.q.SessionsByHash(t.Context(), queries.SessionsByHashParams{Hashes: [][]byte{session.Hash}, Now: time.Unix(0, 0), MadeAfter: time.Unix(0, 0)})
	if err != nil || len(rows) != 1 {
		t.Fatalf("found %d sessions: %v", len(rows), err)
	}
	return rows[0].SeenAt
}

func TestSessionUseIsWrittenOnceAMinute(t *testing.T) {
	w, _, token, session := signedIn(t)
	began := w.clock.Now().Truncate(time.Microsecond)
	for i, c := range []struct {
		wait time.Duration
		seen time.Duration // after began
	}{
		{0, 0}, {30 * time.Second, 0}, {30*time.Second - time.Microsecond, 0}, {time.Microsecond, time.Minute},
		{59 * time.Second, time.Minute}, {-time.Hour, time.Minute}, {time.Hour + time.Second, 2 * time.Minute}, {time.Hour, 62 * time.Minute},
	} {
		before := seenAt(t, w, session)
		w.clock.move(c.wait)
		found, err := w.SessionByToken(t.Context(), token)
		seen := seenAt(t, w, session)
		if err != nil || !seen.Equal(began.Add(c.seen)) || found.Renewed != !seen.Equal(before) || !found.ExpiresAt.Equal(seen.Add(lifetime)) {
			t.Errorf("step %d: seen %v after the beginning, renewed %t, expires %v later: %v", i, seen.Sub(began), found.Renewed, found.ExpiresAt.Sub(seen), err)
		}
	}
}

// A page that loads with twenty requests at once writes once.
func TestSessionUseIsWrittenOnceByRequestsAtTheSameTime(t *testing.T) {
	w, _, token, _ := signedIn(t)
	w.clock.move(2 * time.Minute)
	renewed := make([]bool, 20)
	together(len(renewed), func(i int) {
		w.clock.move(time.Microsecond) // the database doesn't count a row that stays the same
		found, err := w.SessionByToken(context.Background(), token)
		if err != nil {
			t.Error(err)
		}
		renewed[i] = found.Renewed
	})
	if n := len(slices.DeleteFunc(renewed, func(yes bool) bool { return !yes })); n != 1 {
		t.Errorf("%d of 20 requests wrote", n)
	}
}

// Between two writes, a request costs one read.
func TestSessionUseWithinTheMinuteIsOneQuery(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice, _ := w.two(t)
	token, _, err := w.StartSession(t.Context(), alice, chat.Device{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a connection prepares the query at its first use
		line.plan(nil)
		if _, err := w.SessionByToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if sent := line.sent(); len(sent) != 1 || !strings.HasPrefix(sent[0], "-- name: SessionsByHash ") {
		t.Errorf("it costs %q", sent)
	}
}

func TestLastSeen(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	alice, _ := w.two(t)
	if !alice.LastSeenAt.IsZero() {
		t.Errorf("never signed in, but seen at %v", alice.LastSeenAt)
	}
	signIn := w.clock.Now().Truncate(time.Microsecond)
	token, _, err := w.StartSession(t.Context(), alice, chat.Device{})
	if err != nil {
		t.Fatal(err)
	}
	if alice, _ = w.UserByName(t.Context(), "alice"); !alice.LastSeenAt.Equal(signIn) {
		t.Errorf("signed in at %v, seen at %v", signIn, alice.LastSeenAt)
	}
	w.clock.move(time.Hour)
	if _, err := w.SessionByToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if alice, _ = w.UserByName(t.Context(), "alice"); !alice.LastSeenAt.Equal(signIn.Add(time.Hour)) {
		t.Errorf("used after an hour, seen after %v", alice.LastSeenAt.Sub(signIn))
	}
}

func TestEndSession(t *testing.T) {
	w, alice, token, session := signedIn(t)
	other, _, err := w.StartSession(t.Context(), alice, chat.Device{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time is no error, and says so again: the first event may have been lost
		if err := w.EndSession(t.Context(), session); err != nil {
			t.Error(err)
		}
		want := chat.Event{Type: chat.EventSessionEnded, To: alice.ID, Session: session.Hash}
		if told := w.events.take(); len(told) != 1 || fmt.Sprint(told[0]) != fmt.Sprint(want) {
			t.Errorf("the windows were told %+v, want %+v", told, want)
		}
	}
	_, err = w.SessionByToken(t.Context(), token)
	wantKind(t, err, chat.NotFound)
	if _, err := w.SessionByToken(t.Context(), other); err != nil {
		t.Errorf("the other session ended too: %v", err)
	}
}

// Somebody who signs out and hangs up is signed out.
func TestEndSessionOfSomebodyWhoHangsUp(t *testing.T) {
	w, _, token, session := signedIn(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.EndSession(ctx, session); err != nil {
		t.Error(err)
	}
	_, err := w.SessionByToken(t.Context(), token)
	wantKind(t, err, chat.NotFound)
}

func TestDisabledUsersSessionIsDead(t *testing.T) {
	w, alice, token, _ := signedIn(t)
	w.disable(t, alice)
	_, err := w.SessionByToken(t.Context(), token)
	wantKind(t, err, chat.NotFound)
	_, never := w.SessionByToken(t.Context(), "never")
	if fmt.Sprint(err) != fmt.Sprint(never) {
		t.Errorf("a disabled account reads %v, no session %v", err, never)
	}
}

func TestSessionKeepsWhatStrangersSend(t *testing.T) {
	w, alice, _, _ := signedIn(t)
	long := strings.Repeat("🙂", 300)
	for _, d := range []chat.Device{
		{}, {UserAgent: long, IP: long}, {UserAgent: "a\xff\x00b", IP: "fe80::1%eth0"}, {UserAgent: strings.Repeat("\xff", 300)},
	} {
		token, _, err := w.StartSession(t.Context(), alice, d)
		if err != nil {
			t.Errorf("%.20q: %v", d, err)
			continue
		}
		if _, err := w.SessionByToken(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	if n := count(t, w.db, "SELECT MAX(CHAR_LENGTH(user_agent)) FROM sessions"); n != 255 {
		t.Errorf("the longest user agent has %d characters", n)
	}
}

func TestSweepSessions(t *testing.T) {
	w, alice, token, _ := signedIn(t)
	now := w.clock.Now().UTC().Truncate(time.Microsecond)
	tx, err := w.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := range chat.SweepLimit + 50 {
		hash := sha256.Sum256(fmt.Append(nil, i))
		expires := now.Add(-time.Duration(i) * time.Second) // the first expires just now
		p := queries.CreateSessionParams{IDHash: hash[:], UserID: alice.ID, CreatedAt: now, SeenAt: now, ExpiresAt: expires}
		if err := queries.New(tx).CreateSession(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{chat.SweepLimit + 50, 0} {
		if n, err := w.SweepSessions(t.Context()); n != want || err != nil {
			t.Errorf("%d sessions were swept, want %d: %v", n, want, err)
		}
	}
	if _, err := w.SessionByToken(t.Context(), token); err != nil {
		t.Errorf("a living session was swept: %v", err)
	}
}

// Somebody who signs in while an admin keeps them out, or gives them another password, gets no session that outlives it.
func TestNoSessionOnAPasswordThatIsNoMore(t *testing.T) {
	w := newWorld(t)
	admin, err := w.CreateUser(t.Context(), chat.NewUser{Username: "admin", Password: "correct horse", IsAdmin: true})
	if err != nil {
		t.Fatal(err)
	}
	actor := chat.Actor{User: admin}
	for name, keepOut := range map[string]func(username string) error{
		"a new password": func(username string) error {
			_, err := w.EditUser(t.Context(), actor, username, chat.UserEdit{Password: "another horse"})
			return err
		},
		"disabled": func(username string) error {
			_, err := w.DisableUser(t.Context(), actor, username)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			username := "zoe" + strings.ReplaceAll(name, " ", "")
			if _, err := w.CreateUser(t.Context(), chat.NewUser{Username: username, Password: "correct horse"}); err != nil {
				t.Fatal(err)
			}
			user, err := w.Authenticate(t.Context(), username, "correct horse")
			if err != nil {
				t.Fatal(err)
			}
			if err := keepOut(username); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.StartSession(t.Context(), user, chat.Device{}); chat.KindOf(err) != chat.Denied {
				t.Errorf("starting a session gave %v, and is to be denied", err)
			}
		})
	}
}
