package handlers

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/static"
)

// answers is what one visitor gets from a route in each of the three shapes.
type answers struct {
	page, fragment, json int
	location             string // of the redirects among them
}

func all(status int) answers { return answers{status, status, status, ""} }

func redirect(location string) answers { return answers{303, 303, 303, location} }

// mustSignIn is what a signed-out visitor gets wherever somebody has to be signed in.
func mustSignIn(next string) answers { return answers{303, 401, 401, loginURL(next)} }

func (a answers) status(s shape) int {
	return map[shape]int{page: a.page, fragment: a.fragment, program: a.json}[s]
}

// entry is a route as alice (who talks with bob), carol (who doesn't) and somebody signed out meet it.
type entry struct {
	method, pattern string
	path            string // the pattern where it is ""
	send            option // the body of an unsafe request
	participant     answers
	stranger        answers
	signedOut       answers
}

func (e entry) target() string {
	if e.path == "" {
		return e.pattern
	}
	return e.path
}

// public says whether the answer is the same for everybody, and in every shape.
func (e entry) public() bool {
	return e.pattern == "/healthz" || e.pattern == "/readyz" || strings.HasPrefix(e.pattern, static.Prefix)
}

// table has every route; TestEveryRouteIsInTheTable sees to that. The admin pages have their own.
func table(message string) []entry {
	sent := answers{303, 201, 201, "/conversations/bob"}
	list := answers{303, 200, 200, "/conversations/bob"}
	left := answers{303, 303, 204, "/login"}
	saved := answers{303, 303, 200, "/account/profile?done=saved"}
	others := answers{303, 303, 204, "/account/devices?done=others"}
	mine := all(422) // nobody reports their own message
	blocks := answers{303, 303, 204, "/account/blocks"}
	home := answers{200, 200, 303, "/account/profile"}
	removed := answers{303, 303, 200, "/account/profile?done=photo-removed"}
	sending := form("recipient", "bob", "body", "once more")
	return []entry{
		{"GET", "/healthz", "", nil, all(200), all(200), all(200)},
		{"GET", "/readyz", "", nil, all(200), all(200), all(200)},
		{"GET", "/static/:name", static.URL("app.css"), nil, all(200), all(200), all(200)},
		{"GET", "/metrics", "", nil, all(404), all(404), all(404)}, // without the token
		{"GET", "/", "", nil, redirect("/conversations"), redirect("/conversations"), redirect("/login")},
		{"GET", "/login", "", nil, redirect("/conversations"), redirect("/conversations"), all(200)},
		{"POST", "/login", "", object(fields{}), all(401), all(401), all(401)},
		{"GET", "/password/forgot", "", nil, all(200), all(200), all(200)},
		{"POST", "/password/forgot", "", form("email", "bob@example.org"), all(422), all(422), all(422)}, // no mail here; where there is: TestForgotten
		{"GET", "/password/changed", "", nil, all(200), all(200), all(200)},
		{"GET", "/password/reset/:token", "/password/reset/unknown", nil, all(404), all(404), all(404)},
		{"POST", "/password/reset/:token", "/password/reset/unknown", form("password", password), all(404), all(404), all(404)},
		{"GET", "/email/confirmed", "", nil, all(200), all(200), all(200)},
		{"GET", "/email/confirm/:token", "/email/confirm/unknown", nil, all(404), all(404), all(404)},
		{"POST", "/email/confirm/:token", "/email/confirm/unknown", form(), all(404), all(404), all(404)},
		{"GET", "/signup", "", nil, redirect("/conversations"), redirect("/conversations"), all(403)}, // closed; more in signup_test.go
		{"POST", "/signup", "", form(), all(403), all(403), all(403)},
		{"GET", "/setup/:token", "/setup/abc", nil, all(404), all(404), all(404)}, // as if there were nothing; more in setup_test.go
		{"POST", "/setup/:token", "/setup/abc", form(), all(404), all(404), all(404)},
		{"GET", "/users", "", nil, all(200), all(200), mustSignIn("/users")},
		{"GET", "/users/:username", "/users/bob", nil, all(200), all(200), mustSignIn("/users/bob")},
		{"POST", "/users/:username/block", "/users/bob/block", form(), blocks, blocks, mustSignIn("")},
		{"POST", "/users/:username/unblock", "/users/bob/unblock", form(), blocks, blocks, mustSignIn("")},
		{"GET", "/conversations", "", nil, all(200), all(200), mustSignIn("/conversations")},
		{"GET", "/conversations/:username", "/conversations/bob", nil, all(200), all(200), mustSignIn("/conversations/bob")},
		{"PUT", "/conversations/:username/read", "/conversations/bob/read", form("seq", "1"), all(204), all(204), mustSignIn("")},
		{"GET", "/messages", "/messages?with=bob", nil, list, list, mustSignIn("/messages?with=bob")},
		{"POST", "/messages", "", sending, sent, sent, mustSignIn("")},
		{"GET", "/messages/:id", "/messages/" + message, nil, all(200), all(404), mustSignIn("/messages/" + message)},
		{"GET", "/messages/:id/report", "/messages/" + message + "/report", nil, mine, all(404), mustSignIn("/messages/" + message + "/report")},
		{"POST", "/messages/:id/report", "/messages/" + message + "/report", form("reason", "spam"), mine, all(404), mustSignIn("")}, // bob's: TestReport
		{"GET", "/account", "", nil, home, home, mustSignIn("/account")},
		{"GET", "/account/profile", "", nil, all(200), all(200), mustSignIn("/account/profile")},
		{"GET", "/farewell", "", nil, all(200), all(200), all(200)},
		{"GET", "/photos/:photo/:side", "/photos/none/64", nil, all(404), all(404), mustSignIn("/photos/none/64")},
		{"POST", "/account/photo", "", form(), all(415), all(415), mustSignIn("")},
		{"POST", "/account/photo/remove", "", form(), removed, removed, mustSignIn("")},
		{"GET", "/account/export", "", nil, all(200), all(200), mustSignIn("/account/export")},
		{"POST", "/account/export", "", form("current_password", "wrong"), all(422), all(422), mustSignIn("")},
		{"GET", "/account/delete", "", nil, all(200), all(200), mustSignIn("/account/delete")},
		{"POST", "/account/delete", "", form("current_password", "wrong", "messages", "keep"), all(422), all(422), mustSignIn("")},
		{"POST", "/account/profile", "", form("display_name", "Somebody"), saved, saved, mustSignIn("")},
		{"GET", "/account/password", "", nil, all(200), all(200), mustSignIn("/account/password")},
		{"POST", "/account/password", "", form("password", "short"), all(422), all(422), mustSignIn("")},
		{"GET", "/account/email", "", nil, all(200), all(200), mustSignIn("/account/email")},
		{"POST", "/account/email/confirmation", "", nil, all(422), all(422), mustSignIn("")},
		{"POST", "/account/email", "", form("email", "nobody"), all(422), all(422), mustSignIn("")},
		{"GET", "/account/devices", "", nil, all(200), all(200), mustSignIn("/account/devices")},
		{"POST", "/account/devices/end-others", "", form(), others, others, mustSignIn("")},
		{"POST", "/account/devices/:id/end", "/account/devices/0123456789abcdef/end", form(), all(404), all(404), mustSignIn("")},
		{"GET", "/login/factor", "", nil, all(401), all(401), all(401)}, // without a sign-in that waits: TestSecondFactor
		{"POST", "/login/factor", "", form("code", "123456"), all(401), all(401), all(401)},
		{"POST", "/login/passkey", "", form(), all(422), all(422), all(422)}, // not at this address: TestPasskeys
		{"GET", "/account/factors", "", nil, all(200), all(200), mustSignIn("/account/factors")},
		{"POST", "/account/factors/totp", "", form("password", password), answers{303, 303, 201, "/account/factors/totp"}, answers{303, 303, 201, "/account/factors/totp"}, mustSignIn("")},
		{"GET", "/account/factors/totp", "", nil, all(200), all(200), mustSignIn("/account/factors/totp")},
		{"POST", "/account/factors/totp/confirm", "", form("code", "wrong"), all(422), all(422), mustSignIn("")},
		{"POST", "/account/factors/totp/remove", "", form("password", password), answers{303, 303, 200, "/account/factors?done=totp-removed"}, answers{303, 303, 200, "/account/factors?done=totp-removed"}, mustSignIn("")},
		{"POST", "/account/factors/recovery-codes", "", form("password", password), all(422), all(422), mustSignIn("")},
		{"POST", "/account/factors/passkeys/options", "", form("password", password), all(422), all(422), mustSignIn("")},
		{"POST", "/account/factors/passkeys", "", form("credential", "{}"), all(422), all(422), mustSignIn("")},
		{"POST", "/account/factors/passkeys/:id/remove", "/account/factors/passkeys/1/remove", form("password", password), all(404), all(404), mustSignIn("")},
		{"GET", "/account/blocks", "", nil, all(200), all(200), mustSignIn("/account/blocks")},
		{"PUT", "/account/blocks/:username", "/account/blocks/bob", form(), all(204), all(204), mustSignIn("")},
		{"DELETE", "/account/blocks/:username", "/account/blocks/bob", form(), all(204), all(204), mustSignIn("")},
		{"GET", "/account/reports", "", nil, all(200), all(200), mustSignIn("/account/reports")},
		{"GET", "/account/activity", "", nil, all(200), all(200), mustSignIn("/account/activity")},
		{"GET", "/account/tokens", "", nil, all(200), all(200), mustSignIn("/account/tokens")},
		{"POST", "/account/tokens", "", form("name", "x", "scope", "read", "days", "30", "current_password", "wrong"), all(422), all(422), mustSignIn("")},
		{"POST", "/account/tokens/:id/revoke", "/account/tokens/99/revoke", nil, all(404), all(404), mustSignIn("")},
		{"GET", "/account/invitations", "", nil, all(200), all(200), mustSignIn("/account/invitations")},
		{"POST", "/account/invitations", "", form(), all(403), all(403), mustSignIn("")}, // admins only, while signing up is closed
		{"POST", "/account/invitations/:id/revoke", "/account/invitations/1/revoke", form(), all(404), all(404), mustSignIn("")},
		{"GET", "/ws", "", nil, all(426), all(426), all(426)},
		{"POST", "/logout", "", form(), left, left, left},
	}
}

