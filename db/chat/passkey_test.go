package chat_test

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/db/chat"
)

// add stores a passkey with a counter. What it answers is checked elsewhere.
func (s *signer) add(name string, counter uint32) chat.Passkey {
	s.t.Helper()
	p, _, err := s.AddPasskey(s.t.Context(), s.actor, chat.Passkey{
		Name: name, Credential: []byte(s.actor.User.Username + name), PublicKey: []byte("key"), Handle: []byte(s.actor.User.Username), Transports: []string{"usb", "nfc"}, SignCount: counter,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *signer) alone() (token string) {
	s.t.Helper()
	token, _, err := s.BeginSignIn(s.t.Context(), chat.User{})
	if err != nil || token == "" {
		s.t.Fatalf("no sign-in waits: %q, %v", token, err)
	}
	return token
}

func (s *signer) use(token string, p chat.Passkey, counter uint32, verified bool) error {
	s.t.Helper()
	user, err := s.FinishSignInByPasskey(s.t.Context(), token, chat.PasskeyUse{Passkey: p, SignCount: counter, Verified: verified}, "192.0.2.9")
	if err == nil {
		if _, _, err := s.StartSession(s.t.Context(), user, chat.Device{}); err != nil || user.ID != s.actor.User.ID {
			s.t.Errorf("%+v: %v", user, err)
		}
	}
	return err
}

func TestAddPasskey(t *testing.T) {
	s := newSigner(t)
	made, codes, err := s.AddPasskey(t.Context(), s.actor, chat.Passkey{Name: "  My   phone ", Credential: []byte("one"), PublicKey: []byte("key"), Handle: []byte("h"), Transports: []string{"usb"}, SignCount: 7, BackupEligible: true})
	if err != nil || made.Name != "My phone" || len(codes) != 10 {
		t.Fatalf("%+v, %q: %v", made, codes, err)
	}
	found, err := s.PasskeyByCredential(t.Context(), []byte("one"))
	if err != nil || found.ID != made.ID || found.User != s.actor.User.ID || found.SignCount != 7 || !found.BackupEligible || !bytes.Equal(found.PublicKey, []byte("key")) || strings.Join(found.Transports, ",") != "usb" {
		t.Errorf("found %+v: %v", found, err)
	}
	unnamed, codes, err := s.AddPasskey(t.Context(), s.actor, chat.Passkey{Credential: []byte("two"), PublicKey: []byte("key"), Handle: []byte("h")})
	if err != nil || unnamed.Name != "Passkey 2" || codes != nil {
		t.Errorf("%+v, %q: %v", unnamed, codes, err)
	}
	bob := s.signer(t, "bob")
	for what, add := range map[string]func() error{
		"the same again": func() error {
			_, _, err := s.AddPasskey(t.Context(), s.actor, chat.Passkey{Credential: []byte("one"), PublicKey: []byte("key"), Handle: []byte("h")})
			return err
		},
		"another's": func() error {
			_, _, err := s.AddPasskey(t.Context(), bob.actor, chat.Passkey{Credential: []byte("one"), PublicKey: []byte("key"), Handle: []byte("b")})
			return err
		},
		"another name for the person": func() error {
			_, _, err := s.AddPasskey(t.Context(), s.actor, chat.Passkey{Credential: []byte("three"), PublicKey: []byte("key"), Handle: []byte("x")})
			return err
		},
	} {
		if err := add(); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, name := range []string{strings.Repeat("x", 65), "a\u202eb"} {
		_, _, err := s.AddPasskey(t.Context(), s.actor, chat.Passkey{Name: name, Credential: []byte("four"), PublicKey: []byte("key"), Handle: []byte("h")})
		wantKind(t, err, chat.Invalid, "name")
	}
	if bob.factors().Any() || len(s.factors().Passkeys) != 2 {
		t.Error("one of them was added")
	}
	_, err = s.PasskeyByCredential(t.Context(), []byte("three"))
	wantKind(t, err, chat.Denied)
}

func TestAsManyPasskeysAsThereCanBe(t *testing.T) {
	s := newSigner(t)
	for i := range 20 {
		s.add(strings.Repeat("x", i+1), 0)
	}
	_, _, err := s.AddPasskey(t.Context(), s.actor, chat.Passkey{Credential: []byte("more"), PublicKey: []byte("key"), Handle: []byte("alice")})
	wantKind(t, err, chat.Invalid)
}

func TestRemovePasskey(t *testing.T) {
	s := newSigner(t)
	bob := s.signer(t, "bob")
	p, theirs := s.add("Phone", 0), bob.add("Key", 0)
	wantKind(t, s.RemovePasskey(t.Context(), s.actor, p.ID, "wrong"), chat.Invalid, "password")
	wantKind(t, s.RemovePasskey(t.Context(), s.actor, theirs.ID, password), chat.NotFound)
	if err := s.RemovePasskey(t.Context(), s.actor, p.ID, password); err != nil || s.factors().Any() || s.factors().RecoveryCodes != 0 {
		t.Errorf("there is %+v: %v", s.factors(), err)
	}
	wantKind(t, s.RemovePasskey(t.Context(), s.actor, p.ID, password), chat.NotFound)
	wantKind(t, s.use(s.alone(), p, 0, true), chat.Denied)
	if !bob.factors().Any() {
		t.Error("bob's went")
	}
	s.wantDeeds(t, "alice factor.add alice: passkey Phone", "bob factor.add bob: passkey Key", "alice factor.remove alice: passkey Phone")
}

func TestSignInByPasskey(t *testing.T) {
	s := newSigner(t)
	p := s.add("Phone", 0)
	token := s.alone()
	if err := s.use(token, p, 0, true); err != nil {
		t.Error(err)
	}
	wantKind(t, s.use(token, p, 0, true), chat.Denied) // once
	if err := s.use(s.begins(), p, 0, false); err != nil {
		t.Errorf("after the password nobody need be verified: %v", err)
	}
	if s.factors().Passkeys[0].UsedAt.IsZero() {
		t.Error("its use wasn't noted")
	}
	wantKind(t, s.use(s.alone(), p, 0, false), chat.Denied)
	_, _, err := s.FinishSignIn(t.Context(), s.alone(), "123456", "")
	wantKind(t, err, chat.Denied)
	late := s.alone()
	s.clock.move(10 * time.Minute)
	wantKind(t, s.use(late, p, 0, true), chat.Denied)
	s.wantDeeds(t, "alice factor.add alice: passkey Phone", "alice factor.use alice: passkey Phone", "alice factor.use alice: passkey Phone", "factor.fail alice: passkey Phone")
}

func TestPasskeyOfAnother(t *testing.T) {
	s := newSigner(t)
	s.add("Phone", 0)
	bob := s.signer(t, "bob")
	wantKind(t, s.use(s.begins(), bob.add("Key", 0), 0, true), chat.Denied)
	s.wantDeeds(t, "alice factor.add alice: passkey Phone", "bob factor.add bob: passkey Key", "factor.fail bob: passkey Key")
}

func TestPasskeyOfADisabledAccount(t *testing.T) {
	s := newSigner(t)
	p := s.add("Phone", 0)
	token, second := s.alone(), s.begins()
	s.disable(t, s.actor.User)
	wantKind(t, s.use(token, p, 0, true), chat.Denied)
	wantKind(t, s.use(second, p, 0, true), chat.Denied)
}

// A counter that doesn't rise tells of a copy.
func TestCounterOfAPasskey(t *testing.T) {
	s := newSigner(t)
	p := s.add("Key", 5)
	for _, c := range []struct {
		counter uint32
		kind    chat.Kind
	}{{6, 0}, {6, chat.Denied}, {0, chat.Denied}, {5, chat.Denied}, {9, 0}, {8, chat.Denied}} {
		if err := s.use(s.alone(), p, c.counter, true); chat.KindOf(err) != c.kind {
			t.Errorf("%d: %v", c.counter, err)
		}
	}
	if deeds := s.deeds(t); !strings.Contains(deeds[len(deeds)-1], "passkey Key (its counter went back") {
		t.Errorf("the log ends with %q", deeds[len(deeds)-1])
	}
	var in atomic.Int32
	tokens := []string{s.alone(), s.alone(), s.alone(), s.alone()}
	together(len(tokens), func(i int) {
		if s.use(tokens[i], p, 10, true) == nil {
			in.Add(1)
		}
	})
	if in.Load() != 1 {
		t.Errorf("%d were let in by one count", in.Load())
	}
}

func TestCeremony(t *testing.T) {
	s := newSigner(t)
	mine, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	begin := func(state string) {
		t.Helper()
		if err := s.BeginCeremony(t.Context(), mine, []byte(state)); err != nil {
			t.Fatal(err)
		}
	}
	begin("first")
	begin("second")
	_, err := s.TakeCeremony(t.Context(), other)
	wantKind(t, err, chat.Denied)
	if state, err := s.TakeCeremony(t.Context(), mine); string(state) != "second" || err != nil {
		t.Errorf("%q: %v", state, err)
	}
	_, err = s.TakeCeremony(t.Context(), mine)
	wantKind(t, err, chat.Denied)
	begin("third")
	s.clock.move(10 * time.Minute)
	_, err = s.TakeCeremony(t.Context(), mine)
	wantKind(t, err, chat.Denied)
	s.clock.move(-10 * time.Minute)
	var took atomic.Int32
	together(4, func(int) {
		if _, err := s.TakeCeremony(t.Context(), mine); err == nil {
			took.Add(1)
		}
	})
	if took.Load() != 1 {
		t.Errorf("%d took it", took.Load())
	}
}
