package chat_test

import (
	"context"
	"testing"
	"time"

	"parley/db/chat"
)

// Whoever owns an account hears of all that changes how it is signed in to, and from where that was done, unless it was an
// admin: OWASP ASVS 5.0, 6.3.7.
func TestOwnerIsToldOfChanges(t *testing.T) {
	s := newSigner(t)
	mustExec(t, s.db, "UPDATE users SET email = 'a@example.org', email_key = 'a@example.org', email_confirmed_at = NOW(6)")
	s.actor.User = s.again(t, s.actor.User)
	root := s.adminOf(t, "root")
	told := func(what string, want chat.MailKind, from string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-s.MailQueued():
		default:
			t.Errorf("%s: nobody looks at the queue", what)
		}
		got := s.deliver(t, &postbox{})
		if len(got) != 1 || got[0].Kind != want || got[0].To != "a@example.org" || got[0].IP != from || got[0].Token != "" || got[0].QueuedAt.IsZero() {
			t.Errorf("%s: the mails are %+v", what, got)
		}
	}
	const own, elsewhere = "192.0.2.1", "192.0.2.9"
	ctx := t.Context()

	_, codes := s.app()
	told("an app", chat.MailFactorAdded, own, nil)
	p := s.add("phone", 1)
	told("a passkey", chat.MailFactorAdded, own, nil)
	told("a recovery code", chat.MailCodeUsed, elsewhere, s.finish(s.begins(), codes[0]))
	for range 2 {
		token := s.begins()
		for range 5 {
			if s.finish(token, "000000") == nil {
				t.Fatal("the code was guessed, with a chance of 1 in 300,000")
			}
		}
	}
	told("ten wrong codes", chat.MailCodesWrong, elsewhere, nil)
	_, err := s.RenewRecoveryCodes(ctx, s.actor, password)
	told("new recovery codes", chat.MailCodesRenewed, own, err)
	told("a passkey less", chat.MailFactorRemoved, own, s.RemovePasskey(ctx, s.actor, p.ID, password))
	_, _, err = s.CreateToken(ctx, s.actor, newToken("bot", withPassword))
	told("a token", chat.MailTokenMade, own, err)
	_, err = s.ResetFactors(ctx, root, "alice")
	told("no factors", chat.MailFactorsReset, "", err)
	_, err = s.ResetFactorsUnasked(ctx, "alice")
	told("no factors, on the command line", chat.MailFactorsReset, "", err)
	_, err = s.EditUser(ctx, root, "alice", chat.UserEdit{Password: "tall beans and a heron"})
	told("a password from an admin", chat.MailPasswordSet, "", err)
	_, err = s.EditUser(ctx, root, "alice", chat.UserEdit{Email: text("b@example.org")})
	told("another address", chat.MailEmailChanged, "", err)
}

// An admin's own account is no exception on the admin pages, where nobody asks for the password.
func TestAdminsDontSignThemselvesInAnew(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	for name, do := range map[string]func() error{
		"password": func() error {
			_, err := w.EditUser(t.Context(), root, "ROOT", chat.UserEdit{Password: "tall beans and a heron"})
			return err
		},
		"address": func() error {
			_, err := w.EditUser(t.Context(), root, "root", chat.UserEdit{Email: text("evil@example.org")})
			return err
		},
		"factors":    func() error { _, err := w.ResetFactors(t.Context(), root, "root"); return err },
		"reset link": func() error { _, err := w.MakeResetLink(t.Context(), root, "root"); return err },
	} {
		if err := do(); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := count(t, w.db, "SELECT (SELECT COUNT(*) FROM links) + (SELECT COUNT(*) FROM users WHERE email IS NOT NULL) + (SELECT COUNT(*) FROM audit_events)"); n != 0 {
		t.Errorf("%d things were done", n)
	}
	if _, err := w.EditUser(t.Context(), root, "root", chat.UserEdit{DisplayName: text("Ro Ot")}); err != nil {
		t.Error(err)
	}
}

// What is over is deleted, and nothing else: tokens are shown as expired for a month before.
func TestSweepsOfWaysIn(t *testing.T) {
	s := newSigner(t)
	in := s.waysIn()
	s.token(t, s.actor, "for ever", withPassword, func(n *chat.NewToken) { n.Days = chat.TokenForever })
	sweep := func(what string, tokens, browsers, pending int) {
		t.Helper()
		for _, sweep := range []func(context.Context) (int64, error){s.SweepTokens, s.SweepSignIns} {
			if _, err := sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := [3]int{count(t, s.db, "SELECT COUNT(*) FROM tokens"), count(t, s.db, "SELECT COUNT(*) FROM known_browsers"), count(t, s.db, "SELECT COUNT(*) FROM totps")}; got != [3]int{tokens, browsers, pending} {
			t.Errorf("%s: tokens, browsers and apps are %v", what, got)
		}
	}
	sweep("at once", 2, 1, 1)
	s.clock.move(11 * time.Minute)
	sweep("after eleven minutes", 2, 1, 0)
	s.clock.move(30 * 24 * time.Hour)
	s.wantDoesNotHold(t, in.token)
	sweep("once expired", 2, 1, 0)
	s.clock.move(30 * 24 * time.Hour)
	sweep("a month later", 1, 1, 0)
	s.clock.move(chat.BrowserFor)
	sweep("a year later", 1, 0, 0)
}
