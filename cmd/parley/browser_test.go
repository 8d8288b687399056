package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"parley/db/dbtest"
)

// browser is one person's Chromium: a profile of its own, and the errors that its pages reported.
type browser struct {
	t    testing.TB
	ctx  context.Context
	base string

	mu     sync.Mutex
	errors []string
}

var chromiumFlags = append(chromedp.DefaultExecAllocatorOptions[:],
	chromedp.NoSandbox, chromedp.DisableGPU,
	chromedp.Flag("disable-quic", true),
	chromedp.Flag("disable-component-update", true),
	chromedp.Flag("force-prefers-reduced-motion", true),
	chromedp.Flag("host-resolver-rules", "MAP parley.test 127.0.0.1"), // an address that isn't this machine's, to browsers
)

func openBrowser(t testing.TB, base string, flags ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		dbtest.Missing(t, errors.New("chromium isn't installed (Debian: apt-get install chromium)"))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(append(chromiumFlags[:len(chromiumFlags):len(chromiumFlags)], flags...), chromedp.ExecPath(path))...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() { cancel(); stop() })
	b := &browser{t: t, ctx: ctx, base: base}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	call(b, log.Enable, cdp.Empty{})
	b.run(chromedp.EmulateViewport(1280, 800))
	return b
}

// call sends one command of the DevTools protocol.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

// listen collects what a page complains of: exceptions, and the log's errors, among them violations of the
// Content-Security-Policy. A request that failed because the server was away is none of those.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdpruntime.EventExceptionThrown:
		b.errors = append(b.errors, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" && e.Entry.Source != "network" {
			b.errors = append(b.errors, e.Entry.Text)
		}
	}
}

// noErrors fails the test if a page complained.
func (b *browser) noErrors() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.errors) > 0 {
		b.t.Errorf("the browser reports: %s", strings.Join(b.errors, "\n"))
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.body())
	}
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.base + path))
}

func (b *browser) signIn(username string) {
	b.t.Helper()
	b.open("/login")
	b.run(
		chromedp.SendKeys(`input[name=username]`, username),
		chromedp.SendKeys(`input[name=password]`, password+kb.Enter),
		chromedp.WaitVisible(`#conversations`),
	)
}

// evaluate runs a script in the page and gives its value.
func evaluate[T any](b *browser, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.t.Fatalf("%v in %s", err, script)
	}
	return value
}

// shows waits until a script is true. It outlives a page's change to another one.
func (b *browser) shows(what, script string) {
	b.t.Helper()
	await(b.t, what, func() bool {
		holds, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+script+")"))
		return err == nil && holds
	}, b.body)
}

func (b *browser) body() string {
	html, _ := chromedp.Run(b.ctx, chromedp.OuterHTML(chromedp.CSS("body"))) // the failure is reported all the same
	return html
}

// say types a message and sends it with Enter.
func (b *browser) say(text string) {
	b.t.Helper()
	b.run(chromedp.SendKeys(chromedp.CSS("#body"), text))
	b.press(enterKey)
}

var enterKey = input.DispatchKeyEventParams{Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Text: "\r"}

// press presses a key as a keyboard does: with the text that it stands for in the same event, so that a page which
// takes the key prevents the text. (chromedp sends the two apart.)
func (b *browser) press(key input.DispatchKeyEventParams) {
	b.t.Helper()
	key.Type = "keyDown"
	call(b, input.DispatchKeyEvent, key)
	key.Type, key.Text = "keyUp", ""
	call(b, input.DispatchKeyEvent, key)
}

// bodies is every message on the page, in its order.
func (b *browser) bodies() []string {
	b.t.Helper()
	return evaluate[[]string](b, `[...document.querySelectorAll("article.message .body")].map(e => e.textContent)`)
}

func (b *browser) showsMessage(text string) {
	b.t.Helper()
	b.shows(text, fmt.Sprintf(`[...document.querySelectorAll("article.message .body")].some(e => e.textContent === %q)`, text))
}

// equalsReload fails the test unless the page shows the same messages as the same page loaded afresh.
func (b *browser) equalsReload() {
	b.t.Helper()
	live := b.bodies()
	b.run(chromedp.Reload(), chromedp.WaitReady(chromedp.CSS("article.message")))
	if reloaded := b.bodies(); fmt.Sprint(live) != fmt.Sprint(reloaded) {
		b.t.Errorf("the page shows %q, a reload shows %q", live, reloaded)
	}
}

