package chat_test

import (
	"bytes"
	"context"
	"testing"

	"parley/db/chat"
)

// waysIn are what somebody has besides sessions.
type waysIn struct{ token, browser string }

// waysIn gives the signer an access token, a browser that is known, and an app that is being set up.
func (s *signer) waysIn() waysIn {
	s.t.Helper()
	secret, _ := s.token(s.t, s.actor, "bot", withPassword)
	browser, err := s.RememberBrowser(s.t.Context(), s.actor.User, "")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.SetUpTOTP(s.t.Context(), s.actor, password); err != nil {
		s.t.Fatal(err)
	}
	return waysIn{secret, browser}
}

func withPassword(n *chat.NewToken) { n.Current = password }

// wantWaysIn says which of them are left.
func (s *signer) wantWaysIn(after string, w waysIn, token, browser, pending bool) {
	s.t.Helper()
	_, tokenErr := s.SessionByAccessToken(s.t.Context(), w.token, "192.0.2.1")
	known, err := s.KnowsBrowser(s.t.Context(), "alice", w.browser)
	if err != nil {
		s.t.Fatal(err)
	}
	_, pendingErr := s.PendingTOTP(s.t.Context(), s.actor)
	if (tokenErr == nil) != token || known != browser || (pendingErr == nil) != pending {
		s.t.Errorf("after %s: the token holds: %t, the browser is known: %t, an app is being set up: %t", after, tokenErr == nil, known, pendingErr == nil)
	}
}

// Whoever resets a password may have lost control of the account, and whoever has it reset by an admin too: nothing that
// somebody else may have made lets them in any more. The second factor stays, and is asked for.
func TestNewPasswordsShutOut(t *testing.T) {
	for name, set := range map[string]func(s *signer) error{
		"a reset": func(s *signer) error {
			link, err := s.MakeResetLink(s.t.Context(), s.adminOf(s.t, "root"), "alice")
			if err != nil {
				return err
			}
			return s.ResetPassword(s.t.Context(), link.Token, "tall beans and a heron", "192.0.2.9")
		},
		"an admin's": func(s *signer) error {
			_, err := s.EditUser(s.t.Context(), s.adminOf(s.t, "root"), "alice", chat.UserEdit{Password: "tall beans and a heron"})
			return err
		},
		"the end of all sessions": func(s *signer) error {
			_, err := s.EndSessions(s.t.Context(), s.adminOf(s.t, "root"), "alice")
			return err
		},
	} {
		s := newSigner(t)
		s.app()
		in := s.waysIn()
		s.wantWaysIn("nothing", in, true, true, true)
		s.events.take()
		if err := set(s); err != nil {
			t.Fatal(err)
		}
		s.wantWaysIn(name, in, false, false, false)
		if told := s.events.take(); len(told) != 1 || told[0].Type != chat.EventSessionEnded || told[0].To != s.actor.User.ID || told[0].Session != nil {
			t.Errorf("after %s the windows were told %+v", name, told)
		}
		s.begins() // fails where no factor is asked for
		if name == "a reset" && count(t, s.db, "SELECT COUNT(*) FROM audit_events WHERE action = ? AND detail = '1 access token revoked'", chat.AuditResetPassword) != 1 {
			t.Error("the log doesn't say that a token was revoked")
		}
	}
}

// A change of one's own password leaves access tokens, unless they are to be revoked: then their windows close too.
func TestChangePasswordAndTokens(t *testing.T) {
	for _, revoke := range []bool{false, true} {
		s := newSigner(t)
		_, session := remembered(t, s.world, s.actor.User)
		in := s.waysIn()
		s.events.take()
		change := chat.PasswordChange{Current: password, Password: "tall beans and a heron", RevokeTokens: revoke}
		if _, _, err := s.ChangePassword(t.Context(), s.actor, session, change); err != nil {
			t.Fatal(err)
		}
		s.wantWaysIn("the change", in, !revoke, false, false)
		closed := 0
		for _, e := range s.events.take() {
			if e.Type == chat.EventSessionEnded && bytes.Equal(e.Session, chat.TokenHash(in.token)) {
				closed++
			}
		}
		if closed != count(t, s.db, "SELECT COUNT(*) FROM audit_events WHERE action = ? AND detail = '1 access token revoked'", chat.AuditChangePassword) || (closed == 1) != revoke {
			t.Errorf("revoking %t: the token's windows were told %d times", revoke, closed)
		}
	}
}

// Somebody whose session has ended can be remembered for a moment, by another node above all. They don't get themself another
// way in meanwhile, even with the password.
func TestNothingOutlastsTheSessionThatItWasDoneIn(t *testing.T) {
	s := newSigner(t)
	_, session := remembered(t, s.world, s.actor.User)
	s.actor.Session = session.Hash
	setup, err := s.SetUpTOTP(t.Context(), s.actor, password)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(ctx context.Context) error{
		"a token": func(ctx context.Context) error {
			_, _, err := s.CreateToken(ctx, s.actor, newToken("bot", withPassword))
			return err
		},
		"an app": func(ctx context.Context) error { _, err := s.SetUpTOTP(ctx, s.actor, password); return err },
		"an app's code": func(ctx context.Context) error {
			_, err := s.ConfirmTOTP(ctx, s.actor, s.code(setup.Secret, 0))
			return err
		},
		"a passkey": func(ctx context.Context) error {
			_, _, err := s.AddPasskey(ctx, s.actor, chat.Passkey{Credential: []byte("one"), PublicKey: []byte("key"), Handle: []byte("h")})
			return err
		},
		"recovery codes": func(ctx context.Context) error { _, err := s.RenewRecoveryCodes(ctx, s.actor, password); return err },
		"an invitation": func(ctx context.Context) error {
			_, _, err := s.CreateInvitation(ctx, s.actor, chat.NewInvitation{})
			return err
		},
	} {
		if err := do(t.Context()); chat.KindOf(err) != chat.Denied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := count(t, s.db, "SELECT (SELECT COUNT(*) FROM tokens) + (SELECT COUNT(*) FROM passkeys) + (SELECT COUNT(*) FROM totps WHERE confirmed) + (SELECT COUNT(*) FROM invitations)"); n != 0 {
		t.Errorf("%d ways in were made", n)
	}
}
