package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/views"
)

// corpus is markup that opens a dialog, loads something from /owned, leads to it, or leaves an element owned-x or something
// with an attribute owned: in the way of the OWASP XSS Filter Evasion Cheat Sheet, and by htmx.
var corpus = []string{
	`<script>alert(1)</script>`, `<owned-x>`, `"><img src=/owned onerror=alert(1)>`, `'><img src=/owned onerror=alert(1)>`, `<svg/onload=alert(1)>`, `" autofocus onfocus=alert(1) owned="`, `' onmouseover='alert(1)' owned='`,
	"` onload=alert(1) owned=`", `</textarea><script>alert(1)</script>`, `</title><script>alert(1)</script>`, `</script><script>alert(1)</script>`, `</template><owned-x>`, `</style><owned-x>`, `--><owned-x>`, `<!--><owned-x>`, `]]><owned-x>`,
	`<iframe src="javascript:alert(1)">`, `<iframe srcdoc="<script>parent.alert(1)</script>">`, `<object data=/owned>`, `<embed src=/owned>`, `<a href="javascript:alert(1)" owned>x</a>`, `javascript:alert(1)`, `data:text/html,<script>alert(1)</script>`,
	`<meta http-equiv=refresh content="0;url=/owned">`, `<base href=//evil.example/>`, `<form action=/owned owned><button>`, `<link rel=stylesheet href=/owned>`, `<style>@import "/owned";</style>`, `<input onfocus=alert(1) autofocus>`,
	`<details open ontoggle=alert(1)>`, `<video><source onerror=alert(1)>`, `<math><mtext><table><mglyph><style><img src=/owned onerror=alert(1)>`, `<svg><style><img src=/owned onerror=alert(1)>`, `<noscript><p title="</noscript><owned-x>">`,
	`<div hx-get="/owned" hx-trigger="load">`, `" hx-get="/owned" hx-trigger="load" owned="`, `<b hx-on:load="alert(1)" hx-on::load="alert(1)">`, `<hx-partial hx-target="#main"><owned-x></owned-x></hx-partial>`, `<b hx-swap-oob="true" id="main">`,
	`{{constructor.constructor('alert(1)')()}}`, `${alert(1)}`, `&lt;owned-x&gt;`, `&#60;owned-x&#62;`, `%3Cowned-x%3E`, `\u003cowned-x\u003e`, "\u2028<owned-x>", `<plaintext owned>`,
}

// names are those of the corpus that are short enough for a name.
func names() []string {
	return slices.DeleteFunc(slices.Clone(corpus), func(text string) bool { return utf8.RuneCountInString(text) > 64 || strings.Contains(text, "\u2028") })
}

