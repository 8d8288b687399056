package chat_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"parley/db/chat"
)

// oldHash is one of fewer rounds, of just what was typed.
func oldHash(password string) string {
	salt := []byte("0123456789abcdef")
	key := argon2.IDKey([]byte(password), salt, 1, 8*1024, 1, 32)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=1,p=1$%s$%s", 8*1024, encode(salt), encode(key))
}

func storedHash(t *testing.T, w *world, username string) (hash string) {
	t.Helper()
	if err := w.db.QueryRow("SELECT password_hash FROM users WHERE username = ?", username).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestOldHashesAreMadeAnewAtSignIn(t *testing.T) {
	const odd = "ｆｕｌｌ width ²" // NFKC makes another text of it
	w := newWorld(t)
	w.people(t, "alice", "old", "odd")
	for name, hash := range map[string]string{
		"old": oldHash(password), "odd": chat.HashAsTyped(odd),
	} {
		given := map[string]string{"old": password, "odd": odd}[name]
		mustExec(t, w.db, "UPDATE users SET password_hash = ? WHERE username = ?", hash, name)
		_, err := w.Authenticate(t.Context(), name, "wrong horse")
		wantKind(t, err, chat.Denied)
		if storedHash(t, w, name) != hash {
			t.Errorf("%s: a sign-in that fails changes the hash", name)
		}
		user, err := w.Authenticate(t.Context(), name, given)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		made := storedHash(t, w, name)
		if !phc.MatchString(made) || made == hash || !chat.PasswordMatches(made, given) {
			t.Errorf("%s: the hash is now %q", name, made)
		}
		if _, _, err := w.StartSession(t.Context(), user, chat.Device{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.Authenticate(t.Context(), name, given); err != nil || storedHash(t, w, name) != made {
			t.Errorf("%s: the hash is made anew again: %v", name, err)
		}
	}
	mustExec(t, w.db, "UPDATE users SET password_hash = ?, disabled_at = NOW(6) WHERE username = 'alice'", oldHash(password))
	_, err := w.Authenticate(t.Context(), "alice", password)
	wantKind(t, err, chat.Denied)
	if storedHash(t, w, "alice") != oldHash(password) {
		t.Error("the hash of a disabled account was made anew")
	}
}

// Several who sign in at the same time all get in, whoever's hash it is in the end.
func TestOldHashIsMadeAnewByManyAtOnce(t *testing.T) {
	w := newWorld(t)
	w.people(t, "old")
	mustExec(t, w.db, "UPDATE users SET password_hash = ? WHERE username = 'old'", oldHash(password))
	together(8, func(int) {
		user, err := w.Authenticate(context.Background(), "old", password)
		if err != nil {
			t.Error(err)
			return
		}
		if _, _, err := w.StartSession(context.Background(), user, chat.Device{}); err != nil {
			t.Error(err)
		}
	})
	if n := count(t, w.db, "SELECT COUNT(*) FROM sessions"); n != 8 {
		t.Errorf("%d sessions", n)
	}
}

// A crowd is told to come again at once, and takes no more memory than a few do.
func TestCrowdThatSignsIn(t *testing.T) {
	w := newWorld(t)
	release := w.HoldHashingSlots(patience)
	const crowd = 200
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answers := make(chan error, crowd)
	for range crowd {
		go func() {
			_, err := w.Authenticate(ctx, "nobody", password)
			answers <- err
		}()
	}
	for range crowd - chat.MaxHashesWaiting {
		wantKind(t, <-answers, chat.Unavailable)
	}
	if n := w.Stats().HashesWaiting; n != chat.MaxHashesWaiting {
		t.Errorf("%d wait", n)
	}
	release()
	for range chat.MaxHashesWaiting {
		wantKind(t, <-answers, chat.Denied)
	}
	_, err := w.Authenticate(t.Context(), "nobody", password)
	wantKind(t, err, chat.Denied)
}

// Nobody waits until there is no time left to tell them.
func TestWaitingForAHashEnds(t *testing.T) {
	w := newWorld(t)
	release := w.HoldHashingSlots(time.Millisecond)
	_, err := w.Authenticate(t.Context(), "nobody", password)
	if wantKind(t, err, chat.Unavailable); !errors.Is(err, chat.ErrCrowded) {
		t.Errorf("the error is %v", err)
	}
	release()
}
