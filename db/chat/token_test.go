package chat_test

import (
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/db/chat"
)

const tokensPassword = "correct horse"

// owner is somebody who can make tokens.
func (w *world) owner(t *testing.T, username string) chat.Actor {
	t.Helper()
	user, err := w.CreateUser(t.Context(), chat.NewUser{Username: username, Password: tokensPassword})
	if err != nil {
		t.Fatal(err)
	}
	return chat.Actor{User: user, IP: "192.0.2.1"}
}

func newToken(name string, change ...func(*chat.NewToken)) chat.NewToken {
	n := chat.NewToken{Name: name, Scope: "write", Days: "30", Current: tokensPassword}
	for _, c := range change {
		c(&n)
	}
	return n
}

func (w *world) token(t *testing.T, owner chat.Actor, name string, change ...func(*chat.NewToken)) (string, chat.Token) {
	t.Helper()
	secret, token, err := w.CreateToken(t.Context(), owner, newToken(name, change...))
	if err != nil {
		t.Fatal(err)
	}
	return secret, token
}

func (w *world) wantHolds(t *testing.T, secret string) chat.Session {
	t.Helper()
	s, err := w.SessionByAccessToken(t.Context(), secret, "192.0.2.7")
	if err != nil {
		t.Errorf("the token doesn't hold: %v", err)
	}
	return s
}

func (w *world) wantDoesNotHold(t *testing.T, secret string) {
	t.Helper()
	_, err := w.SessionByAccessToken(t.Context(), secret, "192.0.2.7")
	wantKind(t, err, chat.NotFound)
}

func TestTokenIsStoredAsHashAlone(t *testing.T) {
	w := newWorld(t)
	alice := w.owner(t, "alice")
	secret, token := w.token(t, alice, "  a   bot ")
	if token.Name != "a bot" || token.Scope != chat.ScopeWrite || token.ID == 0 || !token.UsedAt.IsZero() || token.ExpiresAt.Sub(token.CreatedAt) != 30*24*time.Hour {
		t.Errorf("made is %+v", token)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM tokens WHERE hash = UNHEX(SHA2(?, 256))", secret); n != 1 {
		t.Errorf("%d rows have the token's SHA-256", n)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM tokens WHERE CONCAT_WS(' ', hash, name, scope, used_ip) LIKE ?", "%"+secret[7:27]+"%"); n != 0 {
		t.Error("a part of the token is stored")
	}
	if s := w.wantHolds(t, secret); s.User.ID != alice.User.ID || s.Scope != chat.ScopeWrite || s.Renewed {
		t.Errorf("it stands for %+v", s)
	}
	log, err := w.AuditEvents(t.Context(), w.adminOf(t, "root"), "", 0)
	if err != nil || len(log.Items) != 1 || log.Items[0].Action != chat.AuditCreateToken || log.Items[0].Actor != "alice" || log.Items[0].Detail != "a bot: write" || log.Items[0].IP != "192.0.2.1" {
		t.Errorf("the log has %+v: %v", log.Items, err)
	}
}