// pair is two people in two browsers, each with the conversation with the other open.
func pair(t testing.TB, base string) (alice, bob *browser) {
	alice, bob = openBrowser(t, base), openBrowser(t, base)
	alice.signIn("alice")
	bob.signIn("bob")
	alice.open("/conversations/bob")
	bob.open("/conversations/alice")
	return alice, bob
}

func TestTwoBrowsersTalk(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	alice, bob := pair(t, server.url(""))

	alice.say("Are you there?")
	bob.showsMessage("Are you there?")
	alice.showsMessage("Are you there?")
	bob.say("I am 👋")
	alice.showsMessage("I am 👋")

	alice.shows("no pending message", `document.querySelector(".pending") === null || !document.querySelector("#thread .pending")`)
	if got := fmt.Sprint(alice.bodies()); got != "[Are you there? I am 👋]" || got != fmt.Sprint(bob.bodies()) {
		t.Errorf("alice sees %v, bob sees %v", alice.bodies(), bob.bodies())
	}
	alice.noErrors()
	bob.noErrors()
}

func TestMessageIsOnTheOtherScreenAtOnce(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	alice, bob := pair(t, server.url(""))
	alice.say("warm-up")
	bob.showsMessage("warm-up")

	// Both browsers run on this machine, so their clocks are one.
	bob.run(chromedp.Evaluate[chromedp.Void](`window.seen = {}; new MutationObserver(() => {
		for (const b of document.querySelectorAll("article.message .body")) window.seen[b.textContent] ??= Date.now();
	}).observe(document.querySelector("#thread"), {childList: true, subtree: true})`))
	var took []int
	for i := range 15 {
		text := fmt.Sprintf("message %d", i)
		alice.run(chromedp.SetValue("#body", text))
		sent := evaluate[int](alice, `(() => { const now = Date.now(); document.querySelector("#composer").requestSubmit(); return now })()`)
		bob.showsMessage(text)
		took = append(took, evaluate[int](bob, fmt.Sprintf("window.seen[%q]", text))-sent)
	}
	sort.Ints(took)
	median := took[len(took)/2]
	t.Logf("from the key to the other screen: median %d ms, all %v", median, took)
	if median >= 100 {
		t.Errorf("the median is %d ms, and is to be under 100 ms", median)
	}
}

func TestPagesCatchUpAfterTheServerWasKilled(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	alice, bob := pair(t, server.url(""))
	alice.say("before")
	bob.showsMessage("before")

	server.kill()
	bob.shows("reconnecting", `document.querySelector("#connection").textContent.includes("Reconnecting")`)
	alice.say("while the server is away")
	alice.shows("the failure", `!document.querySelector("#thread .pending .failed")?.hidden`)
	server.start()
	back := time.Now()

	bob.showsMessage("while the server is away")
	alice.showsMessage("while the server is away")
	if took := time.Since(back); took > 5*time.Second {
		t.Errorf("the pages took %v after the restart, and are to take 5 s at most", took)
	}
	for _, b := range []*browser{alice, bob} {
		b.shows("connected", `document.querySelector("#connection").textContent === ""`)
		b.equalsReload()
		b.noErrors()
	}
}

func TestWithoutJavaScript(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	b := openBrowser(t, server.url(""))
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open("/")
	b.run(
		chromedp.SendKeys(`input[name=username]`, "alice"),
		chromedp.SendKeys(`input[name=password]`, password+kb.Enter),
		chromedp.WaitVisible(`#conversations`),
		chromedp.Click(`a[href="/users"]`),
		chromedp.WaitVisible(`.people`),
		chromedp.SendKeys(`input[name=q]`, "bo"+kb.Enter),
		chromedp.WaitVisible(`.people a[href="/conversations/bob"]`),
		chromedp.Click(`.people a[href="/conversations/bob"]`),
		chromedp.WaitVisible(`#composer`),
		chromedp.SendKeys(`#body`, "without a script"),
		chromedp.Click(`#composer button`),
		chromedp.WaitVisible(`article.message`),
	)
	bob := clientFor(t, server.url(""), "bob")
	bob.send("alice", "and back")
	b.run(chromedp.Click(`.thread noscript a, .thread .bar .button`), chromedp.WaitVisible(`article.message:not(.mine)`))
}

