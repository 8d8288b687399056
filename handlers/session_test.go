package handlers

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
)

// sessionCookie is the session's cookie of an answer, nil where it sets none.
func (r *reply) sessionCookie() *http.Cookie {
	for _, c := range r.cookies {
		if strings.HasSuffix(c.Name, "parley") {
			return c
		}
	}
	return nil
}

func credentials(username, password string, more ...string) option {
	return form(append([]string{"username", username, "password", password}, more...)...)
}

// asCookie is somebody with whatever in the session's cookie.
func (w *world) asCookie(token string) *visitor { return &visitor{world: w, token: token} }

func (v *visitor) signedIn() bool {
	v.t.Helper()
	r := v.get("/users", asJSON)
	if r.status != 200 && r.status != 401 {
		v.t.Errorf("asking who is signed in: %d", r.status)
	}
	return r.status == 200
}

func TestSignInAsBrowser(t *testing.T) {
	w := newWorld(t)
	w.account(chat.NewUser{Username: "Alice", DisplayName: "Alice A"})
	r := w.nobody().post("/login", asPage, credentials("aLICE", password)).want(303).wantHeader("Location", "/conversations")
	if !w.asCookie(r.sessionCookie().Value).signedIn() {
		t.Error("the cookie signs nobody in")
	}
	w.nobody().post("/login", asPage, credentials("alice", password, "next", "/conversations/bob?before=7-42")).want(303).
		wantHeader("Location", "/conversations/bob?before=7-42")
}

func TestSignInAsProgram(t *testing.T) {
	w := newWorld(t)
	w.account(chat.NewUser{Username: "alice", DisplayName: "Alice A"})
	for _, content := range []option{object(fields{"username": "alice", "password": password}), credentials("ALICE", password)} {
		r := w.nobody().post("/login", asJSON, content).want(200).wantJSON(`{"username":"alice","display_name":"Alice A","photo":null}`)
		v := w.asCookie(r.sessionCookie().Value)
		if !v.signedIn() {
			t.Error("the cookie signs nobody in")
		}
		if out := v.post("/logout", asJSON).want(204); len(out.body) > 0 {
			t.Errorf("204 with a body: %s", out.body)
		}
	}
}

// Somebody who can't sign in again stays signed in, whether the new session or the end of the old one fails.
func TestFailedSignInKeepsSession(t *testing.T) {
	for _, event := range []string{"INSERT", "DELETE"} {
		w := newWorld(t)
		alice := w.person("alice")
		if _, err := w.db.Exec("CREATE TRIGGER refuses BEFORE " + event + " ON sessions FOR EACH ROW SIGNAL SQLSTATE '45000'"); err != nil {
			t.Fatal(err)
		}
		r := alice.post("/login", asPage, credentials("alice", password)).want(500)
		if r.sessionCookie() != nil || !alice.signedIn() {
			t.Errorf("a sign-in whose %s fails takes the session away, or sends another: %v", event, r.header)
		}
	}
}

// Whatever is wrong, the answer is the same, and holds no password.
func signInsAreRefusedAlike(t *testing.T) {
	w := newWorld(t)
	w.account(chat.NewUser{Username: "alice"})
	w.account(chat.NewUser{Username: "eve"})
	w.disable("eve")
	var page, program string
	for _, c := range [][2]string{{"alice", "wrong horse"}, {"alice", ""}, {"alice", password + " "}, {"alice", strings.ToUpper(password)}, {"nobody", password}, {"eve", password}, {"", ""}, {"a\x00lice", password}} {
		r := w.nobody().post("/login", asPage, credentials(c[0], c[1], "next", "/users")).want(401)
		doc := r.doc()
		if got := doc.Find("input[name=username]").AttrOr("value", ""); got != strings.ReplaceAll(c[0], "\x00", "\ufffd") {
			t.Errorf("the form holds the username %q", got)
		}
		if doc.Find("input[name=password][value]").Length() > 0 || doc.Find("input[name=next]").AttrOr("value", "") != "/users" {
			t.Error("the form forgot where to go, or knows the password")
		}
		said := doc.Find("[role=alert]").Text()
		p := w.nobody().post("/login", asJSON, credentials(c[0], c[1])).wantProblem(401)
		if page == "" {
			page, program = said, p.Detail
		}
		if said != page || p.Detail != program || r.sessionCookie() != nil || said == "" {
			t.Errorf("%q: it says %q and %q, elsewhere %q", c, said, p.Detail, page)
		}
	}
	w.nobody().post("/login", asPage, body("text/plain", "username=alice")).want(415)
	w.nobody().post("/login", asJSON, body("application/json", "{")).wantProblem(400)
	if n := w.count("sessions"); n != 0 {
		t.Errorf("%d sessions were started", n)
	}
}

