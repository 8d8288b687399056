package main

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"parley/db/chat"
	"parley/db/dbtest"
)

var setupLink = regexp.MustCompile(`link=(http://\S+/setup/\S+)`)

// link is the one that the log has for the first admin.
func (r *running) link() string {
	r.t.Helper()
	await(r.t, "a link in the log", func() bool { return setupLink.MatchString(r.log.String()) }, r.log.String)
	return setupLink.FindStringSubmatch(r.log.String())[1]
}

// TestFirstRun goes from an empty database to an admin who is signed in, over plain http under a name as a machine in a
// home has it: there browsers send no Sec-Fetch-Site, and with a form of a page that has no-referrer no Origin either.
func TestFirstRun(t *testing.T) {
	dsn, _ := dbtest.NewDSN(t)
	r := start(t, "--database-url", dsn, "--log-level", "debug")
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	old := r.link()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.start()
	link := r.link()
	if link == old || !strings.HasPrefix(link, r.url("/setup/")) {
		t.Errorf("the second start gives %s after %s", link, old)
	}
	b := openBrowser(t, "http://parley.test:"+port, chromedp.Flag("host-resolver-rules", "MAP parley.test 127.0.0.1"))
	b.open(strings.TrimPrefix(old, r.url("")))
	b.shows("that an old link is none", `document.body.textContent.includes("There is nothing at this address")`)
	b.open(strings.TrimPrefix(link, r.url("")))
	b.run(chromedp.SetValue(chromedp.CSS(`input[name=name]`), "By the river"))
	b.fillIn("username", "ada")
	b.fillIn("password", password)
	b.run(chromedp.Submit(chromedp.CSS(`form.card`)), chromedp.WaitVisible(chromedp.CSS(`#conversations`)))
	b.open("/admin/place")
	b.shows("the place's name", `document.querySelector("#name").value === "By the river"`)
	if _, token, _ := strings.Cut(link, "/setup/"); strings.Count(r.log.String(), token) != 1 {
		t.Errorf("the link is in the log beside the line that is for it:\n%s", r.log)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.start()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if setupLink.MatchString(r.log.String()) {
		t.Errorf("with an admin a start still gives a link:\n%s", r.log)
	}
}

// The demo has an admin, so whoever tries Parley isn't told to make one.
func TestDemoNeedsNoFirstAdmin(t *testing.T) {
	dsn, _ := dbtest.NewDSN(t)
	r := start(t, "--demo", "--database-url", dsn, "--data-dir", t.TempDir())
	await(t, "the sign-ins", func() bool { return strings.Contains(r.log.String(), "Sign in to try Parley.") }, r.log.String)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if setupLink.MatchString(r.log.String()) {
		t.Errorf("the log has\n%s", r.log)
	}
}

func (b *browser) fillIn(field, text string) {
	b.t.Helper()
	b.run(chromedp.SendKeys(chromedp.CSS(`input[name=`+field+`]`), text))
}

// TestNewcomersPages looks at what TestEveryPage can't: it is there only in places that have nobody yet, or take new people
// in other ways.
func TestNewcomersPages(t *testing.T) {
	script := axe(t)
	server, store := startOn(t)
	link := strings.TrimPrefix(server.link(), server.url(""))
	b := openBrowser(t, server.url(""))
	inEveryLook := func(visits ...visit) {
		for _, l := range looks {
			b.as(l)
			b.each(visits, l, script)
		}
	}
	inEveryLook(visit{name: "setup", path: link}, visit{name: "setup-refused", path: link, then: refuse})
	root := chat.Actor{User: addPeople(t, store, "admin")["admin"]}
	inMode := func(mode chat.SignUp) {
		text := string(mode)
		if _, err := store.EditPlace(t.Context(), root, chat.PlaceEdit{SignUp: &text}); err != nil {
			t.Fatal(err)
		}
		await(t, "the setting to be known", func() bool {
			b.open("/login")
			return evaluate[bool](b, `document.querySelectorAll(".hint a").length > 0`) == (mode != chat.SignUpClosed)
		}, server.log.String)
	}
	inMode(chat.SignUpClosed)
	inEveryLook(visit{name: "login-closed", path: "/login"}, visit{name: "signup-closed", path: "/signup"})
	inMode(chat.SignUpInvited)
	token, _, err := store.CreateInvitation(t.Context(), root, chat.NewInvitation{})
	if err != nil {
		t.Fatal(err)
	}
	inEveryLook(visit{name: "login-invitation", path: "/login"}, visit{name: "signup-by-invitation", path: "/signup"}, visit{name: "signup-invited", path: "/signup?invite=" + token})
	inMode(chat.SignUpOpen)
	inEveryLook(visit{name: "login-open", path: "/login"}, visit{name: "signup", path: "/signup"}, visit{name: "signup-refused", path: "/signup", then: refuse})
	b.noErrors()
}

// refuse sends a form with what can't be.
func refuse(b *browser) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("form.card").noValidate = true`))
	b.fillIn("username", "ad\u0430")
	b.fillIn("password", "short")
	b.run(chromedp.Submit(chromedp.CSS(`form.card`)), chromedp.WaitVisible(chromedp.CSS(`[role=alert]`)))
}