// history sends n messages from one to the other, numbered from 1.
func history(from *client, to string, n int) {
	from.t.Helper()
	for i := range n {
		from.send(to, fmt.Sprintf("number %d", i+1))
	}
}

func TestScrollingKeepsThePlace(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	alice := clientFor(t, server.url(""), "alice")
	history(alice, "bob", 45)
	bob := openBrowser(t, server.url(""))
	bob.signIn("bob")
	bob.open("/conversations/alice")
	bob.shows("the newest 10 at the end", `document.querySelectorAll("article.message").length >= 10 && document.querySelector(".scroller").scrollTop === 0`)

	// Whoever reads the end stays there.
	alice.send("bob", "at the end")
	bob.showsMessage("at the end")
	if top := evaluate[float64](bob, `document.querySelector(".scroller").scrollTop`); top != 0 {
		t.Errorf("the end moved away by %v px", top)
	}

	// Scrolling up loads what came before, again and again, and what one looks at stays where it is. A failure on the
	// way is made good.
	bob.run(chromedp.Evaluate[chromedp.Void](`{
		const real = window.fetch;
		let failures = 1;
		window.fetch = (...a) => String(a[0]).includes("before=") && failures-- > 0 ? Promise.reject(new TypeError("Failed to fetch")) : real(...a);
	}`))
	bob.shows("everything, bit by bit", `(() => {
		const box = document.querySelector(".scroller");
		box.scrollTop = -box.scrollHeight;
		return document.querySelectorAll("article.message").length === 46;
	})()`)
	bodies := bob.bodies()
	for i, body := range bodies[:45] {
		if body != fmt.Sprintf("number %d", i+1) {
			t.Fatalf("message %d is %q in %q", i, body, bodies)
		}
	}
	bob.run(chromedp.Evaluate[chromedp.Void](`(() => { const e = [...document.querySelectorAll("article.message")][20]; e.scrollIntoView(); })()`))
	const place = `Math.round([...document.querySelectorAll("article.message")].find(e => e.textContent.includes("number 21")).getBoundingClientRect().top)`
	before := evaluate[int](bob, place)
	alice.send("bob", "further down")
	bob.shows("the button", `!document.querySelector("#newest").hidden`)
	bob.showsMessage("further down")
	if after := evaluate[int](bob, place); after < before-1 || after > before+1 { // places are fractions of pixels
		t.Errorf("the place moved from %d to %d px", before, after)
	}
	bob.run(chromedp.Click(chromedp.CSS("#newest")))
	bob.shows("the end", `document.querySelector("#newest").hidden && document.querySelector(".scroller").scrollTop === 0`)
	bob.noErrors()
}

func TestReadingIsOnEveryDevice(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	alice := clientFor(t, server.url(""), "alice")
	desk, phone := openBrowser(t, server.url("")), openBrowser(t, server.url(""))
	phone.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	desk.signIn("bob")
	phone.signIn("bob")
	history(alice, "bob", 3)
	const unread = `document.querySelector("#conversations .unread")?.textContent`
	for _, b := range []*browser{desk, phone} {
		b.shows("three unread", unread+` === "3"`)
	}
	phone.run(chromedp.Click(chromedp.CSS(`#conversations a[href="/conversations/alice"]`)))
	phone.showsMessage("number 3")
	desk.shows("none unread", unread+` === undefined`)
	phone.shows("one pane", `getComputedStyle(document.querySelector(".sidebar")).display === "none"`)
	phone.run(chromedp.Click(chromedp.CSS(`.back`)), chromedp.WaitVisible(chromedp.CSS(`.sidebar`)), chromedp.WaitNotVisible(chromedp.CSS(`#main`)))
	phone.noErrors()
	desk.noErrors()
}