// Trap: gorilla's cookies are SameSite=None and not HttpOnly unless told.
func TestCookieFlags(t *testing.T) {
	for base, want := range map[string]http.Cookie{
		"":                           {Name: "parley"},
		"http://chat.example":        {Name: "parley"},
		"https://chat.example":       {Name: "__Host-parley", Secure: true},
		"https://chat.example:8443/": {Name: "__Host-parley", Secure: true},
	} {
		t.Run(base, func(t *testing.T) {
			var settings []setting
			if base != "" {
				settings = append(settings, baseURL(base))
			}
			w := newWorld(t, settings...)
			w.account(chat.NewUser{Username: "alice"})
			c := w.nobody().post("/login", asPage, credentials("alice", password)).want(303).sessionCookie()
			if c.Name != want.Name || c.Secure != want.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("the cookie is %s", c.Raw)
			}
			if month := int((30 * 24 * time.Hour).Seconds()); c.MaxAge < month-60 || c.MaxAge > month {
				t.Errorf("it is kept for %d s", c.MaxAge)
			}
			if len(c.Value) < 43 {
				t.Errorf("the token %q has fewer than 256 bits", c.Value)
			}
			gone := w.asCookie(c.Value).post("/logout", asPage).want(303).sessionCookie()
			if gone == nil || gone.Name != want.Name || gone.MaxAge >= 0 || gone.Value != "" || gone.Secure != want.Secure || !gone.HttpOnly {
				t.Errorf("at signing out it is %+v", gone)
			}
		})
	}
}

// A cookie that another host could have set isn't taken where the name with the prefix is ours.
func TestCookieOfAnotherName(t *testing.T) {
	w := newWorld(t, baseURL("https://chat.example"))
	alice := w.person("alice")
	if !alice.signedIn() {
		t.Fatal("alice isn't signed in")
	}
	w.nobody().get("/users", asJSON, header("Cookie", "parley="+alice.token)).want(401)
}

// A session ID that somebody planted before the sign-in, or that was valid before it, is none afterwards.
func sessionFixation(t *testing.T) {
	w := newWorld(t)
	alice := w.account(chat.NewUser{Username: "alice"})
	mallory := w.person("mallory")
	for name, planted := range map[string]string{"made up": "planted-by-mallory", "mallory's": mallory.token, "alice's own": w.signIn(alice).token} {
		r := w.asCookie(planted).post("/login", asPage, credentials("alice", password)).want(303)
		fresh := r.sessionCookie().Value
		if fresh == planted || !w.asCookie(fresh).signedIn() {
			t.Errorf("%s: the new session is %q", name, fresh)
		}
		if w.asCookie(planted).signedIn() {
			t.Errorf("%s: the old session goes on", name)
		}
	}
}

func TestSignOutEndsOneSession(t *testing.T) {
	w := newWorld(t)
	phone := w.person("alice")
	desk := w.signIn(phone.user)
	phone.post("/logout", asPage).want(303).wantHeader("Location", "/login")
	if phone.signedIn() || !desk.signedIn() {
		t.Error("signing out ended the wrong sessions")
	}
	if n := w.count("sessions"); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
	phone.post("/logout", asPage).want(303) // once more is no error
	w.nobody().post("/logout", asJSON).want(204)
}