// A scanner for secrets knows it by its form, without Parley.
func TestTokenForm(t *testing.T) {
	w := newWorld(t)
	alice := w.owner(t, "alice")
	form := regexp.MustCompile(`^parley_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$`)
	known := map[string]bool{}
	for _, name := range []string{"one", "two", "three"} {
		secret, _ := w.token(t, alice, name)
		parts := form.FindStringSubmatch(secret)
		if parts == nil || known[secret] {
			t.Fatalf("%s has another form, or was there before", secret)
		}
		known[secret] = true
		sum, ok := new(big.Int).SetString(parts[2], 62)
		if !ok || sum.Uint64() != uint64(crc32.ChecksumIEEE([]byte(parts[1]))) {
			t.Errorf("%s has a wrong checksum", secret)
		}
		for _, wrong := range []string{"", "parley_", secret[1:], secret + "0", strings.ToUpper(secret), secret[:len(secret)-1] + "!", secret[:9] + "-" + secret[10:]} {
			w.wantDoesNotHold(t, wrong)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	w := newWorld(t)
	alice := w.owner(t, "alice")
	for field, changes := range map[string][]func(*chat.NewToken){
		"name": {func(n *chat.NewToken) { n.Name = " " }, func(n *chat.NewToken) { n.Name = strings.Repeat("x", 65) }, func(n *chat.NewToken) { n.Name = "a\u202eb" },
			func(n *chat.NewToken) { n.Name = "\u200b" }},
		"scope":            {func(n *chat.NewToken) { n.Scope = "" }, func(n *chat.NewToken) { n.Scope = "admin" }},
		"days":             {func(n *chat.NewToken) { n.Days = "" }, func(n *chat.NewToken) { n.Days = "31" }, func(n *chat.NewToken) { n.Days = "030" }},
		"current_password": {func(n *chat.NewToken) { n.Current = "" }, func(n *chat.NewToken) { n.Current = "wrong horse" }},
	} {
		for _, change := range changes {
			_, _, err := w.CreateToken(t.Context(), alice, newToken("x", change))
			wantKind(t, err, chat.Invalid, field)
		}
	}
	w.token(t, alice, "x")
	_, _, err := w.CreateToken(t.Context(), alice, newToken("x"))
	wantKind(t, err, chat.Invalid, "name")
	w.token(t, w.owner(t, "bob"), "x") // his own
	mustExec(t, w.db, "INSERT INTO tokens (hash, user_id, name, scope, created_at) SELECT UNHEX(SHA2(seq, 256)), ?, seq, 'read', NOW(6) FROM seq_1_to_49", alice.User.ID)
	_, _, err = w.CreateToken(t.Context(), alice, newToken("one too many"))
	wantKind(t, err, chat.Invalid, "name")
	if tokens, err := w.Tokens(t.Context(), alice); err != nil || len(tokens) != 50 {
		t.Errorf("she has %d: %v", len(tokens), err)
	}
}

// The limit holds however many are made at the same time.
func TestTokensMadeAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	alice := w.owner(t, "alice")
	var made sync.WaitGroup
	for range 8 {
		made.Go(func() {
			if _, _, err := w.CreateToken(t.Context(), alice, newToken("the same")); err != nil {
				wantKind(t, err, chat.Invalid, "name")
			}
		})
	}
	made.Wait()
	if tokens, err := w.Tokens(t.Context(), alice); err != nil || len(tokens) != 1 {
		t.Errorf("she has %d: %v", len(tokens), err)
	}
}

func TestTokenExpires(t *testing.T) {
	w := elephant(t)
	w.clock.stop()
	alice := w.owner(t, "alice")
	brief, token := w.token(t, alice, "brief")
	forever, _ := w.token(t, alice, "forever", func(n *chat.NewToken) { n.Days = chat.TokenForever })
	w.wantHolds(t, brief)
	w.clock.move(30*24*time.Hour - time.Microsecond)
	w.wantHolds(t, brief)
	w.wantHolds(t, brief) // and is remembered, now that its use was noted
	w.clock.move(time.Microsecond)
	w.wantDoesNotHold(t, brief)
	node := w.restarted(chat.Options{Now: w.clock.Now})
	node.wantDoesNotHold(t, brief)
	w.clock.move(100 * 365 * 24 * time.Hour)
	w.wantHolds(t, forever)
	tokens, err := w.Tokens(t.Context(), alice)
	if err != nil || len(tokens) != 2 || !tokens[1].Expired(w.clock.Now()) || tokens[1].ID != token.ID || tokens[0].Expired(w.clock.Now()) {
		t.Errorf("the list is %+v: %v", tokens, err)
	}
}

// Revoking is over at once here, and elsewhere with the event, which names the token alone.
func TestRevokedToken(t *testing.T) {
	w := elephant(t)
	alice, bob := w.owner(t, "alice"), w.owner(t, "bob")
	gone, token := w.token(t, alice, "gone")
	stays, _ := w.token(t, alice, "stays")
	elsewhere := w.restarted(chat.Options{RememberFor: time.Hour})
	session := w.wantHolds(t, gone)
	elsewhere.wantHolds(t, gone)
	for _, id := range []uint64{token.ID, 0, 99} {
		wantKind(t, w.RevokeToken(t.Context(), bob, id), chat.NotFound)
	}
	w.wantHolds(t, gone)
	if err := w.RevokeToken(t.Context(), alice, token.ID); err != nil {
		t.Fatal(err)
	}
	w.wantDoesNotHold(t, gone)
	w.wantHolds(t, stays)
	told := w.events.take()
	last := told[len(told)-1]
	if last.Type != chat.EventSessionEnded || last.To != alice.User.ID || string(last.Session) != string(session.Hash) {
		t.Errorf("told is %+v", last)
	}
	elsewhere.SessionEnded(last.To, last.Session)
	elsewhere.wantDoesNotHold(t, gone)
	if open, err := w.SessionOpen(t.Context(), session); open || err != nil {
		t.Errorf("open %t: %v", open, err)
	}
	wantKind(t, w.RevokeToken(t.Context(), alice, token.ID), chat.NotFound)
	log, err := w.AuditEvents(t.Context(), w.adminOf(t, "root"), "", 0)
	if err != nil || log.Items[0].Action != chat.AuditRevokeToken || log.Items[0].Detail != "gone" {
		t.Errorf("the log has %+v: %v", log.Items, err)
	}
}

func TestTokensOfWhomAnAdminKeepsOut(t *testing.T) {
	for name, end := range map[string]func(*world, chat.Actor) error{
		"disabled": func(w *world, root chat.Actor) error {
			_, err := w.DisableUser(t.Context(), root, "alice")
			return err
		},
		"sessions ended": func(w *world, root chat.Actor) error {
			_, err := w.EndSessions(t.Context(), root, "alice")
			return err
		},
		"a new password": func(w *world, root chat.Actor) error {
			password := "another horse"
			_, err := w.EditUser(t.Context(), root, "alice", chat.UserEdit{Password: password})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := elephant(t)
			root := w.adminOf(t, "root")
			secret, _ := w.token(t, w.owner(t, "alice"), "x")
			w.wantHolds(t, secret)
			if err := end(w, root); err != nil {
				t.Fatal(err)
			}
			w.wantDoesNotHold(t, secret)
			if n := count(t, w.db, "SELECT COUNT(*) FROM tokens"); n != 0 {
				t.Errorf("%d tokens are left", n)
			}
		})
	}
}

