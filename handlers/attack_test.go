package handlers

import (
	"strings"
	"testing"
	"time"

	"parley/db/chat"
	"parley/views"
)

// attack is one way to do harm. Its row is made of requests and what each is to be answered with; what takes more than
// that, such as a connection or two requests that are compared, is a function.
type attack struct {
	name  string             // as auditors call it
	asvs  string             // the requirements of OWASP ASVS 5.0 that ask for the defence; "" where none does by name
	tries func(*scene) []try // run once the victims have done their part
	run   func(*testing.T)
}

// try is one request. It is made in every shape (so with both Accepts), and may be made more than once.
type try struct {
	by     *visitor
	method string
	path   string
	send   option // nil where there is no body
	want   answers
}

// attacks is every attack that Parley is held against. What Chromium makes of the corpus is in cmd/parley/attack_test.go.
var attacks = []attack{
	{name: "account enumeration by what is said", asvs: "6.3.8", run: signInsAreRefusedAlike},
	{name: "account enumeration by status and header", asvs: "6.3.8", run: namesAreNotToldByStatus},
	{name: "account enumeration by the count that throttles", asvs: "6.3.8", run: throttleTellsNothingOfAccounts},
	{name: "account enumeration by time", asvs: "6.3.8", run: namesAreNotTimed},
	{name: "account enumeration at sign-up", asvs: "6.3.8", run: signUpTellsNothingOfAddresses},
	{name: "session fixation", asvs: "7.2.4", run: sessionFixation},
	{name: "fixation before a password change", asvs: "7.2.4 7.4.3", run: fixedSessionIsWorthNothingAfterAPasswordChange},
	{name: "replay of the cookie after sign-out", asvs: "7.4.1", tries: replayAfterSignOut},
	{name: "stale cookie after a password change", asvs: "7.4.3", tries: staleAfterPasswordChange},
	{name: "stale cookie after the account was disabled", asvs: "7.4.2", tries: staleAfterDisabling},
	{name: "reset link used twice", asvs: "6.5.1", tries: resetUsedTwice},
	{name: "reset link older than another", asvs: "6.5.1", tries: resetOutdated},
	{name: "reset link after its time", asvs: "6.5.5", tries: resetExpired},
	{name: "reset link poisoned by Host", run: func(t *testing.T) { linksDoNotComeFromTheRequest(t, "Host") }},
	{name: "reset link poisoned by X-Forwarded-Host", asvs: "4.1.3", run: func(t *testing.T) { linksDoNotComeFromTheRequest(t, forwardedHosts...) }},
	{name: "guessing passwords", asvs: "6.3.1", run: guessesAreThrottled},
	{name: "credential stuffing", asvs: "6.3.1", run: credentialStuffing},
	{name: "lockout of a victim", asvs: "6.1.1", run: ownerIsNeverLockedOut},
	{name: "CSRF from another site", asvs: "3.5.1", run: func(t *testing.T) { otherSitesChangeNothing(t, crossSite) }},
	{name: "CSRF from a sub-domain", asvs: "3.5.1", run: func(t *testing.T) { otherSitesChangeNothing(t, sameSite) }},
	{name: "CSRF in a browser without Fetch Metadata", asvs: "3.5.1", run: func(t *testing.T) { otherSitesChangeNothing(t, foreignOrigins) }},
	{name: "CSRF by a link or an image", asvs: "3.5.3", run: lookingChangesNothing},
	{name: "WebSocket from a foreign Origin", asvs: "4.4.2", run: func(t *testing.T) { refusedHandshakes(t, foreignHandshakes) }},
	{name: "WebSocket from Origin null", asvs: "4.4.2", run: func(t *testing.T) { refusedHandshakes(t, sandboxedHandshakes) }},
	{name: "WebSocket without Origin", asvs: "4.4.2", run: func(t *testing.T) { refusedHandshakes(t, originlessHandshakes) }},
	{name: "WebSocket without a session", asvs: "8.2.1", run: func(t *testing.T) { refusedHandshakes(t, strangersHandshakes) }},
	{name: "WebSocket after revocation", asvs: "7.4.1 7.4.5", run: windowsEndWithTheirSession},
	{name: "every route as everybody", asvs: "8.2.1 8.2.2", run: everyRouteForEverybody},
	{name: "admin pages as a plain user", asvs: "8.2.1", run: adminPagesAreHidden},
	{name: "admin pages told from missing ones", asvs: "8.2.1", run: adminPagesLookMissing},
	{name: "mass assignment", asvs: "15.3.3 8.2.3", run: massAssignment},
	{name: "capitals in paths, as in ADMIN", asvs: "8.2.1", tries: inCapitals},
	{name: "slashes in paths", asvs: "8.2.1", tries: withSlashes},
	{name: "dots in paths, as %2e", asvs: "8.2.1", tries: withDots},
	{name: "next= to another host", asvs: "3.7.2", run: nextLeadsNowhereElse},
	{name: "XSS in message bodies", asvs: "1.2.1 3.2.2", run: bodiesAreInert},
	{name: "XSS in names", asvs: "1.2.1", run: namesAreInert},
	{name: "XSS in file names", asvs: "5.4.1 5.4.2", run: fileNamesAreNothing},
	{name: "XSS in searches", asvs: "1.2.1", run: searchesAreInert},
	{name: "XSS in mail", asvs: "1.2.1", run: lettersAreInert},
	{name: "XSS in errors and forms", asvs: "1.2.1", run: errorsAreInert},
	{name: "XSS on admin pages", asvs: "1.2.1", run: namesAndTextsAreInertToAdmins},
	{name: "hx-* in user text", asvs: "1.2.1", run: htmxIgnoresTexts},
	{name: "SQL metacharacters", asvs: "1.2.4", run: sqlIsText},
	{name: "CRLF in names, headers and mail", asvs: "1.2.1 1.3.11", run: lineEndsStayInside},
	{name: "CRLF in the log", asvs: "16.4.1", run: logLinesCantBeForged},
	{name: "NUL in names and paths", asvs: "2.2.1", tries: nulInNames},
	{name: "bidi and invisible characters in names", asvs: "2.2.1", tries: bidiInNames},
	{name: "image bombs", asvs: "5.2.6", run: imageBombs},
	{name: "SVG and HTML as a photo", asvs: "5.2.2 3.2.1", run: scriptsAreNoPhotos},
	{name: "oversized headers", run: func(t *testing.T) { unreadableRequests(t, oversizedHeaders) }},
	{name: "oversized bodies", run: func(t *testing.T) { unreadableRequests(t, oversizedBodies) }},
	{name: "oversized uploads", asvs: "5.2.1", run: onlyPhotosMayBeLarge},
	{name: "oversized frames", run: farTooLargeFrame},
	{name: "slow bodies and headers", run: bodyThatNeverEnds},
	{name: "frame floods", asvs: "15.2.2", run: frameFlood},
	{name: "smuggling by CL and TE", asvs: "4.2.1", run: func(t *testing.T) { requestSmuggling(t, smuggledBodies) }},
	{name: "smuggling by Host and lines", asvs: "4.2.1", run: func(t *testing.T) { requestSmuggling(t, smuggledLines) }},
}