func TestSessionIsRenewedWhileUsed(t *testing.T) {
	w := newWorld(t, func(_ *Config, o *chat.Options) { o.SessionLifetime = time.Hour })
	alice := w.person("alice")
	if c := alice.get("/users").want(200).sessionCookie(); c != nil {
		t.Errorf("a fresh session's cookie is sent again: %s", c.Raw)
	}
	for range 3 {
		w.clock.advance(50 * time.Minute)
		c := alice.get("/users").want(200).sessionCookie()
		if c == nil || c.Value != alice.token || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Fatalf("the renewed cookie is %v", c)
		}
		if alice.get("/users").want(200).sessionCookie() != nil {
			t.Error("it is renewed at once again")
		}
	}
	w.clock.advance(61 * time.Minute)
	if alice.signedIn() {
		t.Error("an expired session goes on")
	}
	alice.get("/conversations", asPage).want(303).wantHeader("Location", "/login?next=%2Fconversations&why=ended")
}

func TestDisabledPersonIsOut(t *testing.T) {
	w := newWorld(t)
	eve, alice := w.person("eve"), w.person("alice")
	w.disable("eve")
	if eve.signedIn() || !alice.signedIn() {
		t.Error("the wrong sessions have ended")
	}
	eve.post("/messages", asJSON, form("recipient", "alice", "body", "hi")).wantProblem(401)
	w.nobody().post("/login", asJSON, credentials("eve", password)).wantProblem(401)
}

// The token in the cookie is nowhere else: a copy of the database signs nobody in.
func TestTokenIsStoredNowhere(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.get("/users").want(200)
	var hash []byte
	var agent, ip string
	if err := w.db.QueryRow("SELECT id_hash, user_agent, ip FROM sessions").Scan(&hash, &agent, &ip); err != nil || len(hash) != 32 {
		t.Fatalf("the hash is %x, %v", hash, err)
	}
	for _, stored := range []string{string(hash), hex.EncodeToString(hash), base64.RawURLEncoding.EncodeToString(hash), agent, ip} {
		if stored == alice.token {
			t.Error("the token is in the database")
		}
		if stored = url.QueryEscape(stored); w.asCookie(stored).signedIn() {
			t.Errorf("%q, which the database holds, signs in", stored)
		}
	}
}

func TestStrangeCookies(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, cookie := range []string{
		"parley=", "parley", "=", ";;;", "parley=%00", "parley=\"" + alice.token, "parley=" + strings.Repeat("x", 8000), "parley=' OR 1=1 -- ", "PARLEY=" + alice.token,
		"parley=x; parley=" + alice.token, "\xff=\xff", "zone=Nowhere/Land", "zone=../../etc/passwd", "zone=" + strings.Repeat("A/", 40), "zone=Local",
	} {
		r := w.nobody().get("/login", header("Cookie", cookie)).want(200)
		if r.sessionCookie() != nil {
			t.Errorf("%.40q is answered with %s", cookie, r.sessionCookie().Raw)
		}
		alice.get("/conversations", header("Cookie", alice.cookie()+"; "+cookie)).want(200)
	}
}

// elsewhere is each way to write another host, or nothing that is an address here.
var elsewhere = []string{
	"//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\/evil.example", "\\\\evil.example", "/\\/evil.example", "\\evil.example",
	"https://evil.example", "https:/evil.example", "https:evil.example", "http:evil.example", "HTTPS://evil.example", "ftp://evil.example", "//evil.example@parley.example",
	"https://parley.example@evil.example", "//user:password@evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x",
	"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", "\n//evil.example", " //evil.example", "\x00//evil.example", "/\x00/evil.example", "\u00a0//evil.example",
	"/.//evil.example", "/..//evil.example", "/./\\evil.example", "/x/..//evil.example", "/x/../../\\evil.example", "/%2e%2e//evil.example",
	"evil.example", "@evil.example", ":80", "?x", "#x", "", "./conversations", "../conversations", "\uff0f\uff0fevil.example", "/conversations\r\nSet-Cookie: x=y", "/a\\..\\..\\evil",
}

// here is what looks odd and stays on this server.
var here = []string{
	"/", "/conversations", "/conversations/bob?before=7-42", "/users?q=a%2Fb&limit=5", "/conversations/jos%C3%A9", "/users?q=//x", "/users?q=https://evil.example",
	"/%2f%2fevil.example", "/%09/evil.example", "/%5cevil.example", "/messages/7-42#x", "/a:b@c", "/users/",
}