// What a token's owner loses elsewhere, such as the account by a hand in the database, it loses too.
func TestTokenOfSomebodyDisabled(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	alice := w.owner(t, "alice")
	secret, _ := w.token(t, alice, "x")
	w.wantHolds(t, secret)
	w.disable(t, alice.User)
	w.wantDoesNotHold(t, secret)
	_, _, err := w.CreateToken(t.Context(), alice, newToken("y"))
	wantKind(t, err, chat.NotFound)
}

// A program that asks a thousand times a minute costs one write.
func TestTokensUseIsNotedOnceAMinute(t *testing.T) {
	w := elephant(t)
	w.clock.stop()
	alice := w.owner(t, "alice")
	secret, _ := w.token(t, alice, "x")
	use := func(ip string) (time.Time, string) {
		t.Helper()
		if _, err := w.SessionByAccessToken(t.Context(), secret, ip); err != nil {
			t.Fatal(err)
		}
		tokens, err := w.Tokens(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		return tokens[0].UsedAt, tokens[0].UsedIP
	}
	first := w.clock.Now().UTC().Truncate(time.Microsecond)
	for _, step := range []struct {
		after  time.Duration
		ip, is string
		at     time.Time
	}{{0, "192.0.2.1", "192.0.2.1", first}, {59 * time.Second, "192.0.2.2", "192.0.2.1", first}, {time.Second, "2001:db8::1", "2001:db8::1", first.Add(time.Minute)}} {
		w.clock.move(step.after)
		if at, ip := use(step.ip); !at.Equal(step.at) || ip != step.is {
			t.Errorf("after %s it was used at %s from %s, want %s from %s", step.after, at, ip, step.at, step.is)
		}
	}
	use("192.0.2.1")
	mustExec(t, w.db, "DELETE FROM tokens")
	w.wantHolds(t, secret) // nothing was asked or written
}

// A node that doesn't hear others asks for all of its windows' sessions: a token is none that has ended.
func TestEndedSessionsAndTokens(t *testing.T) {
	w := newWorld(t)
	alice := w.owner(t, "alice")
	open, _ := w.token(t, alice, "open")
	gone, token := w.token(t, alice, "gone")
	hashes := [][]byte{w.wantHolds(t, open).Hash, w.wantHolds(t, gone).Hash}
	if err := w.RevokeToken(t.Context(), alice, token.ID); err != nil {
		t.Fatal(err)
	}
	if ended, err := w.EndedSessions(t.Context(), hashes); err != nil || len(ended) != 1 || string(ended[0]) != string(hashes[1]) {
		t.Errorf("%d have ended: %v", len(ended), err)
	}
}

func TestBrowsers(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	alice, bob := w.two(t)
	first, err := w.RememberBrowser(t.Context(), alice, "made up")
	if err != nil || len(first) != 43 {
		t.Fatalf("the cookie is %q: %v", first, err)
	}
	if again, err := w.RememberBrowser(t.Context(), bob, first); err != nil || again != first {
		t.Errorf("two people's browser has the cookies %q and %q: %v", first, again, err)
	}
	known := func(username, cookie string) bool {
		t.Helper()
		yes, err := w.KnowsBrowser(t.Context(), username, cookie)
		if err != nil {
			t.Error(err)
		}
		return yes
	}
	if !known("ALICE", first) || !known("bob", first) || known("nobody", first) || known("alice", "") || known("alice", "made up") || known("alice", strings.Repeat("A", 43)) {
		t.Error("the wrong browsers are known")
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM known_browsers WHERE hash = UNHEX(SHA2(?, 256))", first); n != 2 {
		t.Errorf("%d rows have the cookie's SHA-256", n)
	}
	w.clock.move(chat.BrowserFor - time.Second)
	if !known("alice", first) {
		t.Error("the browser is forgotten too soon")
	}
	w.clock.move(time.Second)
	if known("alice", first) {
		t.Error("the browser is known for ever")
	}
	for range 25 {
		w.clock.move(time.Second)
		if _, err := w.RememberBrowser(t.Context(), alice, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM known_browsers WHERE user_id = ?", alice.ID); n != 20 || known("alice", first) {
		t.Errorf("%d of her browsers are known", n)
	}
}
