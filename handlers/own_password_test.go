package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"parley/db/chat"
	"parley/handlers/hub"
)

const another = "tall beans and a heron"

func (v *visitor) changePassword(ask option) *reply {
	v.t.Helper()
	return v.post("/account/password", ask, form("current_password", password, "password", another))
}

// A new password ends all other sessions with their windows. The one that it was chosen in goes on under another token, and
// its windows are opened anew with that.
func TestChangingThePasswordEndsOtherSessions(t *testing.T) {
	for _, s := range shapes {
		w := newWorld(t)
		addr := w.listen()
		here := w.person("alice")
		stale := w.asCookie(here.token)
		phone, bob := w.signIn(here.user), w.person("bob")
		hereWindow, phoneWindow, bobWindow := here.open(addr), phone.open(addr), bob.open(addr)
		w.awaitWindows(3)
		start := time.Now()
		r := here.changePassword(s.ask)
		if s.shape == program {
			r.want(http.StatusNoContent)
		} else {
			r.want(http.StatusSeeOther).wantHeader("Location", "/account/password?done=saved")
		}
		if code := phoneWindow.closeCode(); code != hub.CloseRevoked {
			t.Errorf("%s: the phone's window is closed with %d", s.name, code)
		}
		if code := hereWindow.closeCode(); code != hub.CloseRestart {
			t.Errorf("%s: the window here is closed with %d", s.name, code)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: it took %s", s.name, took)
		}
		bobWindow.want(bob.canary())
		cookie := r.sessionCookie()
		if cookie == nil || cookie.Value == here.token || !cookie.HttpOnly || cookie.MaxAge <= 0 || (r.browserCookieOf() == nil) != (s.shape == program) {
			t.Fatalf("%s: the cookies are %+v", s.name, r.cookies)
		}
		if stale.signedIn() || phone.signedIn() {
			t.Errorf("%s: a stale cookie still signs in", s.name)
		}
		if here = w.asCookie(cookie.Value); !here.signedIn() {
			t.Errorf("%s: the new one doesn't", s.name)
		}
		w.nobody().post("/login", asJSON, credentials("alice", password)).wantProblem(401)
		w.nobody().post("/login", asJSON, credentials("alice", another)).want(200)
	}
}

// What was refused names its fields, and no password comes back.
func TestChangingThePasswordRefused(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, c := range []struct{ current, password, field string }{
		{"wrong horse", another, "current_password"}, {password, "short", "password"}, {password, "iloveyou", "password"}, {password, "alice1234", "password"},
	} {
		content := form("current_password", c.current, "password", c.password)
		alice.post("/account/password", asJSON, content).wantFields(422, c.field)
		r := alice.post("/account/password", asPage, content).want(422).wantNoText(c.current+`"`, c.password+`"`)
		field := r.doc().Find("#" + c.field)
		if field.AttrOr("aria-invalid", "") != "true" || field.AttrOr("value", "") != "" || r.doc().Find("#"+c.field+"-error").Text() == "" {
			t.Errorf("%+v: the field is %v", c, field.Nodes)
		}
		if r.sessionCookie() != nil {
			t.Error("there is a cookie")
		}
	}
	if !alice.signedIn() || strings.Contains(w.log.String(), "horse") {
		t.Error("alice is out, or a password is in the log")
	}
}

// A session whose token somebody planted or stole isn't theirs after the password was changed in it.
func fixedSessionIsWorthNothingAfterAPasswordChange(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	mallory := w.asCookie(alice.token)
	if !mallory.signedIn() {
		t.Fatal("the token signs nobody in")
	}
	alice.token = alice.changePassword(asPage).want(303).sessionCookie().Value
	if mallory.signedIn() || !alice.signedIn() {
		t.Error("the stolen token goes on, or alice doesn't")
	}
	mallory.post("/account/password", asJSON, form("current_password", another, "password", "mallory was here")).wantProblem(401)
	alice.post("/logout", asPage).want(303)
	if alice.signedIn() {
		t.Error("the cookie is good after the sign-out")
	}
}

