package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"

	"parley/db/chat"
)

// codeOf is what an app with the secret shows, so many steps from now.
func (w *world) codeOf(secret string, steps int64) string {
	w.t.Helper()
	code, err := hotp.GenerateCode(secret, uint64(w.clock.now().Unix()/30+steps))
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

// hasApp sets up an authenticator app, by the code of the last step, and gives its secret and the recovery codes.
func (v *visitor) hasApp() (secret string, codes []string) {
	v.t.Helper()
	setup, err := v.store.SetUpTOTP(v.t.Context(), chat.Actor{User: v.user}, password)
	if err != nil {
		v.t.Fatal(err)
	}
	if codes, err = v.store.ConfirmTOTP(v.t.Context(), chat.Actor{User: v.user}, v.codeOf(setup.Secret, -1)); err != nil {
		v.t.Fatal(err)
	}
	return setup.Secret, codes
}

// browser is a visitor that keeps all its cookies.
type browser struct {
	*world
	jar map[string]string
}

func (w *world) browser() *browser { return &browser{w, map[string]string{}} }

func (b *browser) post(path string, options ...option) *reply {
	b.t.Helper()
	return b.do(http.MethodPost, path, options...)
}

func (b *browser) get(path string, options ...option) *reply {
	b.t.Helper()
	return b.do(http.MethodGet, path, options...)
}

func (b *browser) do(method, path string, options ...option) *reply {
	b.t.Helper()
	var pairs []string
	for name, value := range b.jar {
		pairs = append(pairs, name+"="+value)
	}
	r := b.nobody().do(method, path, append(options, header("Cookie", strings.Join(pairs, "; ")))...)
	for _, c := range r.cookies {
		if c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Before(time.Now()) {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
	return r
}

func (b *browser) signedIn() bool {
	b.t.Helper()
	return b.get("/users", asJSON).status == 200
}

func (r *reply) alert() string { return r.doc().Find("[role=alert]:not([hidden])").Text() }

func TestSecondFactor(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	secret, codes := alice.hasApp()
	b := w.browser()
	r := b.post("/login", asPage, credentials("alice", password, "next", "/users?q=b")).want(303).wantHeader("Location", "/login/factor?next=%2Fusers%3Fq%3Db")
	if cookies := r.header.Values("Set-Cookie"); len(cookies) != 1 || !strings.HasPrefix(cookies[0], "parley-sign-in=") || !strings.Contains(cookies[0], "HttpOnly") || !strings.Contains(cookies[0], "SameSite=Strict") || b.signedIn() {
		t.Errorf("the right password alone gives %q", cookies)
	}
	asked := b.get("/login/factor?next=%2Fusers%3Fq%3Db", asPage).want(200).doc()
	if next := asked.Find("form input[name=next]").AttrOr("value", ""); next != "/users?q=b" || asked.Find("input[name=code][autocomplete=one-time-code]").Length() != 1 || asked.Find("[data-passkey]").Length() != 0 {
		t.Errorf("the page leads to %q", next)
	}
	wrong := b.post("/login/factor", asPage, form("code", "000000", "next", "/users")).want(422)
	if field := wrong.doc().Find("input[name=code][aria-invalid=true]"); field.AttrOr("aria-describedby", "") != "code-error" || field.AttrOr("value", "") != "" || wrong.doc().Find("input[name=next]").AttrOr("value", "") != "/users" {
		t.Errorf("the page doesn't say which field is wrong: %s", wrong.body)
	}
	b.post("/login/factor", asPage, form("code", w.codeOf(secret, 0), "next", "/users?q=b")).want(303).wantHeader("Location", "/users?q=b")
	if _, waits := b.jar["parley-sign-in"]; waits || !b.signedIn() {
		t.Errorf("after the code there is %v", b.jar)
	}
	other := w.browser()
	other.post("/login", asPage, credentials("alice", password)).want(303).wantHeader("Location", "/login/factor")
	other.post("/login/factor", asPage, form("code", w.codeOf(secret, 0))).want(422) // was used
	other.post("/login/factor", asPage, form("code", codes[0], "next", "/users")).want(303).wantHeader("Location", "/account/factors?done=recovered")
	if said := other.get("/account/factors?done=recovered", asPage).want(200).doc().Find(".done").Text(); !strings.Contains(said, "9 recovery codes are left") {
		t.Errorf("the page says %q", said)
	}
}

func TestSecondFactorAsProgram(t *testing.T) {
	w := newWorld(t)
	secret, _ := w.person("alice").hasApp()
	w.person("bob")
	b := w.browser()
	p := b.post("/login", asJSON, credentials("alice", password)).wantProblem(401)
	if len(p.SecondFactor) != 2 || p.SecondFactor[0] != chat.FactorTOTP || p.SecondFactor[1] != chat.FactorRecoveryCode {
		t.Errorf("the problem is %+v", p)
	}
	if wrong := w.browser().post("/login", asJSON, credentials("alice", "wrong")).wantProblem(401); wrong.SecondFactor != nil {
		t.Errorf("who doesn't know the password hears of a second factor: %+v", wrong)
	}
	b.get("/login/factor", asJSON).want(200).wantJSON(`{"second_factor":["totp","recovery_code"]}`)
	b.post("/login/factor", asJSON, object(fields{"code": "000000"})).wantFields(422, "code")
	b.post("/login/factor", asJSON, object(fields{"code": w.codeOf(secret, 0)})).want(200).wantJSON(`{"username":"alice","display_name":"alice","photo":null}`)
	if !b.signedIn() {
		t.Error("nobody is signed in")
	}
	w.browser().post("/login", asJSON, credentials("bob", password)).want(200)
}

// The sixth code, right as it is, comes too late.
func TestSixthCode(t *testing.T) {
	w := newWorld(t)
	_, codes := w.person("alice").hasApp()
	b := w.browser()
	b.post("/login", asPage, credentials("alice", password)).want(303)
	for range 4 {
		b.post("/login/factor", asPage, form("code", "000000")).want(422)
	}
	over := b.post("/login/factor", asPage, form("code", "000000", "next", "/users")).want(401)
	if doc := over.doc(); doc.Find("input[name=password]").Length() != 1 || doc.Find("input[name=next]").AttrOr("value", "") != "/users" || !strings.Contains(over.alert(), "Sign in again") {
		t.Errorf("the page is %s", over.body)
	}
	b.post("/login/factor", asPage, form("code", codes[0])).want(401)
	b.post("/login/factor", asJSON, form("code", codes[0])).wantProblem(401)
	b.get("/login/factor", asPage).want(401)
	if b.signedIn() {
		t.Error("somebody is signed in")
	}
}

// A sign-in that waits is good in the browser alone where it began, and for one session.
func TestWaitingSignIn(t *testing.T) {
	w := newWorld(t)
	_, codes := w.person("alice").hasApp()
	b, thief := w.browser(), w.browser()
	b.post("/login", asPage, credentials("alice", password)).want(303)
	thief.post("/login/factor", asPage, form("code", codes[0])).want(401)
	waiting := b.jar["parley-sign-in"]
	b.jar["parley"] = waiting
	if b.signedIn() {
		t.Error("its token is one of a session too")
	}
	b.post("/login/factor", asPage, form("code", codes[0])).want(303)
	thief.jar["parley-sign-in"] = waiting
	thief.post("/login/factor", asPage, form("code", codes[1])).want(401)
	if w.count("sign_ins") != 0 || strings.Contains(w.log.String(), waiting) || strings.Contains(w.log.String(), codes[0]) {
		t.Error("it is still there, or in the log")
	}
}

func TestSignInCookieOverHTTPS(t *testing.T) {
	w := newWorld(t, baseURL("https://chat.example"))
	w.person("alice").hasApp()
	r := w.nobody().post("/login", asPage, credentials("alice", password)).want(303)
	if cookie := r.header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Host-parley-sign-in=") || !strings.Contains(strings.ToLower(cookie), "secure") || !strings.Contains(strings.ToLower(cookie), "path=/") {
		t.Errorf("the cookie is %q", cookie)
	}
}

func TestOwnFactors(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.get("/account/factors", asJSON).want(200).wantJSON(`{"required":false,"totp":null,"passkeys":[],"recovery_codes_left":0}`)
	refused := alice.post("/account/factors/totp", asPage, form("password", "wrong")).want(422)
	if doc := refused.doc(); doc.Find("details[open] input#totp-password[aria-invalid=true]").Length() != 1 || doc.Find("details[open]").Length() != 1 || strings.Contains(string(refused.body), `value="wrong"`) {
		t.Errorf("the page is %s", doc.Find("#main").Text())
	}
	alice.post("/account/factors/totp", asJSON, object(fields{"password": "wrong"})).wantFields(422, "password")
	alice.get("/account/factors/totp", asPage).want(303).wantHeader("Location", "/account/factors")
	alice.get("/account/factors/totp", asJSON).wantProblem(404)
	alice.post("/account/factors/totp", asPage, form("password", password)).want(303).wantHeader("Location", "/account/factors/totp")
	page := alice.get("/account/factors/totp", asPage).want(200)
	secret := strings.ReplaceAll(page.doc().Find("code.secret").Text(), " ", "")
	if page.doc().Find("svg.qr[role=img] > path").Length() != 1 || page.doc().Find("[style]").Length() != 0 || len(secret) != 32 {
		t.Errorf("the secret is %q in %s", secret, page.body)
	}
	var setup struct{ Secret, URL string }
	if alice.get("/account/factors/totp", asJSON).want(200).into(&setup); setup.Secret != secret || !strings.Contains(setup.URL, secret) {
		t.Errorf("a program reads %+v", setup)
	}
	alice.post("/account/factors/totp/confirm", asPage, form("code", "000000")).want(422).wantText("code-error", "class=\"qr\"")
	done := alice.post("/account/factors/totp/confirm", asPage, form("code", w.codeOf(secret, 0))).want(200)
	if doc := done.doc(); doc.Find(".codes li").Length() != 10 || !strings.HasPrefix(doc.Find("a[download]").AttrOr("href", ""), "data:text/plain") || doc.Find(".done").Text() == "" {
		t.Errorf("the page is %s", done.body)
	}
	var own factorsBody
	if alice.get("/account/factors", asJSON).want(200).into(&own); own.TOTP == nil || own.RecoveryCodesLeft != 10 || own.RecoveryCodes != nil {
		t.Errorf("there is %+v", own)
	}
	if alice.post("/account/factors/recovery-codes", asJSON, form("password", password)).want(200).into(&own); len(own.RecoveryCodes) != 10 {
		t.Errorf("the codes are %+v", own)
	}
	alice.post("/account/factors/totp/remove", asJSON, form("password", "wrong")).wantFields(422, "password")
	alice.post("/account/factors/totp/remove", asPage, form("password", password)).want(303).wantHeader("Location", "/account/factors?done=totp-removed")
}

// Where the place asks everybody for a factor, whoever has none gets nothing but the pages to set one up, without what
// stands beside others, and the way out.
func TestEverybodyNeedsAFactor(t *testing.T) {
	w := newWorld(t, forgetful)
	alice, bob := w.person("alice"), w.person("bob")
	m := bob.send("alice", "the secret of alice and bob")
	root := w.admin("root")
	root.hasApp()
	root.post("/admin/place", asPage, form("second_factor", "everybody")).want(303)
	root.get("/admin/users", asPage).want(200)
	for _, e := range table(m.ID.String()) {
		if strings.HasPrefix(e.pattern, "/account/factors") || e.want.signedOut.location == "" && e.want.signedOut.page != 303 || e.pattern == "/" || e.pattern == "/logout" {
			continue
		}
		var options []option
		if e.send != nil {
			options = append(options, e.send)
		}
		alice.do(e.method, e.target(), append(options, asPage)...).want(303).wantHeader("Location", "/account/factors")
		alice.do(e.method, e.target(), append(options, asFragment)...).want(403).wantHeader("HX-Redirect", "/account/factors")
		if p := alice.do(e.method, e.target(), append(options, asJSON)...).wantProblem(403); len(p.SecondFactor) != 2 {
			t.Errorf("%s: the problem is %+v", e.target(), p)
		}
	}
	alice.get("/admin/users", asPage).want(303)
	for _, s := range shapes {
		alice.get("/account/factors", s.ask).want(200).wantNoText("the secret of")
		alice.post("/account/factors/totp", s.ask, form("password", password))
		alice.get("/account/factors/totp", s.ask).want(200).wantNoText("the secret of")
	}
	alone := alice.get("/account/factors", asPage).doc()
	if alone.Find("#conversations").Length() != 0 || alone.Find("form[action='/logout'] button").Length() != 1 || !strings.Contains(alone.Text(), "This place asks") {
		t.Error("the page shows conversations, or has no way out")
	}
	addr := w.listen()
	if status := handshakeStatus(t, addr, alice); status != 403 {
		t.Errorf("the window is answered with %d", status)
	}
	alice.hasApp()
	alice.get("/conversations/bob", asPage).want(200).wantText("the secret of")
	alice.post("/account/factors/totp/remove", asPage, form("password", password)).want(422).wantText("only second factor")
	bob.post("/logout", asPage, form()).want(303)
}

func handshakeStatus(t *testing.T, addr string, v *visitor) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Cookie": v.cookie(), "Origin": "http://" + addr, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

func TestAdminResetsFactors(t *testing.T) {
	w := newWorld(t)
	root, alice := w.admin("root"), w.person("alice")
	alice.hasApp()
	root.post("/admin/users/alice/reset-factors", asPage, form()).want(303).wantHeader("Location", "/admin/users/alice?done=factors-reset")
	root.get("/admin/users/alice?done=factors-reset", asPage).want(200).wantText("second factors are gone")
	if alice.signedIn() {
		t.Error("her session goes on")
	}
	b := w.browser()
	b.post("/login", asPage, credentials("alice", password)).want(303).wantHeader("Location", "/conversations")
	root.get("/admin/audit", asPage).want(200).wantText("removed all second factors of")
}