func TestEveryRouteIsInTheTable(t *testing.T) {
	known := map[string]bool{}
	for _, e := range table("1-1") {
		known[e.method+" "+e.pattern] = true
		if e.method == http.MethodGet {
			known["HEAD "+e.pattern] = true
		}
	}
	for _, r := range newWorld(t).server.App().GetRoutes(true) {
		if !known[r.Method+" "+r.Path] && !strings.HasPrefix(r.Path, "/admin") {
			t.Errorf("%s %s has no entry in the table of this test", r.Method, r.Path)
		}
		delete(known, r.Method+" "+r.Path)
	}
	for gone := range known {
		t.Errorf("%s is in the table and is no route", gone)
	}
}

func TestEveryRouteInEveryShapeForEverybody(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	first := alice.send("bob", "the secret of alice and bob")
	for _, e := range table(first.ID.String()) {
		for _, visit := range []struct {
			name    string
			visitor *visitor
			want    answers
		}{
			{"participant", w.signIn(alice.user), e.participant},
			{"the other one", w.signIn(bob.user), e.participant},
			{"stranger", w.signIn(carol.user), e.stranger},
			{"signed out", w.nobody(), e.signedOut},
		} {
			if visit.name == "the other one" && e.pattern != "/messages/:id" {
				continue
			}
			for _, s := range shapes {
				t.Run(strings.Join([]string{e.method, e.pattern, visit.name, s.name}, " "), func(t *testing.T) {
					visit.visitor.t = t
					checkAnswer(t, e, visit.visitor, visit.want, s.ask, s.shape)
				})
				if e.pattern == "/logout" && visit.visitor.token != "" {
					visit.visitor = w.signIn(visit.visitor.user)
				}
			}
		}
	}
}