func TestComposerKeys(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/conversations/bob")
	shiftEnter := enterKey
	shiftEnter.Modifiers = int64(chromedp.ModifierShift)
	b.run(chromedp.SendKeys(chromedp.CSS("#body"), "one"))
	b.press(shiftEnter)
	b.run(chromedp.SendKeys(chromedp.CSS("#body"), "two"))
	// An input method's Enter picks a word; the browser marks the key.
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#body").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))`))
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#body").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", keyCode: 229, bubbles: true, cancelable: true}))`))
	if got := evaluate[string](b, `document.querySelector("#body").value`); got != "one\ntwo" {
		t.Fatalf("the composer holds %q", got)
	}
	b.press(enterKey)
	b.showsMessage("one\ntwo")
	if got := evaluate[string](b, `document.querySelector("#body").value`); got != "" {
		t.Errorf("the composer still holds %q", got)
	}
	b.noErrors()
}

func TestFailedSendKeepsTheTextAndNeverDoubles(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/conversations/bob")

	// Answers get lost after the server has stored the message; then there is no way to the server at all.
	b.run(chromedp.Evaluate[chromedp.Void](`(() => {
		const real = window.fetch;
		window.lose = "answers";
		window.fetch = async (...a) => {
			if (!String(a[0]).includes("/messages") || a[1]?.method !== "POST" || !window.lose) return real(...a);
			if (window.lose === "answers") await real(...a);
			throw new TypeError("Failed to fetch");
		};
		WebSocket.prototype.close.call(window.dummy ?? new WebSocket(location.origin.replace("http", "ws") + "/ws"));
	})()`))
	b.say("stored, answer lost")
	b.showsMessage("stored, answer lost")
	b.shows("nothing pending", `!document.querySelector("#thread .pending")`)

	b.run(chromedp.Evaluate[chromedp.Void](`window.lose = "everything"`))
	b.say("no way there")
	b.say("nor for this")
	b.shows("both failed", `document.querySelectorAll("#thread .pending .failed:not([hidden])").length === 2`)
	b.run(chromedp.Reload(), chromedp.WaitReady(chromedp.CSS("article.message")))
	b.showsMessage("no way there") // the reload took them up again, and the way is free
	b.showsMessage("nor for this")
	if got := fmt.Sprint(b.bodies()); got != "[stored, answer lost no way there nor for this]" {
		t.Errorf("stored: %s", got)
	}

	b.run(chromedp.Evaluate[chromedp.Void](`{ const real = window.fetch; window.fetch = (...a) => a[1]?.method === "POST" && window.lose !== "no" ? Promise.reject(new TypeError("Failed to fetch")) : real(...a); }`))
	b.say("sent by hand")
	b.say("thrown away")
	b.shows("both failed", `document.querySelectorAll("#thread .pending .failed:not([hidden])").length === 2`)
	b.run(
		chromedp.Evaluate[chromedp.Void](`window.lose = "no"`),
		chromedp.Click(chromedp.CSS("#thread .pending:last-of-type [data-discard]")),
		chromedp.Click(chromedp.CSS("#thread .pending .failed button:not([data-discard])")),
	)
	b.showsMessage("sent by hand")
	b.shows("nothing pending", `!document.querySelector("#thread .pending")`)
	b.equalsReload()
	if last := b.bodies(); last[len(last)-1] != "sent by hand" {
		t.Errorf("the discarded message was sent: %q", last)
	}
	b.noErrors()
}

func TestPollsWhereWebSocketsAreBlocked(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	alice := clientFor(t, server.url(""), "alice")
	b := openBrowser(t, server.url(""))
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `window.WebSocket = class extends EventTarget { static OPEN = 1; constructor() { super(); setTimeout(() => this.dispatchEvent(new CloseEvent("close", {code: 1006}))) } close() {} }`,
	})
	b.signIn("bob")
	b.open("/conversations/alice")
	alice.send("bob", "over the fence")
	sent := time.Now()
	b.showsMessage("over the fence")
	if took := time.Since(sent); took > 5*time.Second {
		t.Errorf("it took %v, and is to take 5 s at most", took)
	}
	b.shows("no complaint", `document.querySelector("#connection").textContent === ""`)
}

