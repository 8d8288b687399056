package handlers

import (
	"net/http"
	"strings"
	"testing"

	"parley/db/chat"
)

const (
	chatOrigin = "https://chat.example"
	chatSite   = "chat.example"
)

// hasPasskey adds a passkey as a page's script does, and gives the answer.
func (v *visitor) hasPasskey(a *authenticator, ask option) *reply {
	v.t.Helper()
	q := v.post("/account/factors/passkeys/options", asJSON, form("password", password)).question()
	return v.post("/account/factors/passkeys", ask, form("name", "Key", "credential", a.create(q)))
}

func TestPasskeys(t *testing.T) {
	w := newWorld(t, baseURL(chatOrigin))
	alice := w.person("alice")
	alice.post("/account/factors/passkeys/options", asJSON, form("password", "wrong")).wantFields(422, "password")
	a := newAuthenticator(t, chatOrigin, chatSite)
	var own factorsBody
	alice.hasPasskey(a, asJSON).want(201).into(&own)
	if len(own.Passkeys) != 1 || own.Passkeys[0].Name != "Key" || len(own.RecoveryCodes) != 10 {
		t.Errorf("there is %+v", own)
	}
	q := alice.post("/account/factors/passkeys/options", asJSON, form("password", password)).question()
	if len(q.PublicKey.Exclude) != 1 || q.PublicKey.User.ID != base64URL.EncodeToString(a.handle) || len(a.handle) != 64 || q.PublicKey.RP.ID != chatSite {
		t.Errorf("it asks %+v", q)
	}

	b := w.browser() // alone
	q = b.post("/login/passkey", asJSON, form()).question()
	if q.PublicKey.UserVerification != "required" || len(q.PublicKey.Allow) != 0 || q.PublicKey.RPID != chatSite {
		t.Errorf("it asks %+v", q)
	}
	answer := a.get(q)
	b.post("/login/factor", asPage, form("credential", answer, "next", "/users")).want(303).wantHeader("Location", "/users")
	if !b.signedIn() {
		t.Error("nobody is signed in")
	}
	again := w.browser()
	again.post("/login/passkey", asJSON, form()).question()
	again.post("/login/factor", asPage, form("credential", answer)).want(401)

	b = w.browser() // after the password
	b.post("/login/passkey", asJSON, form("second_factor", "true")).wantProblem(401)
	if p := b.post("/login", asJSON, credentials("alice", password)).wantProblem(401); len(p.SecondFactor) != 2 || p.SecondFactor[0] != chat.FactorPasskey {
		t.Errorf("the problem is %+v", p)
	}
	if doc := b.get("/login/factor", asPage).want(200).doc(); doc.Find("button[form=passkey-form][hidden]").Length() != 1 || doc.Find("form#passkey-form input[name=second_factor]").Length() != 1 {
		t.Error("the page has no button for the passkey")
	}
	q = b.post("/login/passkey", asJSON, form("second_factor", "true")).question()
	if len(q.PublicKey.Allow) != 1 || q.PublicKey.Allow[0]["id"] != base64URL.EncodeToString(a.id) {
		t.Errorf("it asks %+v", q)
	}
	a.flags = present
	b.post("/login/factor", asJSON, form("credential", a.get(q))).want(200)
}

// Whatever is wrong with an answer, nobody is signed in by it, and the log tells.
func TestPasskeyRefused(t *testing.T) {
	w := newWorld(t, baseURL(chatOrigin))
	a := newAuthenticator(t, chatOrigin, chatSite)
	a.counter = 5
	w.person("alice").hasPasskey(a, asJSON).want(201)
	for what, wrong := range map[string]func(a *authenticator){
		"another origin":     func(a *authenticator) { a.origin = "https://chat.example.evil" },
		"http":               func(a *authenticator) { a.origin = "http://chat.example" },
		"a part of the site": func(a *authenticator) { a.origin = "https://sub.chat.example" },
		"another site":       func(a *authenticator) { a.site = "evil.example" },
		"another challenge":  func(a *authenticator) { a.challenge = strings.Repeat("A", 43) },
		"nobody there":       func(a *authenticator) { a.flags = verified },
		"nobody verified":    func(a *authenticator) { a.flags = present },
		"another person":     func(a *authenticator) { a.handle = make([]byte, 64) },
		"another key":        func(a *authenticator) { *a.key = *newAuthenticator(t, "", "").key },
		"a copy":             func(a *authenticator) { a.counter = 5 },
	} {
		b, copied, key := w.browser(), *a, *a.key
		copied.key, copied.counter = &key, 6
		q := b.post("/login/passkey", asJSON, form()).question()
		before := w.count("audit_events")
		wrong(&copied)
		if r := b.post("/login/factor", asPage, form("credential", copied.get(q))).want(401); r.alert() == "" {
			t.Errorf("%s: the page says nothing", what)
		}
		if b.signedIn() || w.count("audit_events") != before+1 {
			t.Errorf("%s: somebody is signed in, or the log doesn't tell", what)
		}
		a.counter++
		b.post("/login/factor", asJSON, form("credential", a.get(q))).wantProblem(401) // it was asked once
		a.counter--
	}
	w.browser().post("/login/factor", asPage, form("credential", a.get(question{}))).want(401)
	w.browser().post("/login/factor", asJSON, form("credential", "{}")).wantProblem(400)
}