func checkAnswer(t *testing.T, e entry, v *visitor, want answers, ask option, s shape) {
	options := []option{ask}
	if e.send != nil {
		options = append(options, e.send)
	}
	r := v.do(e.method, e.target(), options...).want(want.status(s))
	checkSecurityHeaders(t, r)
	if r.status == http.StatusSeeOther {
		r.wantHeader("Location", want.location)
	}
	if e.public() {
		return
	}
	r.wantHeader("Cache-Control", "no-store")
	checkVary(t, r, "Accept", "HX-Request")
	checkContentType(t, r, s)
	if isMember := v.user.Username == "alice" || v.user.Username == "bob"; !isMember && !strings.HasPrefix(e.pattern, "/admin") {
		r.wantNoText("the secret of")
	}
	if r.status == http.StatusUnauthorized && s == fragment && want.location != "" {
		r.wantHeader("HX-Redirect", "/login")
	}
	if e.method == http.MethodGet {
		checkHead(t, e, v, r, ask)
	}
}

func checkSecurityHeaders(t *testing.T, r *reply) {
	t.Helper()
	referrer := "same-origin"
	if secretIn(r.what) != "" {
		referrer = "strict-origin"
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              referrer,
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		r.wantHeader(name, want)
	}
	if !validRequestID(r.header.Get("X-Request-Id")) {
		t.Errorf("%s: the request ID is %q", r.what, r.header.Get("X-Request-Id"))
	}
	if server := r.header.Get("Server"); server != "" {
		t.Errorf("%s: the server calls itself %q", r.what, server)
	}
}