func TestDirectoryIsSearchedAsOneTypes(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice")
	for i := range 45 {
		addNamed(t, store, fmt.Sprintf("p%02d", i), fmt.Sprintf("Person %02d", i))
	}
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/users")
	const shown = `[...document.querySelectorAll("#people li:not(.more) .username")].map(e => e.textContent).join(" ")`
	b.run(chromedp.SendKeys(chromedp.CSS("#q"), "person 4"))
	b.shows("nine people", shown+` === "p04 p14 p24 p34 p40 p41 p42 p43 p44"`)
	b.run(chromedp.SendKeys(chromedp.CSS("#q"), "2"))
	b.shows("one person", shown+` === "p42"`)
	if q := evaluate[string](b, `location.search`); q != "?q=person+42" {
		t.Errorf("the address ends in %q, so a reload would lose the search", q)
	}
	if focused := evaluate[string](b, `document.activeElement.id`); focused != "q" {
		t.Errorf("the focus went to %q", focused)
	}
	b.run(chromedp.SendKeys(chromedp.CSS("#q"), "zzz"))
	b.shows("what to do", `document.querySelector("#people .blank")?.textContent.includes("Nobody found")`)
	b.open("/users")
	b.shows("everybody, page by page", `(() => {
		document.querySelector("#people .more")?.scrollIntoView();
		return document.querySelectorAll("#people li:not(.more)").length === 45;
	})()`)
	b.noErrors()
}

func TestPickingSomebodyKeepsTheList(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob", "carol")
	bob, carol := clientFor(t, server.url(""), "bob"), clientFor(t, server.url(""), "carol")
	bob.send("alice", "from bob")
	carol.send("alice", "from carol")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.shows("the title", `document.title === "(2) Conversations · Parley"`)
	b.run(chromedp.Evaluate[chromedp.Void](`window.sameDocument = true`))
	b.run(chromedp.Click(chromedp.CSS(`#conversations a[href="/conversations/bob"]`)))
	b.showsMessage("from bob")
	b.shows("bob marked", `document.querySelector("#conversations [aria-current]")?.getAttribute("href") === "/conversations/bob" && location.pathname === "/conversations/bob"`)
	b.shows("the title", `document.title === "(1) bob · Parley"`)
	b.say("a draft becomes a message")
	b.showsMessage("a draft becomes a message")
	b.run(chromedp.SendKeys(chromedp.CSS("#body"), "half a thought"))
	b.run(chromedp.Click(chromedp.CSS(`#conversations a[href="/conversations/carol"]`)))
	b.showsMessage("from carol")
	bob.send("alice", "again")
	b.shows("the list in order", `[...document.querySelectorAll("#conversations .name")].map(e => e.textContent).join(" ") === "bob carol"`)
	b.shows("one unread", `document.querySelector("#conversations .unread")?.textContent === "1"`)
	b.run(chromedp.Click(chromedp.CSS(`#conversations a[href="/conversations/bob"]`)))
	b.showsMessage("again")
	b.shows("the draft", `document.querySelector("#body").value === "half a thought"`)
	if !evaluate[bool](b, `window.sameDocument === true`) {
		t.Error("picking somebody loaded the whole page")
	}
	b.run(chromedp.NavigateBack(), chromedp.WaitReady(chromedp.CSS("article.message")))
	b.showsMessage("from carol")
	b.noErrors()
}

// TestKeyboardAlone signs in, picks somebody, sends and signs out without a mouse.
func TestKeyboardAlone(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	clientFor(t, server.url(""), "bob").send("alice", "hello")
	b := openBrowser(t, server.url(""))
	b.open("/login")
	b.run(chromedp.KeyEvent("alice"))
	b.tabTo(`[name=password]`)
	b.run(chromedp.KeyEvent(password))
	b.press(enterKey)
	b.run(chromedp.WaitVisible(chromedp.CSS(`#conversations`)))
	b.tabTo(`#conversations a[href="/conversations/bob"]`)
	b.press(enterKey)
	b.showsMessage("hello")
	b.shows("the composer in focus", `document.activeElement.id === "body"`)
	b.run(chromedp.KeyEvent("by keyboard"))
	b.press(enterKey)
	b.showsMessage("by keyboard")
	b.tabTo(`[data-sign-out] button`)
	b.press(enterKey)
	b.run(chromedp.WaitVisible(chromedp.CSS(`input[name=username]`)))
	b.noErrors()
}

