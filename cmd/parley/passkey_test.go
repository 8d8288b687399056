package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"parley/db/chat"
	"parley/db/dbtest"
)

// local is the address of a running parley at which browsers know passkeys: they are for names, not for numbers.
func (r *running) local() string { return strings.Replace(r.url(""), "127.0.0.1", "localhost", 1) }

// authenticator plugs a device for passkeys into the browser, which holds whoever holds it for its owner.
func (b *browser) authenticator() webauthn.AuthenticatorID {
	b.t.Helper()
	call(b, webauthn.Enable, webauthn.EnableParams{})
	made, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	return made.AuthenticatorID
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(selector)))
}

func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.run(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// unfold opens what is folded up around a form.
func (b *browser) unfold(form string) {
	b.t.Helper()
	b.click(fmt.Sprintf(`details:has(> form[action="%s"]) > summary`, form))
	b.run(chromedp.WaitVisible(chromedp.CSS(fmt.Sprintf(`form[action="%s"] input[name=password]`, form))))
}

// withPassword sends one of the forms that take the password.
func (b *browser) withPassword(form, password string) {
	b.t.Helper()
	b.unfold(form)
	b.fill(fmt.Sprintf(`form[action="%s"] input[name=password]`, form), password)
	b.click(fmt.Sprintf(`form[action="%s"] button:not([type=button])`, form))
}

const passkeyForm = "/account/factors/passkeys"

func (b *browser) signOut() {
	b.t.Helper()
	b.open("/conversations")
	b.click(`form[action="/logout"] button`)
	b.run(chromedp.WaitVisible(chromedp.CSS(`input[name=username]`)))
}

func (b *browser) password(username string) {
	b.t.Helper()
	b.open("/login")
	b.fill(`input[name=username]`, username)
	b.fill(`input[name=password]`, password)
	b.click(`form.card button.primary`)
}

const byPasskey = `button[form="passkey-form"]`

func (b *browser) alerts(text string) {
	b.t.Helper()
	b.shows(text, fmt.Sprintf(`[...document.querySelectorAll("[role=alert]")].some(e => !e.hidden && e.textContent.includes(%q))`, text))
}

func TestPasskeysInABrowser(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice")
	b := openBrowser(t, server.local())
	device := b.authenticator()
	b.signIn("alice")

	b.open("/account/factors")
	b.withPassword(passkeyForm, "not the password")
	b.alerts("This isn’t your password")
	b.open("/account/factors")
	b.unfold(passkeyForm)
	b.fill(`input[name=name]`, "Laptop")
	b.fill(`#passkey-password`, password)
	b.click(`#passkey-form button:not([type=button])`)
	b.shows("recovery codes", `document.querySelectorAll(".codes li").length === 10`)
	b.click(`a[download]`)

	b.signOut()
	b.click(byPasskey)
	b.shows("the conversations", `document.querySelector("#conversations")`)

	b.signOut()
	b.password("alice")
	b.shows("the question for the second factor", `location.pathname === "/login/factor"`)
	b.click(byPasskey)
	b.shows("the conversations", `document.querySelector("#conversations")`)

	b.signOut()
	call(b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: device, IsUserVerified: false})
	b.click(byPasskey)
	b.alerts("No passkey was used")
	call(b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: device, IsUserVerified: true})

	b.click(byPasskey)
	b.shows("the conversations", `document.querySelector("#conversations")`)
	b.open("/account/factors")
	b.withPassword("/account/factors/passkeys/1/remove", password)
	b.shows("that it is gone", `document.querySelector(".done")?.textContent.includes("was removed")`)
	b.signOut()
	b.click(byPasskey)
	b.alerts("This passkey can’t be taken")
	b.noErrors()
}

// The address that Parley is told to have isn't that of the page: what a passkey signs there is worth nothing.
func TestPasskeyFromAnotherOrigin(t *testing.T) {
	dsn, pool := dbtest.NewDSN(t)
	store := chat.New(pool, chat.Options{})
	addPeople(t, store, "alice", "bob")
	right := start(t, "--database-url", dsn)
	wrong := start(t, "--database-url", dsn, "--base-url", "http://localhost:1")
	b := openBrowser(t, right.local())
	b.authenticator()
	add := func() {
		b.open("/account/factors")
		b.withPassword(passkeyForm, password)
	}
	b.signIn("alice")
	add()
	b.shows("recovery codes", `document.querySelectorAll(".codes li").length === 10`)
	b.signOut()

	b.base = wrong.local()
	b.open("/login")
	b.click(byPasskey)
	b.alerts("This passkey can’t be taken")
	b.base = right.local()
	b.open("/login")
	b.click(byPasskey)
	b.shows("the conversations", `document.querySelector("#conversations")`)
	b.signOut()

	b.base = wrong.local()
	b.signIn("bob")
	add()
	b.alerts("doesn’t hold")
}

