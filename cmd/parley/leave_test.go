package main

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// The window of whoever deletes their account is closed like that of anybody who is signed out, and yet the page that they
// come to is the one that says what has happened.
func TestWhoeverLeavesIsToldSo(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/account/delete")
	b.shows("an open window", `document.querySelector("#connection")?.textContent === ""`)
	b.run(
		chromedp.Click(chromedp.CSS(`#main input[value=keep]`)),
		chromedp.SendKeys(chromedp.CSS(`#main input[name=username]`), "alice"),
		chromedp.SendKeys(chromedp.CSS(`#main input[name=current_password]`), password),
		chromedp.Click(chromedp.CSS(`#main button.danger`)),
	)
	b.shows("the farewell", `location.pathname === "/farewell"`)
	b.noErrors()
}