// tabTo presses Tab until an element has the focus, and sees the focus on the way.
func (b *browser) tabTo(selector string) {
	b.t.Helper()
	for range 60 {
		b.press(input.DispatchKeyEventParams{Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9})
		if evaluate[bool](b, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
	}
	b.t.Fatalf("60 times Tab don't reach %s", selector)
}

// failing lets a test make the page's fetches fail (window.fail: a part of the request to how many more) or wait
// (window.hold), each named by a part of method and address.
const failing = `{
	const real = window.realFetch ??= window.fetch;
	window.fail ??= {};
	window.fetch = async (...a) => {
		const asked = (a[1]?.method ?? "GET") + " " + a[0];
		for (const part in window.fail) if (asked.includes(part) && window.fail[part]-- > 0) throw new TypeError("Failed to fetch");
		const answer = await real(...a);
		if (window.hold && asked.includes(window.hold)) { window.held = true; await new Promise(go => window.release = go); }
		return answer;
	};
}`

func TestUnsentMessagesOutliveAnotherConversation(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob", "carol")
	clientFor(t, server.url(""), "bob").send("alice", "hello from bob")
	clientFor(t, server.url(""), "carol").send("alice", "hello from carol")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/conversations/bob")
	b.run(chromedp.Evaluate[chromedp.Void](failing), chromedp.Evaluate[chromedp.Void](`window.fail["POST /messages"] = 1000`))
	b.say("precious")
	b.shows("the failure", `document.querySelector("#thread .pending .failed")?.hidden === false`)
	b.run(chromedp.Click(chromedp.CSS(`#conversations a[href="/conversations/carol"]`)))
	b.showsMessage("hello from carol")
	b.run(chromedp.Evaluate[chromedp.Void](`window.fail = {}`))
	b.shows("nothing kept", `Object.keys(sessionStorage).every(k => !k.includes("unsent"))`) // it was sent from here
	b.run(chromedp.Click(chromedp.CSS(`#conversations a[href="/conversations/bob"]`)))
	b.showsMessage("precious")
	b.noErrors()
}

func TestFailedFetchIsMadeGoodWithinFiveSeconds(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	bob := clientFor(t, server.url(""), "bob")
	bob.send("alice", "first")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/conversations/bob")
	b.showsMessage("first")
	b.run(chromedp.Evaluate[chromedp.Void](failing), chromedp.Evaluate[chromedp.Void](`window.fail["GET /messages"] = 1; window.fail["GET /conversations"] = 1`))
	bob.send("alice", "second")
	sent := time.Now()
	b.shows("the failures", `window.fail["GET /messages"] < 0 || window.fail["GET /messages"] === 0`)
	b.showsMessage("second")
	b.shows("the list", `document.querySelector("#conversations .preview").textContent === "second"`)
	if took := time.Since(sent); took > 5*time.Second {
		t.Errorf("it took %v, and is to take 5 s at most", took)
	}
	b.noErrors()
}

func TestSendingFromAPageOfOlderMessages(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	alice := clientFor(t, server.url(""), "alice")
	history(alice, "bob", 30)
	b := openBrowser(t, server.url(""))
	b.signIn("bob")
	b.open("/conversations/alice?before=1-15")
	b.showsMessage("number 14")
	alice.send("bob", "news")
	b.shows("the button", `document.querySelector("#newest").hidden === false`)
	b.say("from far back")
	b.showsMessage("from far back")
	b.showsMessage("news")
	if at := evaluate[string](b, `location.pathname + location.search`); at != "/conversations/alice" {
		t.Errorf("the page is at %s", at)
	}
	b.noErrors()
}

func TestPushWhileTheConversationIsOnItsWay(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob", "carol")
	bob := clientFor(t, server.url(""), "bob")
	bob.send("alice", "first")
	clientFor(t, server.url(""), "carol").send("alice", "hello from carol")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/conversations/carol")
	b.showsMessage("hello from carol")
	b.shows("the window", `document.querySelector("#conversations .unread")?.textContent === "1"`)
	b.run(chromedp.Evaluate[chromedp.Void](failing), chromedp.Evaluate[chromedp.Void](`window.hold = "GET /conversations/bob"`))
	b.run(chromedp.Click(chromedp.CSS(`#conversations a[href="/conversations/bob"]`)))
	b.shows("the answer under way", `window.held === true`)
	bob.send("alice", "second")
	b.shows("the push", `document.querySelector("#conversations .preview")?.textContent === "second"`)
	b.run(chromedp.Evaluate[chromedp.Void](`window.hold = ""; window.release()`))
	b.showsMessage("first")
	b.showsMessage("second")
	b.noErrors()
}