// guard fails the test for whatever the corpus does in a page: dialogs, requests and elements, beside what noErrors finds,
// violations of the Content-Security-Policy among it.
func (b *browser) guard() {
	b.t.Helper()
	call(b, network.Enable, network.EnableParams{})
	if err := chromedp.Listen(b.ctx, func(event any) {
		switch e := event.(type) {
		case *page.EventJavascriptDialogOpening:
			b.complain("a dialog says %q at %s", e.Message, e.URL)
			go func() { // the page stands still until then; a failure shows in what the test waits for next
				_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
			}()
		case *network.EventRequestWillBeSent:
			if to, err := url.Parse(e.Request.URL); err != nil || strings.HasPrefix(to.Path, "/owned") || strings.HasSuffix(to.Host, "evil.example") {
				b.complain("%s loads %s", e.DocumentURL, e.Request.URL)
			}
		}
	}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) complain(format string, more ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = append(b.errors, fmt.Sprintf(format, more...))
}

// isInert expects nothing of the corpus to have become more than text on the page, once htmx has looked at it.
func (b *browser) isInert(where string) {
	b.t.Helper()
	b.shows("the page at "+where, `document.readyState === "complete" && document.body.textContent.trim()`)
	found := evaluate[string](b, `(() => {
		const owned = document.querySelector("owned-x, [owned], base, iframe, object, embed, meta[http-equiv=refresh i], script:not([src]), body style");
		return owned ? owned.outerHTML : "";
	})()`)
	if found != "" {
		b.t.Errorf("%s: %s", where, found)
	}
}

// visitAll opens pages one after the other.
func (b *browser) visitAll(paths ...string) {
	b.t.Helper()
	for _, path := range paths {
		b.open(path)
		b.isInert(path)
		if at := evaluate[string](b, `location.origin`); at != strings.TrimSuffix(b.base, "/") {
			b.t.Errorf("%s leads to %s", path, at)
		}
	}
}

// Whatever people call themselves, write, search for, report or upload, in Chromium it opens no dialog, loads and changes
// nothing, and doesn't even need the Content-Security-Policy to be kept from it.
func TestCorpusIsInertInABrowser(t *testing.T) {
	dsn, pool := dbtest.NewDSN(t)
	server, store := start(t, "--database-url", dsn), chat.New(pool, chat.Options{})
	people := addPeople(t, store, "admin", "mallory")
	callEverything(t, store, people)
	b := openBrowser(t, server.url(""))
	b.guard()
	b.visitAll(turns(corpus, "/login?next=/%s&why=%s", "/password/reset/%s", "/%s", "/login?next=%s", "/signup?invite=%s", "/email/confirm/%s")...)
	b.refusedSignIn(corpus[2])
	b.signIn("admin")
	talkOf(t, b, server)
	b.visitAll(turns(corpus, "/users?q=%s", "/admin/users?q=%s", "/admin/messages?q=%s&user=%s&from=%s", "/users/%s", "/messages?with=%s", "/admin/audit?user=%s&action=%s", "/conversations/%s")...)
	b.visitAll("/conversations", "/users?limit=100", "/admin/users?limit=100", "/admin/messages", "/admin/reports", "/admin/audit", "/admin/place", "/admin/invitations", "/admin/mail", "/admin/live",
		"/account/profile", "/account/activity", "/account/tokens", "/account/invitations", "/account/devices", "/account/reports", "/account/blocks", "/messages/1-1", "/messages/1-1/report")
	for i := range names() {
		name := fmt.Sprintf("mallory%02d", i)
		b.visitAll([]string{"/users/" + name, "/admin/users/" + name, "/conversations/" + name, fmt.Sprintf("/admin/reports/%d", i+1)}[i%4])
	}
	b.uploadsUnder(corpus[:12])
	b.noErrors()
}

// turns has the corpus in addresses of each of these forms, one after the other: that every text is text in every one of them
// package handlers' tests see to, and here a page costs a tenth of a second.
func turns(corpus []string, forms ...string) (paths []string) {
	for i, text := range corpus {
		escaped := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
		paths = append(paths, strings.ReplaceAll(forms[i%len(forms)], "%s", escaped))
	}
	return paths
}

// callEverything has the corpus in every text that is kept: each name, about line, note and title.
func callEverything(t *testing.T, store *chat.Store, people map[string]chat.User) {
	t.Helper()
	admin := chat.Actor{User: people["admin"], IP: "127.0.0.1"}
	for i, text := range names() {
		u := addNamed(t, store, fmt.Sprintf("mallory%02d", i), text)
		if _, err := store.EditProfile(t.Context(), chat.Actor{User: u}, chat.ProfileEdit{About: &text}); err != nil {
			t.Fatal(err)
		}
		m, _, err := store.SendMessage(t.Context(), u, chat.Draft{Recipient: "admin", Body: text})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.Report(t.Context(), admin, m.ID, chat.ReportDraft{Reason: chat.ReasonOther, Note: text}); err != nil {
			t.Fatal(err)
		}
		if _, err := store.CloseReport(t.Context(), admin, uint64(i+1), chat.Decision{State: chat.ReportDismissed, Note: text}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.StartSession(t.Context(), people["admin"], chat.Device{UserAgent: text, IP: text}); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range names()[:10] {
		if _, _, err := store.CreateToken(t.Context(), admin, chat.NewToken{Name: text, Scope: string(chat.ScopeRead), Days: "30", Current: password}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.CreateInvitation(t.Context(), admin, chat.NewInvitation{Note: text, Days: 1, Uses: 1}); err != nil {
			t.Fatal(err)
		}
	}
	title := names()[2]
	if _, err := store.EditPlace(t.Context(), admin, chat.PlaceEdit{Name: &title}); err != nil {
		t.Fatal(err)
	}
}

// refusedSignIn has the form come back with what was typed.
func (b *browser) refusedSignIn(text string) {
	b.t.Helper()
	b.open("/login")
	b.run(chromedp.SendKeys(`input[name=username]`, text), chromedp.SendKeys(`input[name=password]`, "wrong"), chromedp.Submit(`form.card`), chromedp.WaitVisible(`[role=alert]`))
	b.isInert("a refused sign-in")
}

// talkOf has every text come while the conversation is open: htmx puts it in. Then it is loaded afresh.
func talkOf(t *testing.T, b *browser, server *running) {
	t.Helper()
	mallory := clientFor(t, server.url(""), "mallory")
	b.open("/conversations/mallory")
	b.windowOpens()
	for _, text := range corpus {
		mallory.send("admin", text)
	}
	b.showsMessage(strings.TrimSpace(corpus[len(corpus)-1]))
	b.shows("every text", fmt.Sprintf(`document.querySelectorAll("article.message").length >= %d`, len(corpus)))
	b.isInert("a conversation as it grows")
	b.visitAll("/conversations/mallory")
}

// uploadsUnder uploads what is no photo, in a file of each name.
func (b *browser) uploadsUnder(names []string) {
	b.t.Helper()
	for _, name := range names {
		b.open("/account/profile")
		b.run(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
			const files = new DataTransfer();
			files.items.add(new File(["<svg/>"], %q, { type: "image/png" }));
			document.querySelector("#photo").files = files.files;
			document.querySelector("form[action='/account/photo']").requestSubmit();
		})()`, name)))
		b.shows("the error", `document.querySelector("#photo-error")?.textContent.includes("no JPEG")`)
		b.isInert("a file called " + name)
	}
}

// What leaves Parley is read without a Content-Security-Policy of ours: mail, and the pages in the archive of one's own data.
// Here it is opened in Chromium with none at all.
func TestMailAndExportsAreInertInABrowser(t *testing.T) {
	server, store := startOn(t)
	people := addPeople(t, store, "admin", "mallory")
	callEverything(t, store, people)
	admin := clientFor(t, server.url(""), "admin")
	mallory := clientFor(t, server.url(""), "mallory")
	for _, text := range corpus {
		mallory.send("admin", text)
		admin.send("mallory", text)
	}
	documents := append(exported(t, admin), letters(t)...)
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var i int
		if _, err := fmt.Sscanf(r.URL.Path, "/document/%d", &i); err != nil || i >= len(documents) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, documents[i]) // to a browser that waits for it
	}))
	defer open.Close()
	b := openBrowser(t, open.URL)
	b.guard()
	for i := range documents {
		b.visitAll(fmt.Sprintf("/document/%d", i))
	}
	b.noErrors()
}

// letters are the HTML of mails of every kind about somebody, and from a place, of such a name.
func letters(t *testing.T) (pages []string) {
	t.Helper()
	kinds := []chat.MailKind{chat.MailReset, chat.MailConfirm, chat.MailPasswordChanged, chat.MailEmailChanged, chat.MailEmailTaken}
	for i, text := range corpus {
		m := chat.Mail{Kind: kinds[i%len(kinds)], To: text, User: chat.User{Username: text, DisplayName: text}, Place: text, Token: text}
		l, known := views.LetterOf(m, "https://chat.example")
		var html bytes.Buffer
		if err := views.LetterPage(l).Render(t.Context(), &html); err != nil || !known {
			t.Fatal(err, known)
		}
		pages = append(pages, html.String())
	}
	return pages
}

// ownPolicy is what the pages of an archive bring along.
var ownPolicy = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)

// exported are the pages of the archive of somebody's own data, without their policy.
func exported(t *testing.T, c *client) (pages []string) {
	t.Helper()
	status, file := c.do(http.MethodPost, "/account/export", map[string]string{"current_password": password})
	archive, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatalf("%d, %v", status, err)
	}
	for _, entry := range archive.File {
		if !strings.HasSuffix(entry.Name, ".html") {
			continue
		}
		r, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if r.Close(); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, ownPolicy.ReplaceAllString(string(text), ""))
	}
	if len(pages) == 0 || !strings.Contains(strings.Join(pages, ""), "&lt;owned-x&gt;") {
		t.Fatalf("the archive has %d pages, or none with what was written", len(pages))
	}
	return pages
}
