package main

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"parley/db/chat"
	"parley/db/dbtest"
)

var screenshots = flag.String("screenshots", "", "a directory for pictures of every page")

// axe is the accessibility checker that .ci/install fetches.
func axe(t testing.TB) string {
	t.Helper()
	script, err := os.ReadFile(filepath.FromSlash("../../.ci/node_modules/axe-core/axe.min.js"))
	if err != nil {
		dbtest.Missing(t, fmt.Errorf("axe-core isn't installed (.ci/install does that): %w", err))
	}
	return string(script)
}

// look is a size and a colour scheme to see a page in.
type look struct {
	name   string
	scheme string
	phone  bool
}

var looks = []look{
	{"desk-light", "light", false}, {"desk-dark", "dark", false},
	{"phone-light", "light", true}, {"phone-dark", "dark", true},
}

func (b *browser) as(l look) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if l.phone {
		b.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2)))
	} else {
		b.run(chromedp.EmulateViewport(1280, 800))
	}
}

// audit fails the test for whatever axe finds on the page.
func (b *browser) audit(script, where string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](script))
	found := evaluateAsync[[]string](b, `axe.run().then(r => r.violations.map(v => v.id + ": " + v.help + "\n  " + v.nodes.map(n => n.html + " " + n.failureSummary).join("\n  ")))`)
	if len(found) > 0 {
		b.t.Errorf("axe on %s:\n%s", where, strings.Join(found, "\n"))
	}
}

func evaluateAsync[T any](b *browser, script string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v in %s", err, script)
	}
	return value
}

