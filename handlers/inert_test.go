package handlers

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"

	"parley/db/chat"
)

// hostile texts end whatever they may stand in, and bring markup that runs, loads, moves or asks for something.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `" autofocus onfocus="alert(1)`, `<svg/onload=alert(1)>`,
	`</textarea><script>alert(1)</script>`, `</title><script>alert(1)</script>`, `</template><script>alert(1)</script>`, `</p></article></section><b>`,
	`<div hx-get="/users" hx-trigger="load">`, `" hx-post="/logout" hx-trigger="load`, `<b hx-on:click="alert(1)">`, `<a href="javascript:alert(1)">x</a>`,
	`javascript:alert(1)`, `<form id=composer action=//evil>`, `<base href=//evil.example>`, `<meta http-equiv=refresh content=0>`, `<link rel=stylesheet href=//x>`,
	`<style>*{display:none}</style>`, `<iframe srcdoc="<script>">`, `<!--`, `-->`, `<![CDATA[`, `]]>`, `<`, `<<<`, `&lt;script&gt;`, `&#60;script&#62;`, `&quot;`, `{{7*7}}`, `${7*7}`,
	`<p id="thread" data-rev="9">`, `<hx-partial hx-target="#main">x</hx-partial>`, `<template><p>`, "\u2028<b>", `<plaintext>`, `<noscript><b>`, `%3Cscript%3E`, `//evil.example`,
}

// structure is a page without its texts and values: which elements, in which other ones, with which attributes.
func structure(doc *goquery.Document) string {
	var out strings.Builder
	var walk func(*html.Node, int)
	walk = func(n *html.Node, depth int) {
		if n.Type == html.ElementNode {
			var names []string
			for _, a := range n.Attr {
				names = append(names, a.Key)
			}
			slices.Sort(names)
			fmt.Fprintf(&out, "%d %s %v\n", depth, n.Data, names)
		} else if n.Type == html.CommentNode {
			fmt.Fprintf(&out, "%d comment\n", depth)
		}
		for child := range n.ChildNodes() {
			walk(child, depth+1)
		}
	}
	walk(doc.Nodes[0], 0)
	return out.String()
}

// checkHarmless expects of a page with a hostile text the structure that it has with a harmless one, and every address on it
// to be on this server.
func checkHarmless(t *testing.T, hostile string, got *reply, want string) {
	t.Helper()
	doc := got.doc()
	if has := structure(doc); has != want {
		has, want := strings.Split(has, "\n"), strings.Split(want, "\n")
		i := 0
		for i < min(len(has), len(want))-1 && has[i] == want[i] {
			i++
		}
		t.Errorf("%s with %q: the page has %q where it should have %q", got.what, hostile, has[i], want[i])
	}
	doc.Find("[href], [src], [action], [formaction], [hx-get], [hx-post], [hx-put], [hx-delete], [hx-patch]").Each(func(_ int, s *goquery.Selection) {
		for _, name := range []string{"href", "src", "action", "formaction", "hx-get", "hx-post", "hx-put", "hx-delete", "hx-patch"} {
			if to := s.AttrOr(name, "/"); (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")) && to != "#main" {
				t.Errorf("%s: %s is %q", got.what, name, to)
			}
		}
	})
}

// Trap: names and texts went into the page as HTML in what Parley replaces.
func bodiesAreInert(t *testing.T) {
	textsAreInert(t, func(text string) (displayName, body string) { return "plain", text })
}

func namesAreInert(t *testing.T) {
	textsAreInert(t, func(text string) (displayName, body string) { return text, "plain" })
}

func textsAreInert(t *testing.T, put func(text string) (displayName, body string)) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, name := range []string{"bob", "carol", "dave"} {
		w.crowd(name)
		alice.send(name, "hi")
	}
	var want []string
	for _, r := range writer(w, alice, "plain00", "plain", "plain").pages(alice) {
		want = append(want, structure(r.doc()))
	}
	for i, text := range hostile {
		displayName, body := put(text)
		m := writer(w, alice, fmt.Sprintf("mallory%02d", i), displayName, body)
		for at, got := range m.pages(alice) {
			checkHarmless(t, text, got, want[at])
		}
		checkShownAsText(t, alice, m, displayName, body)
	}
}

