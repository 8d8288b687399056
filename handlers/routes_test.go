package handlers

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"parley/db/chat"
)

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
		"/nothing", "/conversations/bob/read/x", "/users/bob/x", "/messages/1-1/x",
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