func nextLeadsNowhereElse(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, next := range append(elsewhere, here...) {
		query := "/login?next=" + url.QueryEscape(next)
		shown := w.nobody().get(query, asPage).want(200).doc().Find("input[name=next]").AttrOr("value", "")
		checkLocal(t, next, shown)
		checkLocal(t, next, alice.get(query, asPage).want(303).header.Get("Location"))
	}
	w.account(chat.NewUser{Username: "bob"})
	for _, next := range []string{"//evil.example", "/\\evil.example", "/\t/evil.example", "/conversations/bob?before=7-42"} {
		for _, content := range []option{credentials("bob", password, "next", next), object(fields{"username": "bob", "password": password, "next": next})} {
			checkLocal(t, next, w.nobody().post("/login", asPage, content).want(303).header.Get("Location"))
		}
	}
}

// checkLocal follows an address as a browser would: it drops white space, and reads a backslash as a slash.
func checkLocal(t *testing.T, next, to string) {
	t.Helper()
	seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(strings.Trim(to, "\x00 "))
	base := &url.URL{Scheme: "https", Host: "parley.example", Path: "/login"}
	target, err := base.Parse(seen)
	if err != nil || target.Host != base.Host || target.Scheme != base.Scheme || target.User != nil || strings.HasPrefix(seen, "//") {
		t.Errorf("next=%q leads to %q", next, to)
	}
	for _, good := range here {
		if next == good && to != next {
			t.Errorf("next=%q is lost: it leads to %q", next, to)
		}
	}
	for _, bad := range elsewhere {
		if next == bad && to != "" && to != "/conversations" {
			t.Errorf("next=%q leads to %q", next, to)
		}
	}
}

// What a signed-out person asked for comes after the sign-in, however odd the address is.
func TestAskedForComesAfterSigningIn(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"/conversations/bob?before=7-42&x=a%26b": "/conversations/bob?before=7-42&x=a%26b",
		"/users?q=%2F%2Fevil":                    "/users?q=%2F%2Fevil",
		"/conversations/%5C%5Cevil":              "/conversations/%5C%5Cevil",
	} {
		to := w.nobody().get(path, asPage).want(303).header.Get("Location")
		shown := w.nobody().get(to, asPage).want(200).doc().Find("input[name=next]").AttrOr("value", "")
		if shown != want {
			t.Errorf("%s leads by %s to %q", path, to, shown)
		}
	}
	for current, want := range map[string]string{
		"http://parley.example/conversations/bob?x=1": "/login?next=%2Fconversations%2Fbob%3Fx%3D1",
		"http://parley.example//evil.example":         "/login", "https://evil.example/conversations": "/login?next=%2Fconversations",
		"": "/login", "%zz": "/login", "javascript:x": "/login", "http://parley.example": "/login", "http://x/\\evil.example": "/login?next=%2F%255Cevil.example",
	} {
		got := w.nobody().get("/conversations", asFragment, header("HX-Current-URL", current)).want(401).header.Get("HX-Redirect")
		if got != want {
			t.Errorf("from %q htmx is sent to %q, want %q", current, got, want)
		}
	}
}

// Trap: a link, an image or a prefetch must not sign anybody out.
func TestSigningOutTakesAPost(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, s := range shapes {
		alice.get("/logout", s.ask).want(405).wantHeader("Allow", "POST")
	}
	alice.do("HEAD", "/logout").want(405)
	if !alice.signedIn() {
		t.Error("GET /logout signs out")
	}
}

// A request that renews its session and then ends it, or starts another, sends one cookie: the last.
func TestRenewalAndSignInInOneRequest(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.clock.advance(2 * time.Minute)
	r := alice.post("/login", asJSON, credentials("alice", password)).want(200)
	if cookies := r.header.Values("Set-Cookie"); len(cookies) != 1 || strings.Contains(cookies[0], alice.token) {
		t.Fatalf("the cookies are %q", cookies)
	}
	alice.token = r.sessionCookie().Value
	alice.get("/conversations", asJSON).want(200)

	w.clock.advance(2 * time.Minute)
	r = alice.post("/logout", asJSON).want(204)
	if cookies := r.header.Values("Set-Cookie"); len(cookies) != 1 || strings.Contains(cookies[0], alice.token) {
		t.Fatalf("the cookies are %q", cookies)
	}
}