func checkVary(t *testing.T, r *reply, names ...string) {
	t.Helper()
	have := strings.FieldsFunc(strings.Join(r.header.Values("Vary"), ","), func(c rune) bool { return c == ',' || c == ' ' })
	for _, name := range names {
		if !slices.Contains(have, name) {
			t.Errorf("%s: Vary is %q, without %s", r.what, r.header.Values("Vary"), name)
		}
	}
}

// checkContentType looks at answers with a body. The sign-in form has one shape: there is nothing in it for a program.
func checkContentType(t *testing.T, r *reply, s shape) {
	t.Helper()
	want := "text/html; charset=utf-8"
	switch {
	case len(r.body) == 0:
		return
	case s == program && r.status >= 400:
		want = "application/problem+json"
	case s == program && !strings.HasSuffix(r.what, "/login"):
		want = "application/json"
	}
	r.wantHeader("Content-Type", want)
	if isPage := strings.HasPrefix(string(r.body), "<!doctype html>"); s == fragment && isPage && !strings.HasSuffix(r.what, "/login") {
		t.Errorf("%s: the fragment is a page", r.what)
	} else if s == page && !isPage {
		t.Errorf("%s: the page begins with %s", r.what, r.start())
	}
}

// checkHead sends HEAD too: it answers as GET, without the body.
func checkHead(t *testing.T, e entry, v *visitor, get *reply, ask option) {
	t.Helper()
	head := v.do(http.MethodHead, e.target(), ask).want(get.status)
	if len(head.body) > 0 {
		t.Errorf("%s: HEAD has a body", e.target())
	}
	for _, name := range []string{"Content-Type", "Location", "Vary", "Cache-Control", "Content-Security-Policy"} {
		head.wantHeader(name, get.header.Get(name))
	}
}

// Trap: a session cookie on an answer that a shared cache keeps is somebody else's session.
func TestPublicAnswersCarryNoCookie(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.clock.advance(2 * renewedAfter)
	for _, e := range table("1-1") {
		if !e.public() {
			continue
		}
		if r := alice.get(e.target()).want(200); len(r.cookies) > 0 {
			t.Errorf("%s sets %v", e.target(), r.cookies)
		}
	}
}

func TestUnknownAddresses(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("bob")
	for _, path := range []string{
		"/nothing", "/ADMIN", "/Admin/users", "/admin%2Fusers", "//admin", "/conversations/bob/read/x", "/users/bob/x", "/messages/1-1/x",
		"/USERS", "/Messages", "/conversations/..", "/conversations/%2e%2e", "/users/nobody", "/conversations/nobody",
		"/static/app.css", "/static/..%2fstatic.go", "/static/", "/healthz/x", "/.env", "/wss",
	} {
		for _, v := range []*visitor{alice, w.nobody()} {
			for _, s := range shapes {
				r := v.get(path, s.ask)
				if v.user.ID == 0 && (r.status == 303 || r.status == 401) {
					continue // says first that one has to sign in
				}
				r.want(404)
				checkSecurityHeaders(t, r)
				checkContentType(t, r, s.shape)
			}
		}
	}
}

func TestOtherMethods(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	m := alice.send("alice", "a note")
	before := w.count("messages")
	for _, e := range table(m.ID.String()) {
		for _, method := range []string{"OPTIONS", "DELETE", "PATCH", "PUT", "POST", "GET", "TRACE"} {
			if defined(e.target(), method, m.ID.String()) {
				continue
			}
			for _, s := range shapes {
				r := alice.do(method, e.target(), s.ask).want(405)
				if r.header.Get("Allow") == "" {
					t.Errorf("%s %s: the answer doesn't say what is allowed", method, e.target())
				}
				checkSecurityHeaders(t, r)
				if cors := r.header.Get("Access-Control-Allow-Origin"); cors != "" {
					t.Errorf("%s %s lets %s read it", method, e.target(), cors)
				}
			}
		}
	}
	alice.get("/users").want(200) // GET /logout did nothing
	if after := w.count("messages"); after != before {
		t.Errorf("there were %d messages, now %d", before, after)
	}
}

func defined(target, method, message string) bool {
	return slices.ContainsFunc(table(message), func(e entry) bool {
		return e.method == method && strings.Split(e.target(), "?")[0] == strings.Split(target, "?")[0]
	})
}

