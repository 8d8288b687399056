package handlers

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"parley/db/chat"
	"parley/handlers/hub"
)

// bears has a request come under an access token.
func underToken(token string) option { return header("Authorization", "Bearer "+token) }

// tokenOf makes an access token of somebody's without HTTP.
func (v *visitor) tokenOf(name string, scope chat.Scope) (secret string, token chat.Token) {
	v.t.Helper()
	secret, token, err := v.store.CreateToken(v.t.(*testing.T).Context(), chat.Actor{User: v.user}, chat.NewToken{Name: name, Scope: string(scope), Days: "30", Current: password})
	if err != nil {
		v.t.Fatal(err)
	}
	return secret, token
}

type tokenList struct {
	Results []tokenBody `json:"results"`
	Next    *string     `json:"next"`
}

func TestTokenLife(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.get("/account/tokens", asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
	alice.get("/account/tokens", asPage).want(200).wantText("You have no access tokens. Make the first one below.")
	var made tokenBody
	r := alice.post("/account/tokens", asJSON, object(fields{"name": "bot", "scope": "read", "days": "never", "current_password": password})).want(201)
	r.wantHeader("Location", "/account/tokens").wantHeader("Cache-Control", "no-store").into(&made)
	if made.Name != "bot" || made.Scope != "read" || made.ExpiresAt != nil || made.UsedAt != nil || made.UsedIP != nil || len(made.Token) != 56 {
		t.Errorf("made is %+v", made)
	}
	w.nobody().get("/users", underToken(made.Token)).want(200)
	var list tokenList
	alice.get("/account/tokens", asJSON).want(200).wantNoText(made.Token[7:]).into(&list)
	if len(list.Results) != 1 || list.Results[0].ID != made.ID || list.Results[0].UsedAt == nil || *list.Results[0].UsedIP != "0.0.0.0" {
		t.Errorf("the list is %+v", list)
	}
	alice.get("/account/tokens", asPage).want(200).wantNoText(made.Token[7:], made.Token).wantText("bot", "never expires", "from 0.0.0.0")
	gone := "/account/tokens/" + "1" + "/revoke"
	w.person("mallory").post(gone, asJSON).wantProblem(404)
	alice.post(gone, asPage).want(303).wantHeader("Location", "/account/tokens?done=revoked")
	w.nobody().get("/users", underToken(made.Token)).wantProblem(401)
	alice.post(gone, asJSON).wantProblem(404)
	alice.get("/account/tokens?done=revoked", asPage).want(200).wantText("The token was revoked.")
	for _, id := range []string{"x", "-1", "1e3", "99999999999999999999999"} {
		alice.post("/account/tokens/"+id+"/revoke", asJSON).wantProblem(404)
	}
}

// A browser sees the token once, on the answer to the form; a reload of that makes no second one.
func TestTokenIsShownOnce(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	asked := form("name", "Back <b>up", "scope", "write", "days", "90", "current_password", password)
	doc := alice.post("/account/tokens", asPage, asked).want(201).doc()
	secret := doc.Find(".made code").Text()
	w.nobody().get("/account/profile", underToken(secret)).want(200).wantText(`"username":"alice"`)
	again := alice.post("/account/tokens", asPage, asked).want(422).wantNoText(secret, password).wantText("You have a token of this name already")
	if n := w.count("tokens"); n != 1 {
		t.Errorf("%d tokens", n)
	}
	form := again.doc().Find("form.fields")
	if form.Find("[name=name]").AttrOr("value", "") != "Back <b>up" || form.Find("[name=scope][checked]").AttrOr("value", "") != "write" ||
		form.Find("[name=days][checked]").AttrOr("value", "") != "90" || form.Find("[name=current_password]").AttrOr("value", "") != "" {
		t.Error("the form forgot what was typed, or knows the password")
	}
	alice.post("/account/tokens", asJSON, object(fields{"name": " ", "scope": "all", "days": "1", "current_password": ""})).wantFields(422, "name", "scope", "days")
	alice.post("/account/tokens", asJSON, object(fields{"name": "x", "scope": "read", "days": "30", "current_password": "wrong"})).wantFields(422, "current_password")
	if strings.Contains(w.log.String(), secret[7:]) {
		t.Error("the log has the token")
	}
}

// A program gets JSON unless it asks for something else, and never a cookie.
func TestBearerRequests(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	secret, _ := alice.tokenOf("bot", chat.ScopeWrite)
	bob.send("alice", "hello")
	w.clock.advance(2 * renewedAfter)
	for _, path := range []string{"/users", "/users?q=bob", "/users/bob", "/conversations", "/conversations/bob", "/messages?with=bob", "/messages/1-1", "/account/profile"} {
		for _, accept := range []string{"", "*/*", "application/json"} {
			r := w.nobody().get(path, underToken(secret), header("Accept", accept)).want(200).wantHeader("Content-Type", "application/json")
			if len(r.cookies) > 0 {
				t.Errorf("%s sets %v", path, r.cookies)
			}
		}
	}
	w.nobody().get("/conversations/bob", underToken(secret), asPage).want(200).wantText("<!doctype html>", "hello")
	w.nobody().get("/conversations/bob", underToken(secret), asFragment).want(200).wantText("hello").wantNoText("<!doctype html>")
	w.nobody().get("/users", header("Authorization", "bearer "+secret)).want(200)
	w.nobody().post("/messages", underToken(secret), object(fields{"recipient": "bob", "body": "from a bot"})).want(201).wantText("from a bot")
	w.nobody().do("PUT", "/conversations/bob/read", underToken(secret), object(fields{"seq": 1})).want(204)
	w.nobody().get("/nothing", underToken(secret)).wantProblem(404)
	w.nobody().get("/users/nobody", underToken(secret)).wantProblem(404)
	w.nobody().get("/users", header("Authorization", "Basic YTpi"), asJSON).wantProblem(401)
}

func TestTokensThatDoNotHold(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	secret, token := alice.tokenOf("bot", chat.ScopeWrite)
	expired, _ := alice.tokenOf("expired", chat.ScopeWrite)
	if err := w.store.RevokeToken(t.Context(), chat.Actor{User: alice.user}, token.ID); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(31 * 24 * time.Hour)
	for name, value := range map[string]string{"revoked": secret, "expired": expired, "a session's": alice.token, "made up": "parley_x", "none": ""} {
		for _, path := range []string{"/users", "/", "/login", "/account/tokens", "/ws", "/nothing"} {
			for _, ask := range []option{header("Accept", "*/*"), asPage, asFragment} {
				r := w.nobody().get(path, underToken(value), ask).want(401)
				r.wantHeader("WWW-Authenticate", `Bearer realm="Parley", error="invalid_token"`)
				if len(r.cookies) > 0 {
					t.Errorf("%s at %s sets %v", name, path, r.cookies)
				}
			}
		}
		if p := w.nobody().post("/messages", underToken(value), object(fields{})).wantProblem(401); !strings.Contains(p.Detail, "access token") {
			t.Errorf("%s: %s", name, p.Detail)
		}
	}
	w.nobody().get("/users", asJSON).want(401).wantHeader("WWW-Authenticate", `Bearer realm="Parley"`)
}

func TestTokenOfSomebodyDisabled(t *testing.T) {
	w := newWorld(t, forgetful)
	alice := w.person("alice")
	secret, _ := alice.tokenOf("bot", chat.ScopeWrite)
	w.nobody().get("/users", underToken(secret)).want(200)
	w.disable("alice")
	w.nobody().get("/users", underToken(secret)).wantProblem(401)
}

// Who comes with a token and a cookie may be a page of another site that has got hold of one of the two.
func TestTokenAndCookieTogether(t *testing.T) {
	w := newWorld(t)
	alice, mallory := w.person("alice"), w.person("mallory")
	secret, _ := mallory.tokenOf("bot", chat.ScopeWrite)
	alice.get("/users", underToken(secret)).wantProblem(400)
	alice.post("/messages", underToken(secret), form("recipient", "alice", "body", "x")).wantProblem(400)
	alice.post("/messages", underToken(secret), form("recipient", "alice", "body", "x"), header("Origin", "https://evil.example")).wantProblem(403)
	w.asCookie("x").get("/users", underToken(secret)).wantProblem(400)
	w.nobody().get("/users", underToken(secret), header("Cookie", "zone=UTC")).want(200)
	w.nobody().post("/messages", underToken(secret), form("recipient", "alice", "body", "x"), header("Origin", "https://dashboard.example")).want(201)
	if w.messages() != 1 {
		t.Errorf("%d messages", w.messages())
	}
}

func TestReadingTokenChangesNothing(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	secret, _ := alice.tokenOf("bot", chat.ScopeRead)
	m := bob.send("alice", "unread")
	for _, r := range unsafeRoutes(w, strings.NewReplacer(":username", "bob", ":id", m.ID.String())) {
		for _, s := range shapes {
			if slices.Contains(entrance, "/"+strings.Split(r.Path, "/")[1]) {
				continue
			}
			refused := w.nobody().do(r.Method, r.Path, s.ask, underToken(secret), form("recipient", "bob", "body", "x", "seq", "1"))
			if refused.status != 403 {
				t.Errorf("%s %s: %d", r.Method, r.Path, refused.status)
			}
		}
	}
	if p := w.nobody().post("/messages", underToken(secret), form("recipient", "bob", "body", "x")).wantProblem(403); !strings.Contains(p.Detail, "only read") {
		t.Errorf("it says %s", p.Detail)
	}
	for _, ask := range []option{asJSON, asPage} {
		w.nobody().get("/conversations/bob", ask, underToken(secret)).want(200).wantText("unread")
	}
	if c := alice.with("bob"); c.LastReadSeq != 0 || w.messages() != 1 {
		t.Errorf("the conversation is %+v", c)
	}
	alice.get("/conversations/bob", asPage).want(200) // not the page that the token's request may have left behind
	if c := alice.with("bob"); c.LastReadSeq != 1 {
		t.Errorf("she has read up to %d", c.LastReadSeq)
	}
}

// Every route takes a token. What an owner is asked their password for asks the program too, so that a token which was stolen
// can't be made into more than it was. The entrance takes no notice of one.
func TestTokensHoldOnEveryRoute(t *testing.T) {
	w := newWorld(t)
	root := w.admin("root")
	w.person("bob")
	root.post("/admin/place", asJSON, object(fields{"sign_up": "open"})).want(200)
	fill := strings.NewReplacer(":username", "bob", ":id", "1", ":name", "heap", ":number", "1")
	for _, r := range w.server.App().GetRoutes(true) {
		for _, path := range []string{fill.Replace(r.Path), fill.Replace(r.Path) + "/"} {
			secret, token := root.tokenOf("bot", chat.ScopeWrite)
			got := w.nobody().do(r.Method, path, underToken(secret), object(fields{}))
			if got.status == 401 && !strings.HasPrefix(r.Path, "/login") || got.status == 403 && !strings.HasPrefix(r.Path, "/setup") || got.status >= 500 || len(got.cookies) > 0 {
				t.Errorf("%s %s: %d %s", r.Method, path, got.status, got.start())
			}
			if err := w.store.RevokeToken(t.Context(), chat.Actor{User: root.user}, token.ID); (err != nil) != (r.Path == "/logout" && r.Method == http.MethodPost) {
				t.Errorf("%s %s: revoked with %v", r.Method, path, err)
			}
		}
	}
}

// asksForPassword is what a stolen session or token must not be enough for, with whatever else is asked there.
var asksForPassword = map[string]fields{
	"/account/password":                 {"password": "quite another kind of weather"},
	"/account/email":                    {"email": "other@example.org"},
	"/account/tokens":                   {"name": "more", "scope": "write", "days": "30"},
	"/account/factors/totp":             {},
	"/account/factors/passkeys/options": {},
	"/account/factors/recovery-codes":   {},
	"/account/export":                   {},
	"/account/delete":                   {"username": "alice", "messages": "keep"},
}

func TestTokenIsNoPassword(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	secret, _ := alice.tokenOf("bot", chat.ScopeWrite)
	for path, body := range asksForPassword {
		for _, wrong := range []string{"", "wrong", secret} {
			body["current_password"] = wrong
			if path != "/account/password" {
				body["password"] = wrong
			}
			if got := w.nobody().post(path, underToken(secret), object(body)); got.status < 400 || got.status >= 500 {
				t.Errorf("%s with %q: %d %s", path, wrong, got.status, got.start())
			}
		}
	}
	if w.count("tokens") != 1 || w.count("users") != 1 {
		t.Error("a token alone changed something")
	}
	w.nobody().post("/login", asJSON, object(fields{"username": "alice", "password": password})).want(200)
}

// With the password a program changes it, which ends every session, and no cookie is made for it.
func TestTokenWithThePassword(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	secret, _ := alice.tokenOf("bot", chat.ScopeWrite)
	r := w.nobody().post("/account/password", underToken(secret), object(fields{"current_password": password, "password": "quite another kind of weather"})).want(204)
	if len(r.cookies) > 0 || w.count("sessions") != 0 {
		t.Errorf("cookies %v, %d sessions", r.cookies, w.count("sessions"))
	}
	alice.get("/users", asJSON).wantProblem(401)
	w.nobody().post("/account/email", underToken(secret), object(fields{"current_password": "quite another kind of weather", "email": "a@example.org"})).want(200)
	w.nobody().post("/account/password", underToken(secret), object(fields{"current_password": "quite another kind of weather", "password": password, "revoke_tokens": true})).want(204)
	w.nobody().get("/users", underToken(secret)).wantProblem(401)
	secret, _ = alice.tokenOf("bot", chat.ScopeWrite)
	r = w.nobody().post("/account/delete", underToken(secret), object(fields{"username": "alice", "current_password": password, "messages": "keep"})).want(204)
	if len(r.cookies) > 0 {
		t.Errorf("cookies %v", r.cookies)
	}
	w.nobody().get("/users", underToken(secret)).wantProblem(401)
}

// A node may remember a token for a moment after another has revoked it. What would outlast it looks again.
func TestRevokedTokenMakesNothingThatStays(t *testing.T) {
	w := newWorld(t, func(_ *Config, o *chat.Options) { o.RememberFor = time.Hour })
	alice := w.admin("alice")
	secret, _ := alice.tokenOf("bot", chat.ScopeWrite)
	for range 2 { // so that it is remembered, now that its use was noted
		w.nobody().get("/users", underToken(secret)).want(200)
	}
	if _, err := w.db.Exec("DELETE FROM tokens"); err != nil {
		t.Fatal(err)
	}
	w.nobody().get("/users", underToken(secret)).want(200)
	for path, body := range map[string]fields{
		"/account/tokens":      {"name": "more", "scope": "write", "days": "30", "current_password": password},
		"/account/invitations": {"uses": 1},
		"/account/password":    {"current_password": password, "password": "quite another kind of weather"},
		"/account/email":       {"current_password": password, "email": "a@example.org"},
	} {
		if p := w.nobody().post(path, underToken(secret), object(body)).wantProblem(401); !strings.Contains(p.Detail, "ended") {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
	if w.count("tokens")+w.count("invitations") != 0 {
		t.Error("something was made")
	}
}

// At the entrance a token makes nobody of whoever brings it.
func TestEntranceTakesNoNoticeOfTokens(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	read, _ := alice.tokenOf("bot", chat.ScopeRead)
	w.nobody().get("/login", asPage, underToken(read)).want(200).wantText("Sign in")
	in := w.nobody().post("/login", underToken(read), object(fields{"username": "alice", "password": password})).want(200)
	if len(in.cookies) == 0 {
		t.Error("no cookie")
	}
	w.nobody().get("/users", underToken(read)).want(200)
	w.nobody().post("/logout", underToken(read)).wantProblem(403)
	write, _ := alice.tokenOf("other", chat.ScopeWrite)
	w.nobody().post("/logout", underToken(write)).want(204)
	w.nobody().get("/users", underToken(write)).wantProblem(401)
	alice.get("/users", asJSON).want(200)
}

// A token is its owner's: it sees their account, and the admin pages where they are an admin.
func TestTokensSeeWhatTheirOwnersSee(t *testing.T) {
	w := newWorld(t)
	for visitor, audit := range map[*visitor]int{w.admin("root"): 200, w.person("bob"): 404} {
		secret, _ := visitor.tokenOf("bot", chat.ScopeRead)
		w.nobody().get("/account/devices", underToken(secret)).want(200)
		w.nobody().get("/admin/audit", underToken(secret)).want(audit)
	}
}

func (v *visitor) dial(addr string, h http.Header) (*window, int) {
	v.t.Helper()
	conn, answer, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws", h)
	if err != nil && answer == nil {
		v.t.Fatal(err)
	}
	if err != nil {
		return nil, answer.StatusCode
	}
	v.t.Cleanup(func() { conn.Close() })
	return &window{v.t, conn}, answer.StatusCode
}

// A program's window needs no Origin, and one of another site is refused with a token too. Revoking closes just the
// windows of that token, on every node, within a second.
func TestWindowsUnderTokens(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice, bob := w.person("alice"), w.person("bob")
	gone, token := alice.tokenOf("gone", chat.ScopeRead)
	stays, _ := alice.tokenOf("stays", chat.ScopeWrite)
	under := func(secret string, more ...string) http.Header {
		h := http.Header{"Authorization": {"Bearer " + secret}}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	for name, c := range map[string]struct {
		header http.Header
		status int
	}{
		"our own origin":   {under(gone, "Origin", "http://"+addr), 101},
		"another site's":   {under(gone, "Origin", "https://evil.example"), 403},
		"no site's":        {under(gone, "Origin", "null"), 403},
		"with a cookie":    {under(gone, "Cookie", alice.cookie()), 400},
		"a wrong token":    {under("parley_x"), 401},
		"a cookie alone":   {http.Header{"Cookie": {alice.cookie()}}, 403},
		"a prefix of ours": {http.Header{"Authorization": {"Bearer"}}, 401},
	} {
		window, status := alice.dial(addr, c.header)
		if status != c.status {
			t.Errorf("%s: %d, want %d", name, status, c.status)
		}
		if window != nil {
			window.conn.Close()
		}
	}
	w.awaitWindows(0)
	revoked, _ := alice.dial(addr, under(gone))
	other, _ := alice.dial(addr, under(stays))
	page := alice.open(addr)
	w.awaitWindows(3)
	bob.send("alice", "hello")
	for _, one := range []*window{revoked, other, page} {
		one.want(`{"type":"message","id":"1-1","with":"bob","rev":1}`)
	}
	began := time.Now()
	if err := w.store.RevokeToken(t.Context(), chat.Actor{User: alice.user}, token.ID); err != nil {
		t.Fatal(err)
	}
	if code := revoked.closeCode(); code != hub.CloseRevoked || time.Since(began) > time.Second {
		t.Errorf("closed with %d after %s", code, time.Since(began))
	}
	for _, one := range []*window{other, page} {
		one.want(alice.canary())
	}
}

// A node that couldn't hear of it looks its windows' tokens up, and closes no other's.
func TestTokensAreLookedUpWhenOtherNodesReturn(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	gone, token := alice.tokenOf("gone", chat.ScopeRead)
	stays, _ := alice.tokenOf("stays", chat.ScopeRead)
	closed, _ := alice.dial(addr, http.Header{"Authorization": {"Bearer " + gone}})
	open, _ := alice.dial(addr, http.Header{"Authorization": {"Bearer " + stays}})
	w.awaitWindows(2)
	if _, err := w.db.Exec("DELETE FROM tokens WHERE id = ?", token.ID); err != nil {
		t.Fatal(err)
	}
	w.nodes.Notify(chat.Event{Type: chat.EventCheck})
	if code := closed.closeCode(); code != hub.CloseRevoked {
		t.Errorf("closed with %d", code)
	}
	open.want(check)
	open.want(alice.canary())
}

// The token may end between the handshake's first look and the window's registration.
func TestTokenThatEndsDuringTheHandshake(t *testing.T) {
	nodes := newBrokenNodes()
	w := newWorld(t, nodes.with, func(_ *Config, o *chat.Options) { o.RememberFor = time.Hour })
	addr := w.listen()
	alice := w.person("alice")
	secret, _ := alice.tokenOf("gone", chat.ScopeRead)
	for range 2 { // so that it is remembered, now that its use was noted
		w.nobody().get("/users", underToken(secret)).want(200)
	}
	nodes.awaiting = func() {
		if _, err := w.db.Exec("DELETE FROM tokens"); err != nil {
			t.Error(err)
		}
	}
	if window, status := alice.dial(addr, http.Header{"Authorization": {"Bearer " + secret}}); window != nil || status != 401 {
		t.Errorf("answered with %d", status)
	}
}