func TestAttacks(t *testing.T) {
	names := map[string]bool{}
	for _, a := range attacks {
		if names[a.name] || strings.Contains(a.name, "/") || (a.tries == nil) == (a.run == nil) {
			t.Errorf("%s is there twice, can't be run alone, or has nothing to do", a.name)
		}
		names[a.name] = true
		t.Run(a.name, func(t *testing.T) {
			if a.run != nil {
				a.run(t)
				return
			}
			s := newScene(t)
			for _, one := range a.tries(s) {
				one.make(t)
			}
			s.checkUnharmed()
		})
	}
	if len(attacks) < 40 {
		t.Errorf("there are only %d attacks", len(attacks))
	}
}

// scene is a place where alice and bob talk, carol knows nobody, and root is an admin.
type scene struct {
	*world
	alice, bob, carol, root *visitor
	message                 chat.Message // from alice to bob
}

func newScene(t *testing.T) *scene {
	w := newWorld(t, forgetful, sendsMail)
	s := &scene{world: w, alice: w.withEmail("alice"), bob: w.person("bob"), carol: w.person("carol"), root: w.admin("root")}
	s.message = s.alice.send("bob", "the secret of alice and bob")
	return s
}

func (one try) make(t *testing.T) {
	t.Helper()
	for _, s := range shapes {
		options := []option{s.ask}
		if one.send != nil {
			options = append(options, one.send)
		}
		v := *one.by
		v.t = t
		r := v.do(one.method, one.path, options...).want(one.want.status(s.shape))
		if own := v.user.Username == "alice" && r.status == 422; !own { // her own pages show what she wrote, beside what is wrong
			r.wantNoText("the secret of")
		}
		checkSecurityHeaders(t, r)
		if r.status == 303 {
			r.wantHeader("Location", one.want.location)
		}
	}
}