func TestNewPasskeyRefused(t *testing.T) {
	w := newWorld(t, baseURL(chatOrigin))
	alice, bob := w.person("alice"), w.person("bob")
	for what, wrong := range map[string]func(a *authenticator){
		"another origin":    func(a *authenticator) { a.origin = "https://evil.example" },
		"another site":      func(a *authenticator) { a.site = "evil.example" },
		"another challenge": func(a *authenticator) { a.challenge = strings.Repeat("A", 43) },
		"nobody there":      func(a *authenticator) { a.flags = 0 },
	} {
		a := newAuthenticator(t, chatOrigin, chatSite)
		wrong(a)
		if r := alice.hasPasskey(a, asPage).want(422); !strings.Contains(r.alert(), "doesn’t hold") {
			t.Errorf("%s: the page says %q", what, r.alert())
		}
	}
	a := newAuthenticator(t, chatOrigin, chatSite)
	q := alice.post("/account/factors/passkeys/options", asJSON, form("password", password)).question()
	bob.post("/account/factors/passkeys", asJSON, form("credential", a.create(q))).wantProblem(422) // hers to answer
	other := w.signIn(alice.user)
	other.post("/account/factors/passkeys", asJSON, form("credential", a.create(q))).wantProblem(422)
	alice.post("/account/factors/passkeys", asJSON, form("credential", a.create(q))).want(201)
	alice.post("/account/factors/passkeys", asJSON, form("credential", a.create(q))).wantProblem(422) // once
	if w.count("passkeys") != 1 {
		t.Errorf("%d passkeys were added", w.count("passkeys"))
	}
}

func TestRemovedPasskeyIsRefused(t *testing.T) {
	w := newWorld(t, baseURL(chatOrigin))
	alice := w.person("alice")
	a := newAuthenticator(t, chatOrigin, chatSite)
	shown := alice.hasPasskey(a, asPage).want(200)
	if shown.doc().Find(".codes li").Length() != 10 {
		t.Errorf("the codes aren't shown: %s", shown.body)
	}
	b := w.browser()
	q := b.post("/login/passkey", asJSON, form()).question()
	alice.post("/account/factors/passkeys/1/remove", asPage, form("password", password)).want(303).wantHeader("Location", "/account/factors?done=passkey-removed")
	b.post("/login/factor", asPage, form("credential", a.get(q))).want(401)
	w.browser().post("/login", asJSON, credentials("alice", password)).want(200)
}

// Passkeys are for an address with a name and https, and for localhost.
func TestWherePasskeysAre(t *testing.T) {
	for base, hosts := range map[string]map[string]bool{
		"":                          {"localhost:8080": true, "127.0.0.1:8080": false, "chat.example": false, "chat.evil-localhost": false},
		"https://chat.example:8443": {"whatever": true}, "http://chat.example": {"localhost": false}, "https://192.0.2.1": {"192.0.2.1": false}, "http://localhost:1": {"x": true},
	} {
		var settings []setting
		if base != "" {
			settings = append(settings, baseURL(base))
		}
		w := newWorld(t, settings...)
		alice := w.person("alice")
		for host, want := range hosts {

			there := alice.get("/account/factors", asPage, func(r *http.Request) { r.Host = host }).want(200).doc().Find("form[data-passkey]").Length() == 1
			button := w.nobody().get("/login", func(r *http.Request) { r.Host = host }).want(200).doc().Find("button[form=passkey-form]").Length() == 1
			if there != want || button != want {
				t.Errorf("%q at %q: %t, %t", base, host, there, button)
			}
		}
	}
}