// Trap: htmx obeys its attributes wherever they stand. What people write stays without any, stands where htmx doesn't look,
// and no attribute of the page's own that htmx reads holds it.
func htmxIgnoresTexts(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for i, text := range []string{
		`<div hx-get="/evil" hx-trigger="load">`, `" hx-post="/evil" hx-trigger="load`, `' hx-delete='/evil' hx-trigger='load`, `<b hx-on:click="evil()">`, `<b hx-on::load="evil()">`, `<a hx-boost="true" href="/evil">`,
		`<b data-hx-get="/evil" data-hx-trigger="load">`, `hx-vals=js:{x:evil()}`, `<hx-partial hx-target="#main">evil</hx-partial>`, `<b hx-swap-oob="true" id="main">evil</b>`, `<meta name="htmx-config" content='{"evil":1}'>`,
	} {
		m := writer(w, alice, fmt.Sprintf("mallory%02d", i), text, text)
		for _, got := range m.pages(alice) {
			doc := got.doc()
			doc.Find("*").Each(func(_ int, e *goquery.Selection) {
				for _, a := range e.Nodes[0].Attr {
					if strings.Contains(a.Key, "hx-") && strings.Contains(a.Val, "evil") {
						t.Errorf("%s: %s is %q", got.what, a.Key, a.Val)
					}
				}
			})
			if n := doc.Find("hx-partial:contains(evil), [data-hx-get], [hx-on\\:click], [hx-swap-oob]:contains(evil), meta[content*=evil]").Length(); n > 0 {
				t.Errorf("%s with %q: %d elements for htmx", got.what, text, n)
			}
			doc.Find(".body, .preview").Each(func(_ int, e *goquery.Selection) {
				if strings.Contains(e.Text(), "evil") && e.Closest("[hx-ignore]").Length() == 0 {
					t.Errorf("%s with %q: htmx looks at %s", got.what, text, e.Text())
				}
			})
		}
	}
}

// other is somebody whose name and texts alice looks at.
type other struct {
	name    string
	message chat.Message
}

func writer(w *world, alice *visitor, username, displayName, text string) other {
	w.t.Helper()
	w.crowd(username)
	if _, err := w.db.Exec("UPDATE users SET display_name = ? WHERE username = ?", displayName, username); err != nil {
		w.t.Fatal(err)
	}
	u, err := w.store.UserByName(context.Background(), username)
	if err != nil {
		w.t.Fatal(err)
	}
	m := w.signIn(u)
	alice.send(username, text)
	return other{username, m.send("alice", text)}
}

// pages are the places where alice sees this person, each with this person alone where it is a list.
func (o other) pages(alice *visitor) (pages []*reply) {
	alice.t.Helper()
	for _, ask := range []option{asPage, asFragment} {
		for _, path := range []string{
			"/conversations?limit=1", "/conversations/" + o.name, "/users?q=" + o.name, "/users/" + o.name, "/messages/" + o.message.ID.String(),
		} {
			r := alice.get(path, ask).want(200)
			if path != "/conversations?limit=1" && strings.HasPrefix(string(r.body), "<!doctype") {
				r.body = []byte(withoutList(r))
			}
			pages = append(pages, r)
		}
	}
	for _, query := range []string{"", "&since_rev=0", "&before=" + o.message.ID.String()} {
		pages = append(pages, alice.get("/messages?with="+o.name+query, asFragment).want(200))
	}
	refused := alice.post("/messages", asPage, form("recipient", o.name, "body", o.message.Body, "client_id", "x")).want(422)
	refused.body = []byte(withoutList(refused))
	return append(pages, refused)
}