// checkUnharmed looks whether anybody has got, lost or become something.
func (s *scene) checkUnharmed() {
	s.t.Helper()
	var admins string
	if err := s.db.QueryRow("SELECT GROUP_CONCAT(username) FROM users WHERE is_admin").Scan(&admins); err != nil || admins != "root" {
		s.t.Errorf("the admins are %s: %v", admins, err)
	}
	if users, messages := s.count("users"), s.messages(); users != 4 || messages != 1 {
		s.t.Errorf("there are %d users and %d messages", users, messages)
	}
	for _, v := range []*visitor{s.bob, s.carol, s.root} {
		if !v.signedIn() {
			s.t.Errorf("%s is out", v.user.Username)
		}
	}
}

// ended is what a cookie gets whose session is over.
func ended(next string) answers {
	return answers{303, 401, 401, loginURLWhy(next, views.WhyEnded)}
}

// withCookie is what may be tried with a cookie: to look, to act, to change the account.
func withCookie(v *visitor, want func(next string) answers) []try {
	return []try{
		{v, "GET", "/conversations", nil, want("/conversations")},
		{v, "GET", "/conversations/bob", nil, want("/conversations/bob")},
		{v, "GET", "/messages/1-1", nil, want("/messages/1-1")},
		{v, "GET", "/account/profile", nil, want("/account/profile")},
		{v, "POST", "/messages", form("recipient", "bob", "body", "forged"), want("")},
		{v, "POST", "/account/password", form("current_password", password, "password", another), want("")},
		{v, "POST", "/account/email", form("current_password", password, "email", "mallory@example.org"), want("")},
		{v, "POST", "/account/tokens", form("name", "x", "scope", "write", "days", "never", "current_password", password), want("")},
		{v, "POST", "/account/delete", form("current_password", password, "username", "alice", "messages", "erase"), want("")},
	}
}

func replayAfterSignOut(s *scene) []try {
	s.alice.get("/conversations/bob", asPage).want(200)
	s.alice.post("/logout", asPage).want(303)
	return withCookie(s.alice, ended)
}

func staleAfterPasswordChange(s *scene) []try {
	stale, phone := s.asCookie(s.alice.token), s.signIn(s.alice.user)
	s.alice.changePassword(asJSON).want(204)
	return append(withCookie(stale, ended), withCookie(phone, ended)...)
}

func staleAfterDisabling(s *scene) []try {
	s.root.post("/admin/users/alice/disable", asJSON).want(200)
	return append(withCookie(s.alice, ended), try{s.nobody(), "POST", "/login", credentials("alice", password), all(401)})
}

// withLink is what may be tried with a link that has ended.
func withLink(s *scene, link, passwordNow string) []try {
	return []try{
		{s.nobody(), "GET", link, nil, all(404)},
		{s.nobody(), "POST", link, form("password", "mallory was here"), all(404)},
		{s.nobody(), "POST", link, object(fields{"password": "mallory was here"}), all(404)},
		{s.nobody(), "POST", "/login", credentials("alice", "mallory was here"), all(401)},
		{s.nobody(), "POST", "/login", credentials("alice", passwordNow), answers{303, 303, 200, "/conversations"}},
	}
}

func resetUsedTwice(s *scene) []try {
	link := s.forgotten()
	s.nobody().post(link, asPage, form("password", another)).want(303)
	return withLink(s, link, another)
}

func resetOutdated(s *scene) []try {
	link := s.forgotten()
	s.clock.advance(6 * time.Minute)
	s.forgotten()
	return withLink(s, link, password)
}

func resetExpired(s *scene) []try {
	link := s.forgotten()
	s.clock.advance(61 * time.Minute)
	return withLink(s, link, password)
}

// respelt is each admin page, and a few of people's, in other spellings, for somebody who may not see them and for somebody
// who isn't signed in. What such a path leads to is nothing, or what the path itself leads to.
func respelt(s *scene, spell func(path string) []string) (tries []try) {
	for _, path := range []string{"/admin", "/admin/users", "/admin/users/alice", "/admin/messages/" + s.message.ID.String(), "/admin/audit", "/admin/live"} {
		for _, other := range spell(path) {
			tries = append(tries, try{s.carol, "GET", other, nil, all(404)})
		}
	}
	for _, path := range []string{"/admin/users/carol", "/admin/users/alice/disable", "/admin/messages/" + s.message.ID.String() + "/body"} {
		for _, other := range spell(path) {
			tries = append(tries, try{s.carol, "POST", other, form("is_admin", "true"), all(404)})
		}
	}
	for _, other := range spell("/messages/" + s.message.ID.String()) {
		tries = append(tries, try{s.carol, "GET", other, nil, all(404)})
	}
	return tries
}

