package handlers

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"parley/db/chat"
	"parley/views"
)

// Whatever stands in a mail's words, its HTML has the structure of a plain one, its link leads where it should, and its
// subject is one line. Names can't hold any of this; it holds all the same.
func lettersAreInert(t *testing.T) {
	for _, kind := range []chat.MailKind{chat.MailReset, chat.MailConfirm, chat.MailPasswordChanged, chat.MailEmailChanged, chat.MailEmailTaken} {
		want := structure(letter(t, kind, "plain"))
		for _, text := range hostile {
			doc := letter(t, kind, text)
			if got := structure(doc); got != want {
				t.Errorf("%s with %q is another page", kind, text)
			}
			if got := doc.Find("h1").Text(); !strings.HasPrefix(got, text+": ") || !strings.Contains(doc.Find("p").Text(), "“"+text+"”") {
				t.Errorf("%s with %q is %s", kind, text, doc.Text())
			}
			doc.Find("a").Each(func(_ int, a *goquery.Selection) {
				if to, err := url.Parse(a.AttrOr("href", "")); err != nil || to.Scheme != "https" || to.Host != "chat.example" || to.User != nil {
					t.Errorf("%s with %q leads to %v", kind, text, to)
				}
			})
		}
	}
}

func letter(t *testing.T, kind chat.MailKind, text string) *goquery.Document {
	t.Helper()
	l, known := views.LetterOf(chat.Mail{Kind: kind, To: text, User: chat.User{Username: text, DisplayName: text}, Place: text, Token: text}, "https://chat.example")
	if !known {
		t.Fatalf("there is no letter of kind %s", kind)
	}
	var html bytes.Buffer
	if err := views.LetterPage(l).Render(t.Context(), &html); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(&html)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// endOfLine is each way to begin a header of one's own.
var endOfLine = []string{"\r\nX-Evil: 1", "\nX-Evil: 1", "\rX-Evil: 1", "\r\n\r\n<script>evil()</script>", "%0d%0aX-Evil: 1", "%0aX-Evil: 1", "\u2028X-Evil: 1", "\u560d\u560aX-Evil: 1", "\v\fX-Evil: 1"}

// What holds the end of a line ends none: not in an answer's header, not in a mail's, and not in a name.
func lineEndsStayInside(t *testing.T) {
	w := newWorld(t, forgetful, sendsMail)
	alice, root := w.withEmail("alice"), w.admin("root")
	inside := func(r *reply) {
		t.Helper()
		for name, values := range r.header {
			if name == "X-Evil" || strings.ContainsAny(strings.Join(values, ""), "\r\n\v\f") {
				t.Errorf("%s: the header has %s: %q", r.what, name, values)
			}
		}
		if r.status >= 500 {
			t.Errorf("%s: status %d", r.what, r.status)
		}
	}
	for _, end := range endOfLine {
		escaped := url.QueryEscape(end)
		for _, s := range shapes {
			for _, path := range []string{"/login?next=/x", "/conversations/bob?before=1-1", "/messages?with=bob&before=", "/users?q=", "/static/", "/users/", "/nothing/", "/login/factor?next=/", "/password/reset/", "/account/profile?done="} {
				inside(alice.get(path+escaped, s.ask))
				inside(w.nobody().get(path+escaped, s.ask))
			}
			inside(w.nobody().post("/login", s.ask, credentials("alice", password, "next", "/x"+end)).want(map[shape]int{page: 303, fragment: 303, program: 200}[s.shape]))
			inside(alice.post("/users/root/block", s.ask, form("next", "/x"+end)))
			inside(alice.post("/messages", s.ask, form("recipient", "alice"+end, "body", end)).want(422))
		}
		inside(root.post("/admin/users", asPage, form("username", "mallory"+end, "password", password)).want(422))
		for path, content := range map[string]option{
			"/account/email":   form("current_password", password, "email", "a@example.org"+end),
			"/account/tokens":  form("name", "a"+end, "scope", "read", "days", "30", "current_password", password),
			"/account/profile": form("display_name", "alice"+end),
		} {
			if r := alice.post(path, asJSON, content); r.status != 422 {
				inside(r)
				r.wantNoText(`\r`, `\n`) // white space, which is one blank in a name
			}
		}
		w.nobody().post("/password/forgot", asPage, form("email", "alice@example.org"+end)).want(422)
		w.nobody().post("/password/forgot", asPage, form("email", "alice@example.org,mallory@example.org")).want(422)
		root.post("/admin/place", asJSON, form("name", "Parley"+end))
		w.exec("UPDATE users SET display_name = 'alice', email = 'alice@example.org', email_key = 'alice@example.org', email_confirmed_at = NOW(6) WHERE username = 'alice'")
		alice = w.signIn(alice.user)
		w.exec("DELETE FROM links")
		w.exec("DELETE FROM mails")
		w.nobody().post("/password/forgot", asPage, form("email", "alice@example.org")).want(303)
		for _, mail := range w.deliver() {
			l, _ := views.LetterOf(mail, "https://chat.example")
			if strings.ContainsAny(l.Subject+mail.To, "\r\n\v\f\u2028") || mail.To != "alice@example.org" {
				t.Errorf("a mail to %q has the subject %q", mail.To, l.Subject)
			}
		}
		given := w.nobody().get("/healthz", func(r *http.Request) {
			r.Header["X-Request-Id"] = []string{"abcdefgh" + strings.NewReplacer("\r", " ", "\n", " ", "\v", "", "\f", "").Replace(end)}
		})
		inside(given)
	}
}
