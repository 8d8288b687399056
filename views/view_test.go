package views

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/PuerkitoBio/goquery"

	"parley/db/chat"
)

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{
		"alice": "A", "Alice Archer": "AA", "alice b. carter": "AC", "  spaced   out  ": "SO", "Jean-Luc Picard": "JP", "Jean-Luc": "JL",
		"élodie": "É", "ßtraße": "ß", "ǆ": "Ǆ", "日本 太郎": "日太", "نور": "ن", "3PO": "3", "R2 D2": "RD", "(bob)": "B", "🙂": "🙂", "🙂 bob": "B", "---": "-",
		"O'Neill": "ON",
	} {
		if got := initials(chat.User{DisplayName: name}); got != want {
			t.Errorf("initials(%q) = %q, want %q", name, got, want)
		}
	}
	if got := initials(chat.User{}); utf8.RuneCountInString(got) > 2 {
		t.Errorf("without a name: %q", got)
	}
}

// A person has one colour everywhere, and people differ.
func TestAvatarClass(t *testing.T) {
	seen := map[string]int{}
	for i := range 800 {
		u := chat.User{Username: fmt.Sprint("user", i)}
		class := avatarClass(u)
		if class != avatarClass(chat.User{ID: 9, Username: u.Username, DisplayName: "Other"}) {
			t.Fatalf("%s has two colours", u.Username)
		}
		seen[class]++
	}
	if len(seen) != avatarColours {
		t.Errorf("there are %d colours, want %d", len(seen), avatarColours)
	}
	for class, n := range seen {
		if n < 50 || n > 200 {
			t.Errorf("%d of 800 people are %q", n, class)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct{ sent, short, day, clock, key string }{
		{"2026-11-23 09:59:00", "10:59", "Monday 23 November", "10:59", "2026-11-23"},
		{"2026-11-22 23:00:00", "00:00", "Monday 23 November", "00:00", "2026-11-23"}, // the viewer's midnight, not UTC's
		{"2026-11-22 22:59:59", "22 Nov", "Sunday 22 November", "23:59", "2026-11-22"},
		{"2026-01-01 00:00:00", "1 Jan", "Thursday 1 January", "01:00", "2026-01-01"},
		{"2025-12-31 23:00:00", "1 Jan", "Thursday 1 January", "00:00", "2026-01-01"},
		{"2025-12-31 22:59:59", "31 Dec 2025", "Wednesday 31 December 2025", "23:59", "2025-12-31"},
		{"2027-01-01 00:00:00", "1 Jan 2027", "Friday 1 January 2027", "01:00", "2027-01-01"}, // another node's clock
	} {
		sent := at(c.sent)
		if got := viewing.short(sent); got != c.short {
			t.Errorf("short(%s) = %q, want %q", c.sent, got, c.short)
		}
		if got := viewing.day(sent); got != c.day {
			t.Errorf("day(%s) = %q, want %q", c.sent, got, c.day)
		}
		if got := viewing.clock(sent); got != c.clock {
			t.Errorf("clock(%s) = %q, want %q", c.sent, got, c.clock)
		}
		if got := viewing.dayKey(sent); got != c.key {
			t.Errorf("dayKey(%s) = %q, want %q", c.sent, got, c.key)
		}
	}
	if got := machineTime(at("2026-11-23 09:59:00").In(viewing.Zone)); got != "2026-11-23T09:59:00Z" {
		t.Errorf("machineTime is %s", got)
	}
	if got := viewing.long(at("2026-11-23 09:59:07")); got != "23 November 2026, 10:59:07" {
		t.Errorf("long is %s", got)
	}
}

// In the night when clocks go back an hour comes twice; its messages stay on one day, in the order of seq.
func TestDays(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	v := Viewing{Viewer: alice, Now: viewing.Now, Zone: berlin}
	messages := []chat.Message{ // any order, as changes come by rev
		says(4, alice, bob, "2026-10-25 23:00:00", "the 26th"),
		says(1, alice, bob, "2026-10-24 21:59:59", "the 24th"),
		says(3, alice, bob, "2026-10-25 01:30:00", "half past two, again"),
		says(2, alice, bob, "2026-10-25 00:30:00", "half past two"),
	}
	var got []string
	for _, day := range v.days(messages) {
		for _, m := range day {
			got = append(got, m.Body)
		}
		got = append(got, "|")
	}
	if want := "the 24th | half past two half past two, again | the 26th |"; strings.Join(got, " ") != want {
		t.Errorf("days are %s", got)
	}
	if messages[0].ID.Seq != 4 {
		t.Error("the messages given were put in another order")
	}
	if days := v.days(nil); days != nil {
		t.Errorf("no messages make %v", days)
	}
}

func TestPreview(t *testing.T) {
	for body, want := range map[string]string{
		"hi": "hi", "  two\n\n lines\t": "two lines", strings.Repeat("x", 90): strings.Repeat("x", 90), strings.Repeat("x", 91): strings.Repeat("x", 90) + "…",
		strings.Repeat("🙂", 91): strings.Repeat("🙂", 90) + "…", "": "",
	} {
		if got := preview(body); got != want {
			t.Errorf("preview(%.20q) = %q, want %q", body, got, want)
		}
	}
}

func TestUnreadLabel(t *testing.T) {
	for n, want := range map[int]string{1: "1", 99: "99", 100: "99+", 1_000_000: "99+"} {
		if got := unreadLabel(n); got != want {
			t.Errorf("unreadLabel(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestURLs(t *testing.T) {
	for username, want := range map[string]string{
		"bob": "bob", "a.b-c_d@e+f": "a.b-c_d@e+f", "josé": "jos%C3%A9", "a/b?c#d": "a%2Fb%3Fc%23d", "%41": "%2541", "..": "..", "": "",
	} {
		if got := ConversationURL(username); got != "/conversations/"+want {
			t.Errorf("ConversationURL(%q) = %q", username, got)
		}
		if got := userURL(username); got != "/users/"+want {
			t.Errorf("userURL(%q) = %q", username, got)
		}
	}
	for want, pairs := range map[string][]string{
		"/x": nil, "/x?a=1": {"a", "1"}, "/x?a=1&b=%26%3D+%2B": {"b", "&= +", "a", "1"}, "/x?b=2": {"a", "", "b", "2"}, "/x?c=3": {"c", "3", "lonely"},
	} {
		if got := WithQuery("/x", pairs...); got != want {
			t.Errorf("WithQuery(%q) = %q, want %q", pairs, got, want)
		}
	}
}

// parts are the views that stand inside a pane, under its heading.
var parts = map[string]bool{"conversations": true, "conversations-photos": true, "conversations-empty": true, "history": true, "changes": true, "pending": true, "error-fragment": true}

// Whatever is shown, somebody who can't see it finds the way: by labels, one heading, landmarks, and a language.
func TestEveryViewIsAccessible(t *testing.T) {
	for name, component := range goldens() {
		t.Run(name, func(t *testing.T) {
			doc := parsed(t, component)
			checkNames(t, doc)
			doc.Find("[class], [id]").Each(func(_ int, s *goquery.Selection) {
				if s.AttrOr("class", "x") == "" || s.AttrOr("id", "x") == "" {
					t.Errorf("<%s> has an empty class or ID", s.Nodes[0].Data)
				}
			})
			doc.Find("time").Each(func(_ int, s *goquery.Selection) {
				if s.AttrOr("datetime", "") == "" {
					t.Errorf("a time without its machine's form: %s", s.Text())
				}
			})
			if letters := strings.HasPrefix(name, "mail-") && !strings.HasPrefix(name, "mail-queue"); letters {
				checkLetter(t, doc)
			} else if strings.HasPrefix(rendered(t, component), "<!doctype html>") {
				checkPage(t, doc)
			} else if n := doc.Find("h1").Length(); n != map[bool]int{true: 0, false: 1}[parts[name]] {
				t.Errorf("there are %d headings of the first level", n)
			}
		})
	}
}

// checkNames expects a name for everything that one can use.
func checkNames(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("input:not([type=hidden]), textarea, select").Each(func(_ int, s *goquery.Selection) {
		label := s.Closest("label").Text() + doc.Find("label[for='"+s.AttrOr("id", "none")+"']").Text() + s.AttrOr("aria-label", "")
		if strings.TrimSpace(label) == "" {
			t.Errorf("a field without a label: %s", s.AttrOr("name", ""))
		}
	})
	doc.Find("a, button").Each(func(_ int, s *goquery.Selection) {
		if text := s.Clone(); strings.TrimSpace(text.Find("[aria-hidden=true]").Remove().End().Text())+s.AttrOr("aria-label", "") == "" {
			t.Errorf("a <%s> without a name", s.Nodes[0].Data)
		}
	})
	doc.Find("svg, span.avatar").Each(func(_ int, s *goquery.Selection) {
		isPlot := s.AttrOr("role", "") == "img" && s.Find("title").Text() != "" && s.Find("desc").Text() != ""
		if s.AttrOr("aria-hidden", "") != "true" && !isPlot {
			t.Errorf("an ornament is read out: <%s>", s.Nodes[0].Data)
		}
	})
	doc.Find("nav, aside").Each(func(_ int, s *goquery.Selection) {
		if s.AttrOr("aria-label", "") == "" {
			t.Errorf("a <%s> without a name", s.Nodes[0].Data)
		}
	})
}

// checkLetter expects of a mail what mail programs leave of a page.
func checkLetter(t *testing.T, doc *goquery.Document) {
	t.Helper()
	if doc.Find("html[lang=en]").Length() != 1 || doc.Find("head > title").Text() == "" || doc.Find("h1").Length() != 1 {
		t.Error("the mail has no language, no title or not one heading")
	}
	if doc.Find("img, script, link, style, form").Length() > 0 {
		t.Error("the mail loads or sends something")
	}
}

func checkPage(t *testing.T, doc *goquery.Document) {
	t.Helper()
	if doc.Find("html[lang=en]").Length() != 1 || doc.Find("main").Length() != 1 || doc.Find("meta[charset=utf-8]").Length() != 1 || doc.Find("meta[name=viewport]").Length() != 1 {
		t.Error("the page has no language, no main part, no charset or no viewport")
	}
	if title := doc.Find("head > title").Text(); !strings.HasSuffix(title, " · Parley") || len(title) == len(" · Parley") {
		t.Errorf("the title is %q", title)
	}
	// The sidebar has a heading of its own, for whoever sees that alone: a phone shows one of the two.
	if n := doc.Find("#main h1").Length() + doc.Find("body:not(:has(#main h1)) h1").Length(); n != 1 {
		t.Errorf("the page has %d headings of the first level", n)
	}
	if skip := doc.Find("a.skip").AttrOr("href", "#main"); skip != "#main" || doc.Find("#main").Length() != 1 {
		t.Errorf("what is skipped to is %q", skip)
	}
}

func TestLoginForm(t *testing.T) {
	doc := parsed(t, goldens()["login-refused"])
	alert := doc.Find("[role=alert]")
	if alert.Text() != "The username or the password is wrong." {
		t.Errorf("the alert says %q", alert.Text())
	}
	for name, kind := range map[string]string{"username": "username", "password": "current-password"} {
		field := doc.Find("form[method=post][action='/login'] input[name=" + name + "]")
		if field.AttrOr("autocomplete", "") != kind || field.AttrOr("aria-invalid", "") != "true" || field.AttrOr("aria-describedby", "") != alert.AttrOr("id", "none") {
			t.Errorf("the field %s doesn't say what it is or what is wrong", name)
		}
	}
	if doc.Find("input[name=username]").AttrOr("value", "") != `al"ice` || doc.Find("input[name=next]").AttrOr("value", "") != "/conversations/bob?before=7-42" {
		t.Error("the form forgot what was typed, or where to go")
	}
	if doc.Find("[autofocus]").AttrOr("name", "") != "password" || parsed(t, goldens()["login"]).Find("[autofocus]").AttrOr("name", "") != "username" {
		t.Error("the wrong field has the focus")
	}
	if doc.Find("script[src*=htmx]").Length() != 0 {
		t.Error("the sign-in page loads what it has no use for")
	}
}

func TestConversationRows(t *testing.T) {
	doc := parsed(t, goldens()["conversations"])
	for id, want := range map[string]struct{ href, name, time, preview, unread, label string }{
		"with-bob.b": {"/conversations/bob.b", "Bob", "10:59", `" hx-get="/users" hx-trigger="load`, "3", "3 unread"},
		"with-alice": {"/conversations/alice", "Notes to yourself", "09:00", "buy milk", "", ""},
		"with-نور":   {"/conversations/%D9%86%D9%88%D8%B1", "نور", "1 Oct", "كيف حالك؟", "99+", "120 unread"},
		"with-gone":  {"/conversations/gone", "Gone", "1 Oct 2025", "You: " + preview(strings.Repeat("a long text ", 20)), "", ""},
	} {
		row := doc.Find("li[id='" + id + "'] > a")
		got := struct{ href, name, time, preview, unread, label string }{
			row.AttrOr("href", ""), row.Find(".name").Text(), row.Find("time").Text(), row.Find(".preview[hx-ignore]").Text(), row.Find(".unread").Text(), row.Find(".unread").AttrOr("aria-label", ""),
		}
		if got != want || row.AttrOr("hx-get", "") != want.href {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
		if row.Find(".name").AttrOr("dir", "") != "auto" || row.Find(".preview").AttrOr("dir", "") != "auto" {
			t.Errorf("%s: a text has no direction of its own", id)
		}
	}
	current := doc.Find("[aria-current=page]")
	if current.Length() != 1 || current.AttrOr("href", "") != "/conversations/bob.b" {
		t.Error("the open conversation isn't the current one")
	}
	if more := doc.Find("li.more a"); more.AttrOr("href", "") != "/conversations?after=abc&limit=20" || more.AttrOr("hx-get", "") != more.AttrOr("href", "") {
		t.Error("the list doesn't lead on")
	}
}

func TestThreadPane(t *testing.T) {
	doc := parsed(t, goldens()["thread"])
	log := doc.Find("[role=log]")
	if log.Length() != 1 || log.AttrOr("aria-label", "") == "" || log.AttrOr("tabindex", "") != "0" {
		t.Error("the messages are no log that one can reach and scroll by keyboard")
	}
	list := doc.Find("#thread")
	for name, want := range map[string]string{"data-with": "bob.b", "data-rev": "57", "data-read": "39"} {
		if got := list.AttrOr(name, ""); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, whole := list.Attr("data-whole"); !whole {
		t.Error("the thread doesn't say that it goes to the end")
	}
	var days []string
	doc.Find("section.day").Each(func(_ int, s *goquery.Selection) {
		days = append(days, fmt.Sprintf("%s %s %d", s.AttrOr("data-day", ""), s.Find("h2").Text(), s.Find("article").Length()))
	})
	if got := strings.Join(days, "|"); got != "2026-11-22 Sunday 22 November 3|2026-11-23 Monday 23 November 2" {
		t.Errorf("days are %s", got)
	}
	for _, m := range talk() {
		checkArticle(t, doc, m)
	}
	older := doc.Find("#older a")
	if older.AttrOr("href", "") != "/conversations/bob.b?before=7-40" || older.AttrOr("hx-get", "") != "/messages?before=7-40&with=bob.b" {
		t.Error("the link to older messages leads elsewhere")
	}
}

func checkArticle(t *testing.T, doc *goquery.Document, m chat.Message) {
	t.Helper()
	article := doc.Find("#message-" + m.ID.String())
	mine := m.Sender.ID == alice.ID
	if article.HasClass("mine") != mine || (article.AttrOr("data-client", "") == m.ClientID.String()) != mine {
		t.Errorf("%s: mine is %t, with the client ID %q", m.ID, article.HasClass("mine"), article.AttrOr("data-client", ""))
	}
	if label := article.AttrOr("aria-label", ""); label != map[bool]string{true: "You", false: "Bob"}[mine] {
		t.Errorf("%s: the label is %q", m.ID, label)
	}
	body := article.Find(".body[hx-ignore][dir=auto]")
	if body.Text() != m.Body || body.Children().Length() != 0 {
		t.Errorf("%s: the text is %q", m.ID, body.Text())
	}
	if article.AttrOr("data-seq", "") != fmt.Sprint(m.ID.Seq) || article.AttrOr("data-rev", "") != fmt.Sprint(m.Rev) {
		t.Errorf("%s: the page can't tell where it belongs", m.ID)
	}
}

func TestComposer(t *testing.T) {
	form := parsed(t, goldens()["thread-refused"]).Find("form#composer[method=post][action='/messages']")
	field := form.Find("textarea[name=body]")
	if field.Text() != "typed\n</textarea><b>" || field.AttrOr("data-longest", "") != "10000" {
		t.Errorf("the field holds %q", field.Text())
	}
	if alert := form.Find("[role=alert]"); alert.AttrOr("id", "none") != field.AttrOr("aria-describedby", "") || field.AttrOr("aria-invalid", "") != "true" {
		t.Error("the field doesn't say what is wrong")
	}
	if form.Find("input[name=recipient]").AttrOr("value", "") != "bob.b" || form.Find("input[name=client_id]").AttrOr("value", "") == "" {
		t.Error("the form doesn't know to whom, or which message it is")
	}
	if parsed(t, goldens()["thread-disabled"]).Find("form#composer, #pending").Length() != 0 {
		t.Error("there is a form to write to somebody disabled")
	}
}

// The form in the template sends by itself, also without htmx, under a client ID that the page fills in.
func TestPendingTemplate(t *testing.T) {
	doc := parsed(t, pending("bob.b"))
	form := doc.Find("template#pending form.pending[method=post][action='/messages'][hx-post='/messages']")
	for _, name := range []string{"recipient", "client_id", "body"} {
		if form.Find("input[type=hidden][name="+name+"]").Length() != 1 {
			t.Errorf("the form has no %s", name)
		}
	}
	if form.Find("[role=status]").Length() != 1 || form.Find("button").Length() != 2 || form.Find(".body[hx-ignore]").Length() != 1 {
		t.Error("the form can't say how far it is, or be tried again or discarded")
	}
	if doc.Find("[id]").Length() != 1 {
		t.Error("an ID in the template would be there once for each pending message")
	}
}

func TestErrorPageGivesAReferenceOnlyWhereThereIsOne(t *testing.T) {
	if got := parsed(t, goldens()["error-fault"]).Find("code").Text(); got != "0123-reference" {
		t.Errorf("the reference is %q", got)
	}
	if parsed(t, goldens()["error"]).Find("code").Length() != 0 {
		t.Error("there is a place for a reference where there is none")
	}
}

// A view fails as its writer does; nothing is left half open that would panic later.
func TestViewsStopWhereTheWriterFails(t *testing.T) {
	for name, component := range goldens() {
		text := rendered(t, component)
		for _, n := range []int{0, 1, len(text) / 2} {
			if err := component.Render(t.Context(), &failingWriter{left: n}); err == nil {
				t.Errorf("%s: the writer failed after %d octets, and nobody noticed", name, n)
			}
		}
	}
}

type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, fmt.Errorf("full")
	}
	w.left -= len(p)
	return len(p), nil
}

// Each mail that tells of something says whose account it is about, and the admins' list calls it something.
func TestEveryMailHasWords(t *testing.T) {
	for kind := range letters {
		l := letter(chat.Mail{Kind: kind, User: chat.User{Username: "alice"}, Place: "Here", Token: "t", QueuedAt: time.Unix(0, 0), IP: "192.0.2.1"}, "https://chat.example")
		text := l.Subject + l.Text()
		if !strings.HasPrefix(l.Subject, "Here: ") || strings.Contains(text, "ACCOUNT") || strings.Contains(text, "alice") == (kind == chat.MailDeleted) || mailKinds[kind] == "" {
			t.Errorf("%s: %q: %s", kind, mailKinds[kind], text)
		}
	}
	if len(letters) != 15 {
		t.Errorf("there are %d kinds of mail", len(letters))
	}
}