// withoutList leaves out the list of conversations, which grows from person to person.
func withoutList(r *reply) string {
	doc := r.doc()
	doc.Find("#conversations").Remove()
	text, err := doc.Html()
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

func checkShownAsText(t *testing.T, alice *visitor, o other, displayName, body string) {
	t.Helper()
	doc := alice.get("/conversations/"+o.name, asPage).want(200).doc()
	if got := doc.Find("article .body[hx-ignore]").First().Text(); got != strings.TrimSpace(body) {
		t.Errorf("%q is shown as %q, or htmx looks at it", body, got)
	}
	if got := doc.Find("#main h1").Text(); inOneLine(got) != inOneLine(displayName) {
		t.Errorf("the name %q is shown as %q", displayName, got)
	}
	if got := doc.Find("#with-" + o.name + " .preview[hx-ignore]").Text(); got != inOneLine(body) {
		t.Errorf("the list shows %q as %q", body, got)
	}
}

func inOneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// echo is an answer that holds what was typed or asked for, and the field that gives it back, "" where none does.
type echo struct {
	visit func(text string) *reply
	shown string
}

func searchesAreInert(t *testing.T) {
	w := newWorld(t)
	alice, root := w.person("alice"), w.admin("root")
	at := func(v *visitor, path string, ask option, status int) func(string) *reply {
		return func(text string) *reply { return v.get(path+url.QueryEscape("zz"+text), ask).want(status) }
	}
	echoesAreInert(t, map[string]echo{
		"for people":            {at(alice, "/users?q=", asPage, 200), "input[name=q]"},
		"for people, by htmx":   {at(alice, "/users?q=", asFragment, 200), "input[name=q]"},
		"for accounts":          {at(root, "/admin/users?q=", asPage, 200), "input[name=q]"},
		"for messages":          {at(root, "/admin/messages?q=", asPage, 200), "input[name=q]"},
		"for a person's":        {at(root, "/admin/messages?user=", asPage, 422), "input[name=user]"},
		"for what somebody did": {at(root, "/admin/audit?user=", asPage, 422), "input[name=user]"},
	})
}

// What was typed and refused comes back as text too.
func errorsAreInert(t *testing.T) {
	w := newWorld(t, longestBody(10))
	alice := w.person("alice")
	echoesAreInert(t, map[string]echo{
		"a username": {func(text string) *reply {
			return w.nobody().post("/login", asPage, credentials("zz"+text, "")).want(401)
		}, "input[name=username]"},
		"where to go": {func(text string) *reply {
			return w.nobody().get("/login?next="+url.QueryEscape("/"+text), asPage).want(200)
		}, ""},
		"a refused message": {func(text string) *reply {
			return alice.post("/messages", asPage, form("recipient", "alice", "body", "zz"+text+strings.Repeat(".", 10))).want(422)
		}, "textarea[name=body]"},
		"a recipient": {func(text string) *reply {
			return alice.post("/messages", asFragment, form("recipient", text, "body", "hi")).want(422)
		}, ""},
		"nobody":         {func(text string) *reply { return alice.get("/users/"+url.PathEscape("zz"+text), asPage).want(404) }, ""},
		"nobody to htmx": {func(text string) *reply { return alice.get("/users/"+url.PathEscape("zz"+text), asFragment).want(404) }, ""},
		"an address":     {func(text string) *reply { return alice.get("/"+url.PathEscape("zz"+text), asPage).want(404) }, ""},
		"a display name": {func(text string) *reply {
			return alice.post("/account/profile", asPage, form("display_name", "zz"+text+"\u202e")).want(422)
		}, "input[name=display_name]"},
		"an e-mail address": {func(text string) *reply {
			return alice.post("/account/email", asPage, form("current_password", "", "email", "zz"+text)).want(422)
		}, "input[name=email]"},
	})
}

// echoesAreInert expects each answer to have the structure that it has for a plain text.
func echoesAreInert(t *testing.T, echoes map[string]echo) {
	for name, c := range echoes {
		t.Run(name, func(t *testing.T) {
			want := structure(c.visit("plain").doc())
			for i, text := range hostile {
				if name == "a username" && i%4 != 0 {
					continue // each try costs a password's check
				}
				got := c.visit(text)
				checkHarmless(t, text, got, want)
				if field := got.doc().Find(c.shown); c.shown != "" && !strings.HasPrefix(field.AttrOr("value", field.Text()), "zz"+text) {
					t.Errorf("%s: %q came back as %q", got.what, text, field.AttrOr("value", field.Text()))
				}
			}
		})
	}
}
