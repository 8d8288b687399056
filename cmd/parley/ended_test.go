package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Somebody whose session is ended elsewhere is told why, signs in again and goes on in the middle of the sentence.
func TestPageOfAnEndedSessionSaysWhyAndComesBack(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/conversations/bob")
	b.windowOpens()
	b.run(chromedp.SendKeys(chromedp.CSS("#body"), "half a sen"))
	began := time.Now()
	if status, text := clientFor(t, server.url(""), "alice").do(http.MethodPost, "/account/devices/end-others", map[string]string{}); status != http.StatusNoContent {
		t.Fatalf("answered with %d: %s", status, text)
	}
	b.shows("why it is signed out", `location.pathname === "/login" && document.querySelector("[role=status]")?.textContent.includes("You were signed out")`)
	t.Logf("the page said so after %s", time.Since(began))
	b.run(chromedp.SendKeys(`input[name=username]`, "alice"), chromedp.SendKeys(`input[name=password]`, password+kb.Enter))
	b.shows("what was being typed", `location.pathname === "/conversations/bob" && document.querySelector("#body")?.value === "half a sen"`)
	b.noErrors()
}

// windowOpens waits until the page hears of what happens.
func (b *browser) windowOpens() {
	b.t.Helper()
	b.shows("the window", `performance.getEntriesByType("resource").some(e => e.name.includes("since_rev="))`)
}

// A page whose session a new password leaves on goes on too, with the new cookie.
func TestPageStaysWhereThePasswordWasChanged(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	bob := clientFor(t, server.url(""), "bob")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/conversations/bob")
	b.windowOpens()
	b.run(chromedp.Evaluate[chromedp.Void](`window.mark = "the same page"`))
	script := fmt.Sprintf(`fetch("/account/password", {method: "POST", body: new URLSearchParams({current_password: %q, password: "tall beans and a heron"}), headers: {Accept: "application/json"}}).then(r => r.status)`, password)
	if status := evaluateAsync[int](b, script); status != http.StatusNoContent {
		t.Fatalf("answered with %d", status)
	}
	bob.send("alice", "are you still there?")
	b.showsMessage("are you still there?")
	if mark := evaluate[string](b, `String(window.mark)`); mark != "the same page" {
		t.Errorf("the page was left: %s", mark)
	}
	b.noErrors()
}

// judged types a password and gives what is said of it.
func (b *browser) judged(typed string) (level float64, text string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
		const field = document.querySelector("#password");
		field.value = %q;
		field.dispatchEvent(new Event("input", { bubbles: true }));
	})()`, typed)))
	return evaluate[float64](b, `document.querySelector(".strength meter").value`), evaluate[string](b, `document.querySelector(".strength output").textContent`)
}

func TestPasswordField(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/account/password")
	if !evaluate[bool](b, `document.querySelector(".strength").hidden`) {
		t.Error("it judges before anything is typed")
	}
	for typed, want := range map[string]float64{
		"": 0, "beans": 0, "7 octet": 0, "aaaaaaaaaaaa": 1, "12345678901": 1, "password2026": 1, "P@ssw0rd!": 1, "alice1990": 1, "qwertyuiop": 1, "Summer2026!": 1,
		"heron beans": 2, "correct horse": 2, "heron beans 47!": 3, "tall beans and a heron": 4, "correct horse battery staple": 4, "k3Vx9qLw2ZbT8mRf": 4, "xkqvwzptrbnmgh": 4, "слово за словом идёт": 4,
	} {
		if level, text := b.judged(typed); level != want || (typed != "" && text == "") {
			t.Errorf("%q is of level %v (%s), want %v", typed, level, text, want)
		}
	}
	const typeOf = `document.querySelector("#password").type`
	button := chromedp.CSS(`.masked:has(#password) button`)
	if shown := evaluate[string](b, typeOf); shown != "password" {
		t.Errorf("the field is a %s", shown)
	}
	b.run(chromedp.Click(button))
	b.shows("the password", typeOf+` === "text" && document.querySelector(".masked:has(#password) button").textContent.includes("Hide")`)
	b.run(chromedp.Click(button))
	b.shows("no password", typeOf+` === "password"`)
	b.noErrors()
}

func TestPasswordFieldWithoutJavaScript(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice")
	b := openBrowser(t, server.url(""))
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.signIn("alice")
	b.open("/account/password")
	b.run(
		chromedp.WaitNotVisible(chromedp.CSS(`.masked button`)), chromedp.WaitNotVisible(chromedp.CSS(`.strength`)),
		chromedp.SendKeys(chromedp.CSS(`#current_password`), password),
		chromedp.SendKeys(chromedp.CSS(`#password`), "tall beans and a heron"+kb.Enter),
		chromedp.WaitVisible(chromedp.CSS(`#main .done`)),
	)
	b.open("/account/devices")
	b.run(chromedp.WaitVisible(chromedp.CSS(`.devices`)))
}