// To whoever is no admin the admin pages don't exist, known or not.
func TestAdminPagesAreHiddenFromOthers(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	m := alice.send("alice", "a note")
	fill := strings.NewReplacer(":username", "alice", ":id", m.ID.String())
	routes := []fiber.Route{{Method: "GET", Path: "/admin/nothing"}, {Method: "DELETE", Path: "/admin/users"}}
	for _, r := range append(routes, w.server.App().GetRoutes(true)...) {
		if !strings.HasPrefix(r.Path, "/admin") {
			continue
		}
		for _, s := range shapes {
			hidden := alice.do(r.Method, fill.Replace(r.Path), s.ask, form("display_name", "Mallory", "is_admin", "true")).want(404)
			checkSecurityHeaders(t, hidden)
			hidden.wantNoText("a note")
			want := map[shape]int{page: 303, fragment: 401, program: 401}[s.shape]
			w.nobody().do(r.Method, fill.Replace(r.Path), s.ask).want(want)
		}
	}
	if u, err := w.store.UserByName(t.Context(), "alice"); err != nil || u.IsAdmin || u.Disabled() || u.DisplayName != "alice" {
		t.Errorf("alice is now %+v, %v", u, err)
	}
	alice.get("/conversations").want(200)
}

// All routes stand on one screen.
func TestRoutesFitOnAScreen(t *testing.T) {
	text, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 130 {
		t.Errorf("routes.go has %d lines, more than 130", lines)
	}
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		w.nobody().get(path).want(200).wantHeader("Content-Type", "text/plain; charset=utf-8").wantText("ok")
	}
	w.nobody().get("/readyz", asJSON).want(200).wantJSON(`{"status":"ok"}`)
	w.db.Close()
	w.nobody().get("/healthz").want(200)
	r := w.nobody().get("/readyz", asJSON)
	r.wantProblem(503)
	r.wantHeader("Retry-After", "1").wantNoText("sql", "closed", "database is")
}

// A node that can't tell the others still serves: were it not ready, a proxy would take all nodes out at once.
func TestReadyWhileOtherNodesCannotBeHeard(t *testing.T) {
	nodes := newBrokenNodes()
	w := newWorld(t, nodes.with)
	nodes.set(true)
	w.nobody().get("/readyz").want(200).wantText("degraded: ", "within 10 s").wantNoText("Redis is away")
	var said readiness
	w.nobody().get("/readyz", asJSON).want(200).into(&said)
	if said != readyDegraded {
		t.Errorf("says %+v", said)
	}
	nodes.silent.Store(true) // is what is to be said only where nothing worse is true
	w.nobody().get("/readyz", asJSON).want(200).into(&said)
	if said != readyDegraded {
		t.Errorf("says %+v", said)
	}
	nodes.set(false)
	w.nobody().get("/readyz").want(200).wantText("degraded: another node", "within 10 s").wantNoText("process 1")
	w.nobody().get("/readyz", asJSON).want(200).into(&said)
	if said != readyMissing {
		t.Errorf("says %+v", said)
	}
	w.db.Close()
	w.nobody().get("/readyz").want(503)
}

// A node that is about to stop says so and serves on, and has clients go elsewhere for their next request.
func TestReadyWhileDraining(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.server.Drain()
	w.nobody().get("/readyz").want(503).wantText("stopping").wantHeader("Retry-After", "1")
	w.nobody().get("/readyz", asJSON).want(503).wantJSON(`{"status":"stopping","detail":"use another node"}`)
	w.nobody().get("/healthz").want(200)
	addr := w.listen()
	answer, err := http.Get("http://" + addr + "/login")
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != 200 || !answer.Close {
		t.Errorf("signing in is answered with %s, the connection closed: %t", answer.Status, answer.Close)
	}
	alice.open(addr).want(alice.canary())
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Errorf("to be asked is no error: %s", w.log)
	}
}

func TestAdminsSeeThatANodeIsDegraded(t *testing.T) {
	nodes := newBrokenNodes()
	w := newWorld(t, nodes.with)
	root := w.signIn(w.account(chat.NewUser{Username: "root", IsAdmin: true}))
	pages := []string{"/admin/users", "/admin/new-user", "/admin/users/root", "/admin/messages", "/admin/audit"}
	for _, broken := range []bool{true, false} {
		nodes.set(broken)
		for _, path := range pages {
			if shown := root.get(path, asPage).want(200).doc().Find(".tabbed .degraded h2").Length(); (shown == 1) != broken {
				t.Errorf("%s shows %d notices, broken %t", path, shown, broken)
			}
		}
		root.get("/conversations", asPage).want(200).wantNoText("Degraded")
	}
	nodes.silent.Store(true)
	root.get("/admin/audit", asPage).want(200).wantText("another node can’t be heard").wantNoText("Redis can’t be reached", "process 1")
}