func inCapitals(s *scene) []try {
	return respelt(s, func(path string) []string {
		return []string{strings.ToUpper(path), strings.ToUpper(path) + "/", strings.ToUpper(path[:2]) + path[2:], "/ADMIN" + path, strings.ToUpper(path) + "?x=1", strings.ToUpper(path) + "#x"}
	})
}

func withSlashes(s *scene) []try {
	return respelt(s, func(path string) []string {
		return []string{"/" + path, "//" + path, path + "/", path + "//", strings.ReplaceAll(path, "/", "//"), `/\` + path[1:], "/%2f" + path[1:], path + "%2f", "/" + path + "/", path + "/;/x", path + "/%5c"}
	})
}

func withDots(s *scene) []try {
	return respelt(s, func(path string) []string {
		return []string{
			"/%2e" + path, "/." + path, "/users/.." + path, "/users/%2e%2e" + path, "/users/%2E%2e%2f" + path[1:], "/static/../" + path[1:], path + "/.", path + "/%2e", path + "/x/..",
			path + "/%252e%252e", path + "/..;/x", path + ".", path + "%00", path + "%20", "/%61" + path[2:], path + "%0a", "/%c0%ae" + path, "/%u002e" + path, "/login/.." + path, "/healthz/%2e%2e" + path,
		}
	})
}

func nulInNames(s *scene) []try {
	n := s.nobody()
	return []try{
		{n, "POST", "/login", credentials("alice\x00", password), all(401)},
		{n, "POST", "/login", object(fields{"username": "root\x00x", "password": password}), all(401)},
		{s.root, "POST", "/admin/users", form("username", "root\x00", "password", password), all(422)},
		{s.root, "POST", "/admin/users", object(fields{"username": "a\x00b", "password": password}), all(422)},
		{s.alice, "POST", "/account/profile", form("display_name", "root\x00"), all(422)},
		{s.alice, "POST", "/account/profile", object(fields{"display_name": "a\x00b"}), all(422)},
		{s.alice, "POST", "/account/email", form("current_password", password, "email", "a@example.org\x00.evil.example"), all(422)},
		{s.alice, "POST", "/account/tokens", form("name", "a\x00b", "scope", "read", "days", "30", "current_password", password), all(422)},
		{s.root, "POST", "/admin/place", form("name", "a\x00b"), all(422)},
		{s.carol, "GET", "/users/alice%00", nil, all(404)},
		{s.carol, "GET", "/conversations/alice%00bob", nil, all(404)},
		{s.carol, "GET", "/messages/1-1%00", nil, all(404)},
		{s.carol, "POST", "/messages", form("recipient", "bob\x00", "body", "hi"), all(422)},
		{s.carol, "GET", "/static/%00", nil, all(404)},
	}
}

// turning are characters that turn the direction of text, or can't be seen: CVE-2021-42574, Unicode Technical Report 36.
var turning = []string{"\u202e", "\u202d", "\u202a", "\u202b", "\u202c", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u200f", "\u061c"}

func bidiInNames(s *scene) (tries []try) {
	for _, mark := range turning {
		tries = append(tries,
			try{s.root, "POST", "/admin/users", form("username", mark+"toor", "password", password), all(422)},
			try{s.alice, "POST", "/account/profile", form("display_name", "nimda"+mark+"x"), all(422)},
			try{s.root, "POST", "/admin/place", form("name", "Par"+mark+"ley"), all(422)},
			try{s.alice, "POST", "/account/tokens", form("name", "a"+mark+"b", "scope", "read", "days", "30", "current_password", password), all(422)},
		)
	}
	for _, mark := range []string{"\u200b", "\u2060", "\ufeff", "\u00ad", "\u3164", "\ufe0f", "\U000e0041"} {
		tries = append(tries,
			try{s.root, "POST", "/admin/users", form("username", "ro"+mark+"ot", "password", password), all(422)},
			try{s.alice, "POST", "/account/profile", form("display_name", mark), all(422)},
		)
	}
	return tries
}