func TestChangingTheEmailAddress(t *testing.T) {
	w := newWorld(t)
	here := w.person("alice")
	phone := w.signIn(here.user)
	here.post("/account/email", asJSON, form("current_password", "wrong horse", "email", "a@example.org")).wantFields(422, "current_password")
	r := here.post("/account/email", asPage, form("current_password", password, "email", "typed <here>")).want(422)
	if got := r.doc().Find("#email").AttrOr("value", ""); got != "typed <here>" {
		t.Errorf("what was typed is now %q", got)
	}
	if !phone.signedIn() {
		t.Error("the phone is out before anything was changed")
	}
	here.post("/account/email", asJSON, form("current_password", password, "email", "a@example.org")).want(200).
		wantJSON(`{"username":"alice","display_name":"alice","photo":null,"email":null,"is_admin":false,"unconfirmed_email":"a@example.org"}`)
	if phone.signedIn() || !here.signedIn() {
		t.Error("the wrong sessions have ended")
	}
	if doc := here.get("/account/email", asPage).want(200).doc(); !strings.Contains(doc.Find("#wanted + p").Text(), "a@example.org") {
		t.Error("the page doesn't say what is to be confirmed")
	}
	here.post("/account/email/confirmation", asPage).want(422).wantText("A mail was sent in the last five minutes.")
	here.post("/account/email/confirmation", asJSON).wantFields(422, "email")
	w.clock.advance(6 * time.Minute)
	w.deliver()
	here.post("/account/email/confirmation", asPage).want(303).wantHeader("Location", "/account/email?done=again")
	mail := w.deliver()
	if len(mail) != 1 || mail[0].Kind != chat.MailConfirm || mail[0].To != "a@example.org" {
		t.Fatalf("the mails are %+v", mail)
	}
	w.nobody().post("/email/confirm/"+mail[0].Token, asPage).want(303)
	here.get("/account/email", asPage).want(200).wantText(`value="a@example.org"`).wantNoText("Not confirmed yet")
	here.post("/account/email", asPage, form("current_password", password, "email", "")).want(303).wantHeader("Location", "/account/email?done=saved")
	here.get("/account/email", asJSON).want(200).wantText(`"email":null`)
}

// A crowd of sign-ins is told to come again, in the form where people are, and fills no log.
func TestTooManySignIns(t *testing.T) {
	w := newWorld(t)
	w.account(chat.NewUser{Username: "alice"})
	answers := make(chan *reply, 150)
	for i := range cap(answers) {
		ask := asJSON
		if i%2 == 0 {
			ask = asPage
		}
		go func() { answers <- w.nobody().post("/login", ask, credentials("alice", password, "next", "/users")) }()
	}
	refused := 0
	for range cap(answers) {
		switch r := <-answers; r.status {
		case 503:
			refused++
			r.wantHeader("Retry-After", "1")
			if isPage := strings.HasPrefix(r.header.Get("Content-Type"), "text/html"); isPage && (r.doc().Find("input[name=username]").AttrOr("value", "") != "alice" || r.doc().Find("input[name=next]").AttrOr("value", "") != "/users" || r.doc().Find("[role=alert]").Text() == "") {
				t.Errorf("the form forgot what was typed: %s", r.start())
			}
		case 200, 303:
		default:
			t.Errorf("answered with %d: %s", r.status, r.start())
		}
	}
	if refused == 0 || refused == cap(answers) {
		t.Errorf("%d of %d were told to come again", refused, cap(answers))
	}
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Errorf("the log has it as errors: %s", w.log.String())
	}
}

// Whoever has waited until the request's time was over is still answered with the form, not with a fault.
func TestSignInThatTookTooLong(t *testing.T) {
	w := newWorld(t)
	w.account(chat.NewUser{Username: "alice"})
	before := requestTime
	requestTime = time.Nanosecond
	defer func() { requestTime = before }()
	w.nobody().post("/login", asJSON, credentials("alice", password)).wantHeader("Retry-After", "1").wantProblem(503)
	doc := w.nobody().post("/login", asPage, credentials("alice", password, "next", "/users")).want(503).wantHeader("Retry-After", "1").doc()
	if doc.Find("input[name=username]").AttrOr("value", "") != "alice" || doc.Find("input[name=next]").AttrOr("value", "") != "/users" || doc.Find("[role=alert]").Text() == "" {
		t.Error("the form forgot what was typed, or says nothing")
	}
}

// Access tokens are asked about where there are any, and what was chosen is still chosen where something was refused.
func TestChangingThePasswordAsksAboutTokens(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	box := func(r *reply) *goquery.Selection {
		return r.doc().Find("form.fields input[type=checkbox][name=revoke_tokens]")
	}
	if box(alice.get("/account/password", asPage).want(200)).Length() != 0 {
		t.Error("it asks about tokens where there are none")
	}
	secret, _ := alice.tokenOf("bot", chat.ScopeRead)
	if b := box(alice.get("/account/password", asPage).want(200)); b.Length() != 1 || b.Is("[checked]") {
		t.Error("it doesn't ask about tokens, or has an answer of its own")
	}
	refused := alice.post("/account/password", asPage, form("current_password", "wrong horse", "password", another, "revoke_tokens", "on")).want(422)
	if !box(refused).Is("[checked]") {
		t.Error("what was chosen is forgotten")
	}
	w.nobody().get("/users", underToken(secret)).want(200)
	alice.post("/account/password", asJSON, form("current_password", password, "password", another, "revoke_tokens", "true")).want(204)
	w.nobody().get("/users", underToken(secret)).want(401)
}