func (b *browser) picture(name string) {
	b.t.Helper()
	if *screenshots == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// visit is a page in some state.
type visit struct {
	name string
	path string
	then func(*browser) // brings the page into its state
}

var signedOutPages = []visit{
	{name: "login", path: "/login"},
	{name: "login-ended", path: "/login?why=ended"},
	{name: "forgot", path: "/password/forgot"},
	{name: "forgot-refused", path: "/password/forgot", then: func(b *browser) {
		b.run(
			chromedp.SendKeys(chromedp.CSS(`input[name=email]`), "alice@nowhere@example"),
			chromedp.Evaluate[chromedp.Void](`document.querySelector("#main form").noValidate = true`),
			chromedp.Click(chromedp.CSS(`#main form button`)),
			chromedp.WaitVisible(chromedp.CSS(`#main .error`)),
		)
	}},
	{name: "forgot-done", path: "/password/forgot?done=asked"},
	{name: "password-changed", path: "/password/changed"},
	{name: "link-ended", path: "/password/reset/unknown"},
	{name: "email-confirmed", path: "/email/confirmed"},
	{name: "login-error", path: "/login", then: func(b *browser) {
		b.run(
			chromedp.SendKeys(chromedp.CSS(`input[name=username]`), "alice"),
			chromedp.SendKeys(chromedp.CSS(`input[name=password]`), "wrong password"),
			chromedp.Submit(chromedp.CSS(`form.card`)),
			chromedp.WaitVisible(chromedp.CSS(`[role=alert]`)),
		)
	}},
}

var signedInPages = []visit{
	{name: "conversations", path: "/conversations"},
	{name: "conversation", path: "/conversations/bob"},
	{name: "conversation-unsent", path: "/conversations/bob", then: func(b *browser) {
		b.run(chromedp.Evaluate[chromedp.Void](`window.fetch = () => Promise.reject(new TypeError("Failed to fetch"))`))
		b.say("A message that finds no way to the server")
		b.shows("the failure", `document.querySelector("#thread .pending .failed")?.hidden === false`)
	}},
	{name: "conversation-long-names", path: "/conversations/layla"},
	{name: "conversation-empty", path: "/conversations/nobody-yet"},
	{name: "conversation-refused", path: "/conversations/bob", then: func(b *browser) {
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#body").value = "long ".repeat(3000)`))
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#composer").requestSubmit()`))
		b.shows("the error", `document.querySelector("#composer-error")?.textContent.includes("at most")`)
	}},
	{name: "reconnecting", path: "/conversations/bob", then: func(b *browser) {
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#connection").textContent = "Reconnecting…"`))
	}},
	{name: "people", path: "/users"},
	{name: "people-none", path: "/users?q=zzz"},
	{name: "profile", path: "/users/bob"},
	{name: "account", path: "/account"},
	{name: "own-profile", path: "/account/profile"},
	{name: "own-email", path: "/account/email"},
	{name: "own-password", path: "/account/password"},
	{name: "own-password-typed", path: "/account/password", then: func(b *browser) {
		b.run(
			chromedp.SendKeys(chromedp.CSS(`#password`), "heron beans 47"),
			chromedp.Click(chromedp.CSS(`.masked:has(#password) button`)),
			chromedp.WaitVisible(chromedp.CSS(`.strength`)),
		)
	}},
	{name: "own-password-refused", path: "/account/password", then: func(b *browser) {
		b.run(
			chromedp.SendKeys(chromedp.CSS(`#current_password`), "not mine"),
			chromedp.SendKeys(chromedp.CSS(`#password`), "password"),
			chromedp.Click(chromedp.CSS(`#main form .primary`)),
			chromedp.WaitVisible(chromedp.CSS(`#main .error`)),
		)
	}},
	{name: "own-devices", path: "/account/devices"},
	{name: "blocked-none", path: "/account/blocks"},
	{name: "profile-blocked", path: "/users/carol", then: func(b *browser) {
		b.run(chromedp.Click(chromedp.CSS(`#main form[action$="/block"] button`)), chromedp.WaitVisible(chromedp.CSS(`#main form[action$="/unblock"]`)))
	}},
	{name: "conversation-blocked", path: "/conversations/carol"},
	{name: "blocked", path: "/account/blocks", then: func(b *browser) {
		b.shows("whom one has blocked", `document.querySelectorAll("#main .rows li").length === 1`)
	}},
	{name: "profile-unblocked", path: "/users/carol", then: func(b *browser) {
		b.run(chromedp.Click(chromedp.CSS(`#main form[action$="/unblock"] button`)), chromedp.WaitVisible(chromedp.CSS(`#main form[action$="/block"]`)))
	}},
	{name: "report", path: "/messages/1-2/report"},
	{name: "report-refused", path: "/messages/1-2/report", then: func(b *browser) {
		b.run(chromedp.SendKeys(chromedp.CSS(`#note`), "what I typed"), chromedp.Click(chromedp.CSS(`#main form button`)), chromedp.WaitVisible(chromedp.CSS(`#reason-error`)))
	}},
	{name: "own-reports-none", path: "/account/reports"},
	{name: "activity", path: "/account/activity"},
	{name: "admin-reports-none", path: "/admin/reports"},
	{name: "admin-audit-none", path: "/admin/audit?user=bob&action=place.set"},
	{name: "own-tokens", path: "/account/tokens"},
	{name: "own-tokens-refused", path: "/account/tokens", then: func(b *browser) {
		b.makeToken("Backup", "wrong password")
		b.run(chromedp.WaitVisible(chromedp.CSS(`#main .error`)))
	}},
	{name: "own-tokens-made", path: "/account/tokens", then: func(b *browser) {
		b.makeToken(uuid.NewString(), password)
		b.run(chromedp.WaitVisible(chromedp.CSS(`#main .made`)))
	}},
	{name: "admin-invitations-none", path: "/admin/invitations"},
	{name: "invitations", path: "/account/invitations"},
	{name: "invitations-new", path: "/account/invitations", then: func(b *browser) {
		b.run(
			chromedp.SendKeys(chromedp.CSS(`#main input[name=note]`), "for Dave, who asked at lunch"),
			chromedp.Click(chromedp.CSS(`#main .actions button`)),
			chromedp.WaitVisible(chromedp.CSS(`#link`)),
		)
	}},
	{name: "admin-invitations", path: "/admin/invitations"},
	{name: "own-photo-refused", path: "/account/profile", then: func(b *browser) {
		b.run(chromedp.Evaluate[chromedp.Void](`(() => {
			const files = new DataTransfer();
			files.items.add(new File(["<svg/>"], "x.png", { type: "image/png" }));
			document.querySelector("#photo").files = files.files;
			document.querySelector("form[action='/account/photo']").requestSubmit();
		})()`))
		b.shows("the error", `document.querySelector("#photo-error")?.textContent.includes("no JPEG")`)
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#photo-error").scrollIntoView()`))
	}},
	{name: "own-data", path: "/account/export"},
	{name: "own-deletion", path: "/account/delete"},
	{name: "own-deletion-refused", path: "/account/delete", then: func(b *browser) {
		b.run(
			chromedp.Click(chromedp.CSS(`#main input[value=erase]`)),
			chromedp.SendKeys(chromedp.CSS(`#main input[name=username]`), "admin"),
			chromedp.SendKeys(chromedp.CSS(`#main input[name=current_password]`), "wrong"),
			chromedp.Click(chromedp.CSS(`#main form.fields button:not([type=button])`)),
			chromedp.WaitVisible(chromedp.CSS(`#current_password-error`)),
		)
	}},
	{name: "conversation-deleted", path: "/conversations/left"},
	{name: "farewell", path: "/farewell"},
	{name: "admin-settings", path: "/admin/place"},
	{name: "message", path: "/messages/1-1"},
	{name: "not-found", path: "/nothing/here"},
	{name: "admin", path: "/admin"},
	{name: "admin-people", path: "/admin/users"},
	{name: "admin-new-person", path: "/admin/new-user"},
	{name: "admin-new-person-refused", path: "/admin/new-user", then: func(b *browser) {
		b.run(
			chromedp.SendKeys(chromedp.CSS(`#main input[name=username]`), "bob"),
			chromedp.SendKeys(chromedp.CSS(`#main input[name=password]`), "a good enough one"),
			chromedp.Click(chromedp.CSS(`#main form .primary`)),
			chromedp.WaitVisible(chromedp.CSS(`#main .error`)),
		)
	}},
	{name: "admin-person", path: "/admin/users/bob"},
	{name: "admin-mail", path: "/admin/mail"},
	{name: "admin-reset-link", path: "/admin/users/bob", then: func(b *browser) {
		b.run(chromedp.Click(chromedp.CSS(`form[action$="/reset-link"] button`)), chromedp.WaitVisible(chromedp.CSS(`#reset-link`)))
	}},
	{name: "admin-messages", path: "/admin/messages"},
	{name: "admin-messages-none", path: "/admin/messages?q=nowhere"},
	{name: "admin-message", path: "/admin/messages/1-1"},
	{name: "admin-message-opened", path: "/admin/messages/1-1", then: func(b *browser) {
		b.run(chromedp.Click(chromedp.CSS(`form[action$="/body"] button`)), chromedp.WaitVisible(chromedp.CSS(`#main .body`)))
	}},
	{name: "admin-audit", path: "/admin/audit"},
	{name: "admin-live", path: "/admin/live", then: func(b *browser) {
		b.shows("the plots, which come by themselves", `document.querySelectorAll("#live polyline").length > 5`)
	}},
}

func (b *browser) makeToken(name, password string) {
	b.t.Helper()
	b.run(
		chromedp.SendKeys(chromedp.CSS(`#main input[name=name]`), name),
		chromedp.SendKeys(chromedp.CSS(`#main input[name=current_password]`), password),
		chromedp.Submit(chromedp.CSS(`#main form.fields`)),
	)
}

// TestEveryPage looks at every page as people do: axe finds nothing and the browser has nothing to complain of (the
// Content-Security-Policy among it), at a desk and on a phone, in the light and in the dark.
func TestEveryPage(t *testing.T) {
	script := axe(t)
	dsn, pool := dbtest.NewDSN(t)
	server, store := start(t, "--database-url", dsn, "--smtp-url", "smtp://127.0.0.1:1?tls=none", "--mail-from", "a@example.org"), chat.New(pool, chat.Options{})
	people := addPeople(t, store, "admin", "bob", "carol", "nobody-yet", "left")
	people["layla"] = addNamed(t, store, "layla", "ليلى بنت عبد الرحمن بن محمد الأندلسية")
	fill(t, store, people)
	links := fillMail(t, pool, store, people)
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			b := openBrowser(t, server.url(""))
			b.as(l)
			b.each(append(links, signedOutPages...), l, script)
			b.signIn("admin")
			b.each(signedInPages, l, script)
			b.noErrors()
		})
	}
	reportOne(t, store, people)
	for _, l := range looks {
		t.Run("reports, "+l.name, func(t *testing.T) {
			b := openBrowser(t, server.url(""))
			b.as(l)
			b.signIn("admin")
			b.each(reportPages, l, script)
			b.noErrors()
		})
	}
	t.Run("a new account", func(t *testing.T) {
		b := openBrowser(t, server.url(""))
		b.signIn("nobody-yet")
		for _, l := range looks {
			b.as(l)
			b.each([]visit{{name: "new-account", path: "/conversations"}}, l, script)
		}
		b.noErrors()
	})
}

