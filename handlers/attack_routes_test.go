package handlers

import (
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

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

// columns are the five kinds of people that a route may tell apart.
type columns struct {
	participant answers // alice, who has written to bob
	other       answers // carol, who has nothing to do with the two
	blocked     answers // dave, whom bob has blocked
	admin       answers // root, who takes part in nothing either
	signedOut   answers
}

func everybody(a answers) columns { return columns{a, a, a, a, a} }

func inOrOut(signedIn, signedOut answers) columns {
	return columns{signedIn, signedIn, signedIn, signedIn, signedOut}
}

// members is what everybody gets who is signed in; others are to sign in and then to go on to next.
func members(a answers, next string) columns { return inOrOut(a, mustSignIn(next)) }

// parties is members where the message of two is asked for: it isn't there for anybody but the two.
func parties(a answers, next string) columns {
	return columns{a, all(404), all(404), all(404), mustSignIn(next)}
}

// admins is what admins get; to all others who are signed in there is nothing.
func admins(a answers, next string) columns {
	return columns{all(404), all(404), all(404), a, mustSignIn(next)}
}

func (w columns) butBlocked(a answers) columns {
	w.blocked = a
	return w
}

func (w columns) butAdmin(a answers) columns {
	w.admin = a
	return w
}

// entry is a route as each of the five meets it.
type entry struct {
	method, pattern string
	path            string // the pattern where it is ""
	send            option // the body of an unsafe request
	want            columns
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

// everyRoute is the whole of routes.go: checkEveryRouteIsDecided sees to that.
func everyRoute(message string) []entry { return append(table(message), adminTable(message)...) }

// table has every route but the admin pages.
func table(message string) []entry {
	sent := answers{303, 201, 201, "/conversations/bob"}
	list := answers{303, 200, 200, "/conversations/bob"}
	left := answers{303, 303, 204, "/login"}
	saved := answers{303, 303, 200, "/account/profile?done=saved"}
	others := answers{303, 303, 204, "/account/devices?done=others"}
	mine := all(422) // nobody reports their own message
	blocks := answers{303, 303, 204, "/account/blocks"}
	removed := answers{303, 303, 200, "/account/profile?done=photo-removed"}
	sending := form("recipient", "bob", "body", "once more")
	return []entry{
		{"GET", "/healthz", "", nil, everybody(all(200))},
		{"GET", "/readyz", "", nil, everybody(all(200))},
		{"GET", "/static/:name", static.URL("app.css"), nil, everybody(all(200))},
		{"GET", "/metrics", "", nil, everybody(all(404))}, // without the token
		{"GET", "/", "", nil, inOrOut(redirect("/conversations"), redirect("/login"))},
		{"GET", "/login", "", nil, inOrOut(redirect("/conversations"), all(200))},
		{"POST", "/login", "", object(fields{}), everybody(all(401))},
		{"GET", "/password/forgot", "", nil, everybody(all(200))},
		{"POST", "/password/forgot", "", form("email", "bob@example.org"), everybody(all(422))}, // no mail here; where there is: TestForgotten
		{"GET", "/password/changed", "", nil, everybody(all(200))},
		{"GET", "/password/reset/:token", "/password/reset/unknown", nil, everybody(all(404))},
		{"POST", "/password/reset/:token", "/password/reset/unknown", form("password", password), everybody(all(404))},
		{"GET", "/email/confirmed", "", nil, everybody(all(200))},
		{"GET", "/email/confirm/:token", "/email/confirm/unknown", nil, everybody(all(404))},
		{"POST", "/email/confirm/:token", "/email/confirm/unknown", form(), everybody(all(404))},
		{"GET", "/signup", "", nil, inOrOut(redirect("/conversations"), all(403))}, // closed; more in signup_test.go
		{"POST", "/signup", "", form(), everybody(all(403))},
		{"GET", "/setup/:token", "/setup/abc", nil, everybody(all(404))}, // as if there were nothing; more in setup_test.go
		{"POST", "/setup/:token", "/setup/abc", form(), everybody(all(404))},
		{"GET", "/users", "", nil, members(all(200), "/users")},
		{"GET", "/users/:username", "/users/bob", nil, members(all(200), "/users/bob")},
		{"POST", "/users/:username/block", "/users/bob/block", form(), members(blocks, "")},
		{"POST", "/users/:username/unblock", "/users/bob/unblock", form(), members(blocks, "")},
		{"GET", "/conversations", "", nil, members(all(200), "/conversations")},
		{"GET", "/conversations/:username", "/conversations/bob", nil, members(all(200), "/conversations/bob")},
		{"PUT", "/conversations/:username/read", "/conversations/bob/read", form("seq", "1"), members(all(204), "")},
		{"GET", "/messages", "/messages?with=bob", nil, members(list, "/messages?with=bob")},
		{"POST", "/messages", "", sending, members(sent, "").butBlocked(all(422))},
		{"GET", "/messages/:id", "/messages/" + message, nil, parties(all(200), "/messages/"+message)},
		{"GET", "/messages/:id/report", "/messages/" + message + "/report", nil, parties(mine, "/messages/"+message+"/report")},
		{"POST", "/messages/:id/report", "/messages/" + message + "/report", form("reason", "spam"), parties(mine, "")}, // bob's: TestReport
		{"GET", "/account", "", nil, members(answers{200, 200, 303, "/account/profile"}, "/account")},
		{"GET", "/account/profile", "", nil, members(all(200), "/account/profile")},
		{"GET", "/farewell", "", nil, everybody(all(200))},
		{"GET", "/photos/:photo/:side", "/photos/none/64", nil, members(all(404), "/photos/none/64")},
		{"POST", "/account/photo", "", form(), members(all(415), "")},
		{"POST", "/account/photo/remove", "", form(), members(removed, "")},
		{"GET", "/account/export", "", nil, members(all(200), "/account/export")},
		{"POST", "/account/export", "", form("current_password", "wrong"), members(all(422), "")},
		{"GET", "/account/delete", "", nil, members(all(200), "/account/delete")},
		{"POST", "/account/delete", "", form("current_password", "wrong", "messages", "keep"), members(all(422), "")},
		{"POST", "/account/profile", "", form("display_name", "Somebody"), members(saved, "")},
		{"GET", "/account/password", "", nil, members(all(200), "/account/password")},
		{"POST", "/account/password", "", form("password", "short"), members(all(422), "")},
		{"GET", "/account/email", "", nil, members(all(200), "/account/email")},
		{"POST", "/account/email", "", form("email", "nobody"), members(all(422), "")},
		{"POST", "/account/email/confirmation", "", nil, members(all(422), "")},
		{"GET", "/account/devices", "", nil, members(all(200), "/account/devices")},
		{"POST", "/account/devices/end-others", "", form(), members(others, "")},
		{"POST", "/account/devices/:id/end", "/account/devices/0123456789abcdef/end", form(), members(all(404), "")},
		{"GET", "/login/factor", "", nil, everybody(all(401))}, // without a sign-in that waits: TestSecondFactor
		{"POST", "/login/factor", "", form("code", "123456"), everybody(all(401))},
		{"POST", "/login/passkey", "", form(), everybody(all(422))}, // not at this address: TestPasskeys
		{"GET", "/account/factors", "", nil, members(all(200), "/account/factors")},
		{"POST", "/account/factors/totp", "", form("password", password), members(answers{303, 303, 201, "/account/factors/totp"}, "")},
		{"GET", "/account/factors/totp", "", nil, members(all(200), "/account/factors/totp")},
		{"POST", "/account/factors/totp/confirm", "", form("code", "wrong"), members(all(422), "")},
		{"POST", "/account/factors/totp/remove", "", form("password", password), members(answers{303, 303, 200, "/account/factors?done=totp-removed"}, "")},
		{"POST", "/account/factors/recovery-codes", "", form("password", password), members(all(422), "")},
		{"POST", "/account/factors/passkeys/options", "", form("password", password), members(all(422), "")},
		{"POST", "/account/factors/passkeys", "", form("credential", "{}"), members(all(422), "")},
		{"POST", "/account/factors/passkeys/:id/remove", "/account/factors/passkeys/1/remove", form("password", password), members(all(404), "")},
		{"GET", "/account/blocks", "", nil, members(all(200), "/account/blocks")},
		{"PUT", "/account/blocks/:username", "/account/blocks/bob", form(), members(all(204), "")},
		{"DELETE", "/account/blocks/:username", "/account/blocks/bob", form(), members(all(204), "")},
		{"GET", "/account/reports", "", nil, members(all(200), "/account/reports")},
		{"GET", "/account/activity", "", nil, members(all(200), "/account/activity")},
		{"GET", "/account/tokens", "", nil, members(all(200), "/account/tokens")},
		{"POST", "/account/tokens", "", form("name", "x", "scope", "read", "days", "30", "current_password", "wrong"), members(all(422), "")},
		{"POST", "/account/tokens/:id/revoke", "/account/tokens/99/revoke", nil, members(all(404), "")},
		{"GET", "/account/invitations", "", nil, members(all(200), "/account/invitations")},
		{"POST", "/account/invitations", "", form(), members(all(403), "").butAdmin(all(201))}, // admins only, while signing up is closed
		{"POST", "/account/invitations/:id/revoke", "/account/invitations/99/revoke", form(), members(all(404), "")},
		{"GET", "/ws", "", nil, everybody(all(426))},
		{"POST", "/logout", "", form(), everybody(left)},
	}
}

// adminTable has every admin route. What admins do is done to erin and frank.
func adminTable(message string) []entry {
	list, gone := all(200), all(404)
	to := func(username, done string) answers { return answers{303, 303, 200, "/admin/users/" + username + done} }
	newcomer := form("username", "newcomer", "password", password)
	facts := "/admin/messages/" + message
	return []entry{
		{"GET", "/admin", "", nil, admins(answers{200, 200, 303, "/admin/users"}, "/admin")},
		{"GET", "/admin/users", "/admin/users?q=o&limit=2", nil, admins(list, "/admin/users?q=o&limit=2")},
		{"GET", "/admin/new-user", "", nil, admins(list, "/admin/new-user")},
		{"POST", "/admin/users", "", newcomer, admins(answers{303, 303, 201, "/admin/users/newcomer?done=created"}, "")},
		{"GET", "/admin/users/:username", "/admin/users/erin", nil, admins(list, "/admin/users/erin")},
		{"POST", "/admin/users/:username", "/admin/users/erin", form("display_name", "Robert"), admins(to("erin", "?done=saved"), "")},
		{"POST", "/admin/users/:username/disable", "/admin/users/frank/disable", form(), admins(to("frank", "?done=disabled"), "")},
		{"POST", "/admin/users/:username/enable", "/admin/users/frank/enable", form(), admins(to("frank", "?done=enabled"), "")},
		{"POST", "/admin/users/:username/end-sessions", "/admin/users/frank/end-sessions", form(), admins(to("frank", "?done=sessions-ended"), "")},
		{"POST", "/admin/users/:username/reset-factors", "/admin/users/frank/reset-factors", form(), admins(to("frank", "?done=factors-reset"), "")},
		{"POST", "/admin/users/:username/reset-link", "/admin/users/erin/reset-link", form(), admins(all(201), "")},
		{"GET", "/admin/mail", "", nil, admins(list, "/admin/mail")},
		{"POST", "/admin/mail/:id/retry", "/admin/mail/1/retry", form(), admins(gone, "")}, // those that are: TestAdminMail
		{"POST", "/admin/mail/:id/drop", "/admin/mail/1/drop", form(), admins(gone, "")},
		{"GET", "/admin/invitations", "", nil, admins(list, "/admin/invitations")},
		{"POST", "/admin/invitations/:id/revoke", "/admin/invitations/7/revoke", form(), admins(gone, "")}, // those that are: TestInvitations
		{"GET", "/admin/messages", "", nil, admins(list, "/admin/messages")},
		{"GET", "/admin/messages/:id", facts, nil, admins(list, facts)},
		{"POST", "/admin/messages/:id/body", facts + "/body", form(), admins(list, "")},
		{"GET", "/admin/audit", "", nil, admins(list, "/admin/audit")},
		{"GET", "/admin/audit/export", "/admin/audit/export?format=xml", nil, admins(all(400), "/admin/audit/export?format=xml")}, // those that are: TestExport
		{"GET", "/admin/reports", "", nil, admins(list, "/admin/reports")},
		{"GET", "/admin/reports/:number", "/admin/reports/1", nil, admins(list, "/admin/reports/1")},
		{"POST", "/admin/reports/:number/body", "/admin/reports/1/body", form(), admins(list, "")},
		{"POST", "/admin/reports/:number/close", "/admin/reports/1/close", form("decision", "upheld"), admins(answers{303, 303, 200, "/admin/reports/1?done=closed"}, "")},
		{"GET", "/admin/place", "", nil, admins(list, "/admin/place")},
		{"POST", "/admin/place", "", form("name", "Our place"), admins(answers{303, 303, 200, "/admin/place?done=saved"}, "")},
		{"GET", "/admin/live", "", nil, admins(list, "/admin/live")},
		{"GET", "/admin/pprof/:name", "/admin/pprof/nothing", nil, admins(gone, "/admin/pprof/nothing")}, // those that are: TestProfiles
	}
}

// Function- and object-level authorization, whole: who gets what from every route in every shape, and nobody the words of two
// others. A route that isn't decided here for all five fails.
func everyRouteForEverybody(t *testing.T) {
	w := newWorld(t)
	checkEveryRouteIsDecided(t, w)
	alice, bob, dave, root := w.person("alice"), w.person("bob"), w.person("dave"), w.admin("root")
	people := map[string]*visitor{"participant": alice, "other person": w.person("carol"), "blocked": dave, "admin": root, "signed out": w.nobody()}
	w.person("erin")
	w.person("frank")
	m := alice.send("bob", "the secret of alice and bob")
	dave.send("bob", "hello")
	bob.do("PUT", "/account/blocks/dave").want(204)
	bob.report(m.ID)
	for _, e := range everyRoute(m.ID.String()) {
		for _, column := range []struct { // the refused come first: what they asked for must not have happened when the others do it
			name string
			want answers
		}{{"signed out", e.want.signedOut}, {"blocked", e.want.blocked}, {"other person", e.want.other}, {"participant", e.want.participant}, {"admin", e.want.admin}} {
			for _, s := range shapes {
				t.Run(strings.Join([]string{e.method, e.pattern, column.name, s.name}, " "), func(t *testing.T) {
					v := *people[column.name]
					if v.t = t; v.token != "" {
						v.token = w.signIn(v.user).token // some of these end a session
					}
					checkAnswer(t, e, &v, column.want, s.ask, s.shape)
				})
				if e.method+e.pattern == "POST/admin/users" {
					w.forget("newcomer")
				}
			}
		}
	}
	bob.get("/messages/"+m.ID.String(), asJSON).want(200).wantText("the secret of")
}

func checkEveryRouteIsDecided(t *testing.T, w *world) {
	known := map[string]bool{}
	for _, e := range everyRoute("1-1") {
		known[e.method+" "+e.pattern] = true
		if e.method == "GET" {
			known["HEAD "+e.pattern] = true
		}
	}
	for _, r := range w.server.App().GetRoutes(true) {
		if !known[r.Method+" "+r.Path] {
			t.Errorf("%s %s has no entry in the table of this test", r.Method, r.Path)
		}
		delete(known, r.Method+" "+r.Path)
	}
	for gone := range known {
		t.Errorf("%s is in the table and is no route", gone)
	}
}

func checkAnswer(t *testing.T, e entry, v *visitor, want answers, ask option, s shape) {
	options := []option{ask}
	if e.send != nil {
		options = append(options, e.send)
	}
	r := v.do(e.method, e.target(), options...).want(want.status(s))
	checkSecurityHeaders(t, r)
	if r.status == 303 {
		r.wantHeader("Location", want.location)
	}
	if e.public() {
		return
	}
	r.wantHeader("Cache-Control", "no-store")
	checkVary(t, r, "Accept", "HX-Request")
	checkContentType(t, r, s)
	if opens := v.user.Username == "root" && strings.HasPrefix(e.pattern, "/admin/") && strings.HasSuffix(e.pattern, "/body"); v.user.Username != "alice" && !opens {
		r.wantNoText("the secret of")
	}
	if r.status == 401 && s == fragment && want.location != "" {
		r.wantHeader("HX-Redirect", "/login")
	}
	if e.method == "GET" {
		checkHead(t, e, v, r, ask)
	}
}

// To whoever is no admin the admin pages don't exist, known or not.
func adminPagesAreHidden(t *testing.T) {
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

// What a plain user gets is what a page gives that doesn't exist, to the letter.
func adminPagesLookMissing(t *testing.T) {
	w := newWorld(t)
	bob := w.person("bob")
	m := bob.send("bob", "a note")
	for _, e := range adminTable(m.ID.String()) {
		for _, s := range shapes {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
				hidden, missing := bob.do(method, e.target(), s.ask), bob.do(method, "/nothing", s.ask)
				if a, b := withoutIDs(hidden.body), withoutIDs(missing.body); a != b || hidden.status != missing.status {
					t.Errorf("%s %s differs from what doesn't exist:\n%d %s\n%d %s", method, e.target(), hidden.status, a, missing.status, b)
				}
				hidden.header.Del("X-Request-Id")
				missing.header.Del("X-Request-Id")
				if a, b := len(hidden.header), len(missing.header); a != b {
					t.Errorf("%s %s has the header %v and not %v", method, e.target(), hidden.header, missing.header)
				}
			}
		}
	}
}