// TestEveryPageOfSecondFactors looks at them as TestEveryPage does at others, while somebody sets up everything.
func TestEveryPageOfSecondFactors(t *testing.T) {
	script := axe(t)
	server, store := startOn(t)
	people := addPeople(t, store, "admin")
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			username := "person-" + l.name
			addPeople(t, store, username, "late-"+l.name)
			b := openBrowser(t, server.local())
			b.as(l)
			b.authenticator()
			see := func(name string) {
				t.Helper()
				b.picture(name + "-" + l.name)
				b.audit(script, name+" ("+l.name+")")
				if wide := evaluate[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
					t.Errorf("%s is %d px too wide", name, wide)
				}
			}
			b.open("/login")
			b.run(chromedp.WaitVisible(chromedp.CSS(byPasskey)))
			see("login-passkeys")
			b.password(username)
			b.shows("the conversations", `document.querySelector("#conversations")`)
			b.open("/account/factors")
			see("own-factors")
			b.withPassword("/account/factors/totp", "not the password")
			b.run(chromedp.WaitVisible(chromedp.CSS(`#totp-password-error`)))
			see("own-factors-refused")
			b.open("/account/factors")
			b.withPassword("/account/factors/totp", password)
			b.run(chromedp.WaitVisible(chromedp.CSS(`svg.qr`)))
			see("totp-setup")
			secret := strings.ReplaceAll(evaluate[string](b, `document.querySelector(".secret").textContent`), " ", "")
			b.fill(`#code`, codeAt(t, secret))
			b.click(`form[action$="/confirm"] button`)
			b.run(chromedp.WaitVisible(chromedp.CSS(`.codes`)))
			see("recovery-codes")
			b.open("/account/factors")
			b.withPassword(passkeyForm, password)
			b.shows("the passkey", `document.querySelector(".factor")`)
			see("own-factors-all")
			b.signOut()
			b.password(username)
			b.run(chromedp.WaitVisible(chromedp.CSS(`#code`)))
			see("second-factor")
			b.fill(`#code`, "000000")
			b.click(`form.fields button:not([type=button])`)
			b.run(chromedp.WaitVisible(chromedp.CSS(`#code-error`)))
			see("second-factor-refused")

			rule := func(mode chat.SecondFactor) {
				text := string(mode)
				if _, err := store.EditPlace(t.Context(), chat.Actor{User: people["admin"]}, chat.PlaceEdit{SecondFactor: &text}); err != nil {
					t.Fatal(err)
				}
			}
			rule(chat.SecondFactorAll)
			defer rule(chat.SecondFactorOptional)
			b.password("late-" + l.name)
			b.shows("that it worked", `location.pathname !== "/login"`)
			await(t, "the rule to be known", func() bool {
				b.open("/account/factors")
				return evaluate[bool](b, `document.querySelector("#conversations") === null`)
			}, b.body)
			see("own-factors-lacking")
			b.noErrors()
		})
	}
}

func codeAt(t testing.TB, secret string) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// Whoever has the server lets the only admin in again.
func TestResetFactorsCommand(t *testing.T) {
	dsn, pool := dbtest.NewDSN(t)
	store := chat.New(pool, chat.Options{})
	admin := chat.Actor{User: addPeople(t, store, "admin")["admin"]}
	setup, err := store.SetUpTOTP(t.Context(), admin, password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.ConfirmTOTP(t.Context(), admin, codeAt(t, setup.Secret)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"nobody": "There is nobody called nobody", "ADMIN": "admin signs in with the password alone now."} {
		out, err := command(t, "", "--database-url", dsn, "user", "reset-factors", name)
		if !strings.Contains(out+fmt.Sprint(err), want) {
			t.Errorf("%s: it says %q, %v", name, out, err)
		}
	}
	if f, err := store.Factors(t.Context(), admin); f.Any() || err != nil {
		t.Errorf("there is %+v, %v", f, err)
	}
}