// reportPages are those of which a reported message is shown. The second report is closed.
var reportPages = []visit{
	{name: "admin-reports", path: "/admin/reports"},
	{name: "admin-report", path: "/admin/reports/1"},
	{name: "admin-report-opened", path: "/admin/reports/1", then: func(b *browser) {
		b.run(chromedp.Click(chromedp.CSS(`form[action$="/body"] button`)), chromedp.WaitVisible(chromedp.CSS(`#main section .body`)))
	}},
	{name: "admin-report-closed", path: "/admin/reports/2?done=closed"},
	{name: "own-reports", path: "/account/reports?done=reported"},
	{name: "report-open", path: "/messages/1-2/report"},
	{name: "activity-looked-at", path: "/account/activity"},
}

func reportOne(t *testing.T, store *chat.Store, people map[string]chat.User) {
	t.Helper()
	admin := chat.Actor{User: people["admin"]}
	for _, seq := range []uint64{2, 3} {
		id := chat.MessageID{Conversation: 1, Seq: seq}
		if _, _, err := store.Report(t.Context(), admin, id, chat.ReportDraft{Reason: chat.ReasonHarassment, Note: "Again and again.\nI asked to be left alone."}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.CloseReport(t.Context(), admin, 2, chat.Decision{State: chat.ReportDismissed, Note: "Nothing in it."}); err != nil {
		t.Fatal(err)
	}
}

func (b *browser) each(visits []visit, l look, script string) {
	b.t.Helper()
	for _, v := range visits {
		b.open(v.path)
		if v.then != nil {
			v.then(b)
		}
		b.picture(v.name + "-" + l.name)
		b.audit(script, v.path+" ("+l.name+")")
		if wide := evaluate[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
			b.t.Errorf("%s (%s) is %d px too wide", v.path, l.name, wide)
		}
	}
}

func addNamed(t testing.TB, store *chat.Store, username, displayName string) chat.User {
	t.Helper()
	u, err := store.CreateUser(t.Context(), chat.NewUser{Username: username, DisplayName: displayName, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// fill writes what is hard to show.
func fill(t testing.TB, store *chat.Store, people map[string]chat.User) {
	t.Helper()
	send := func(from, to, body string) {
		t.Helper()
		if _, _, err := store.SendMessage(t.Context(), people[from], chat.Draft{Recipient: people[to].Username, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	send("admin", "bob", "Did the parcel come?")
	send("bob", "admin", "It did, this morning.\nI put it on your desk.")
	send("bob", "admin", "👩‍👩‍👧‍👦 🎉")
	send("admin", "bob", "Thank you! "+strings.Repeat("A word or two more. ", 12))
	send("bob", "admin", "https://example.org/"+strings.Repeat("averylongpath", 12))
	send("admin", "bob", "שלום, מה שלומך?")
	send("admin", "bob", "<b>not bold</b> & <script>alert(1)</script>")
	send("bob", "admin", "Fine")
	send("bob", "admin", "and you?")
	send("layla", "admin", "مرحبا! كيف حالك اليوم؟")
	send("admin", "layla", "Very well")
	send("carol", "admin", "Lunch?")
	send("carol", "admin", "At noon")
	send("admin", "admin", "Buy milk")
	about := "Keeper of the keys, and of the kettle"
	for _, name := range []string{"admin", "bob"} {
		self := chat.Actor{User: people[name]}
		if _, err := store.SetPhoto(t.Context(), self, portrait(t, len(name))); err != nil {
			t.Fatal(err)
		}
		if _, err := store.EditProfile(t.Context(), self, chat.ProfileEdit{About: &about}); err != nil {
			t.Fatal(err)
		}
	}
	send("left", "admin", "I am about to go")
	if err := store.DeleteAccount(t.Context(), chat.Actor{User: people["left"]}, chat.Deletion{Username: "left", Password: password}); err != nil {
		t.Fatal(err)
	}
}

// portrait is a photo of nobody.
func portrait(t testing.TB, seed int) chat.Picture {
	t.Helper()
	p := chat.Picture{ContentType: "image/jpeg"}
	for side, to := range map[int]*[]byte{64: &p.Small, 256: &p.Large} {
		m := image.NewRGBA(image.Rect(0, 0, side, side))
		for y := range side {
			for x := range side {
				m.SetRGBA(x, y, color.RGBA{uint8(x * 255 / side), uint8(y * 255 / side), uint8(40 * seed), 255})
			}
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, m, nil); err != nil {
			t.Fatal(err)
		}
		*to = file.Bytes()
	}
	return p
}
