package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"parley/db/chat"
)

func (w *world) admin(username string) *visitor {
	w.t.Helper()
	return w.signIn(w.account(chat.NewUser{Username: username, IsAdmin: true}))
}

func (w *world) forget(username string) {
	w.t.Helper()
	if _, err := w.db.Exec("DELETE u, s FROM users u LEFT JOIN skeletons s ON s.user_id = u.id WHERE u.username = ?", username); err != nil {
		w.t.Fatal(err)
	}
}

// Rights that are taken away are gone with the next request.
func TestDemotedAdminIsOut(t *testing.T) {
	w := newWorld(t)
	ada, eve := w.admin("ada"), w.admin("eve")
	eve.get("/admin/users").want(200)
	ada.post("/admin/users/eve", asPage, form("is_admin", "false")).want(303)
	eve.get("/admin/users").want(404)
	eve.post("/admin/users/eve", form("is_admin", "true")).want(404)
	eve.get("/conversations").want(200)
}

func TestLastAdminStays(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	ada.post("/admin/users/ada/disable", asJSON).wantFields(422)
	ada.post("/admin/users/ada", asJSON, object(fields{"is_admin": false})).wantFields(422, "is_admin")
	refused := ada.post("/admin/users/ada/disable", asPage, form()).want(422)
	if text := refused.doc().Find("#main [role=alert]").Text(); !strings.Contains(text, "last admin") {
		t.Errorf("the page says %q", text)
	}
	refused = ada.post("/admin/users/ada", asPage, form("display_name", "Typed", "is_admin", "false")).want(422)
	checkField(t, refused, "display_name", "Typed", false)
	if box := refused.doc().Find("[type=checkbox]"); box.AttrOr("aria-describedby", "") != "is_admin-error" || refused.doc().Find("#is_admin-error").Text() == "" {
		t.Errorf("nothing says beside the box what is wrong: %s", refused.body)
	}
}

func TestDisabledAccountPage(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	w.person("bob")
	ada.post("/admin/users/bob/disable", asPage, form()).want(303)
	shown := ada.get("/admin/users/bob?done=disabled").want(200).doc()
	if shown.Find("[role=status].done").Text() == "" || shown.Find("form[action='/admin/users/bob/enable'][method=post]").Length() != 1 {
		t.Errorf("the page doesn't say what happened, or offers no way back: %s", shown.Find("#main").Text())
	}
}

// checkField expects a field that still holds what was typed and, where it is wrong, says so to everybody.
func checkField(t *testing.T, r *reply, name, value string, wrong bool) {
	t.Helper()
	doc := r.doc()
	field := doc.Find("input[name=" + name + "]:not([type=hidden])")
	if got := field.AttrOr("value", "missing"); got != value {
		t.Errorf("%s: %s holds %q, want %q", r.what, name, got, value)
	}
	if doc.Find("label[for="+field.AttrOr("id", "none")+"]").Length() != 1 {
		t.Errorf("%s: %s has no label", r.what, name)
	}
	said := ""
	for _, id := range strings.Fields(field.AttrOr("aria-describedby", "")) {
		if doc.Find("#"+id).Length() != 1 {
			t.Errorf("%s: %s is described by #%s, which isn't there once", r.what, name, id)
		}
		said += doc.Find("#" + id + ".error").Text()
	}
	if (said != "") != wrong || (field.AttrOr("aria-invalid", "") == "true") != wrong {
		t.Errorf("%s: about %s is said %q, aria-invalid is %q", r.what, name, said, field.AttrOr("aria-invalid", ""))
	}
}

func TestNewPersonForm(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	wrong := []string{"username", "a b", "display_name", `D"><script>`, "email", "nowhere", "password", "short", "is_admin", "false", "is_admin", "true"}
	for _, s := range shapes[:2] {
		refused := ada.post("/admin/users", s.ask, form(wrong...)).want(422)
		checkField(t, refused, "username", "a b", true)
		checkField(t, refused, "display_name", `D"><script>`, false)
		checkField(t, refused, "email", "nowhere", true)
		checkField(t, refused, "password", "", true)
		if !refused.doc().Find("[type=checkbox]").Is("[checked]") {
			t.Error("the box has lost its tick")
		}
		refused.wantNoText("short", "<script>")
	}
	ada.post("/admin/users", asJSON, form(wrong...)).wantFields(422, "username", "email", "password")
	ada.post("/admin/users", asJSON, object(fields{"username": 7})).wantProblem(400)
	ada.post("/admin/users", asJSON, body("text/plain", "x")).wantProblem(415)

	r := ada.post("/admin/users", asJSON, object(fields{"username": "bob", "password": password, "email": "bob@example.org", "is_admin": true})).want(201)
	r.wantHeader("Location", "/admin/users/bob").wantNoText("password", password)
	r.wantText(`"username":"bob","display_name":"bob","photo":null,"email":"bob@example.org","is_admin":true`, `"disabled_at":null,"email_confirmed_at":"`, `"open_sessions":0`)
	ada.post("/admin/users", asPage, form("username", "søren", "password", password)).want(303).wantHeader("Location", "/admin/users/s%C3%B8ren?done=created")
	ada.get("/admin/users/s%C3%B8ren?done=created").want(200).wantText("can sign in now")
}

func TestEditForm(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	bob := w.account(chat.NewUser{Username: "bob", DisplayName: "Bob", Email: "bob@example.org"})
	for _, s := range shapes[:2] {
		refused := ada.post("/admin/users/bob", s.ask, form("display_name", "Robert", "email", "nowhere", "password", "short", "is_admin", "true")).want(422)
		checkField(t, refused, "display_name", "Robert", false)
		checkField(t, refused, "email", "nowhere", true)
		checkField(t, refused, "password", "", true)
		refused.wantNoText("short")
	}
	ada.post("/admin/users/bob", asJSON, object(fields{"email": "ada"})).wantFields(422, "email")
	if after, err := w.store.UserByName(t.Context(), "bob"); err != nil || after != bob {
		t.Errorf("bob is now %+v, %v", after, err)
	}
	for _, send := range []option{object(fields{"email": ""}), form("email", "")} { // what isn't sent stays, in either form
		ada.post("/admin/users/bob", asJSON, object(fields{"display_name": "Bobby", "is_admin": true, "email": "bob@example.org"})).want(200)
		ada.post("/admin/users/bob", asJSON, send).want(200).wantText(`"display_name":"Bobby","photo":null,"email":null,"is_admin":true`)
	}
	ada.post("/admin/users/nobody", asJSON, object(fields{})).wantProblem(404)
}

// The whole of the forms works in a browser that runs no script: it sends just what the page's fields hold.
func TestEditFormUnchangedChangesNothing(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	before, err := w.store.Account(t.Context(), chat.Actor{User: ada.user}, "ada")
	if err != nil {
		t.Fatal(err)
	}
	ada.post("/admin/users/ada", asPage, submitted(ada.get("/admin/users/ada").doc().Find("form[action='/admin/users/ada']"))).want(303)
	after, err := w.store.Account(t.Context(), chat.Actor{User: ada.user}, "ada")
	if err != nil || after != before || w.count("audit_events") != 0 {
		t.Errorf("%+v became %+v, %v, with %d events", before, after, err, w.count("audit_events"))
	}
}

// A box without its tick is silent, yet it must say no.
func TestUntickedBoxDemotes(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	w.admin("eve")
	form := ada.get("/admin/users/eve").doc().Find("form[action='/admin/users/eve']")
	form.Find("[type=checkbox]").RemoveAttr("checked")
	ada.post("/admin/users/eve", asPage, submitted(form)).want(303)
	if eve, err := w.store.UserByName(t.Context(), "eve"); err != nil || eve.IsAdmin {
		t.Errorf("eve is %+v, %v", eve, err)
	}
}

// submitted is a form as a browser sends it.
func submitted(f *goquery.Selection) option {
	var pairs []string
	f.Find("input[name]").Each(func(_ int, field *goquery.Selection) {
		if field.AttrOr("type", "") != "checkbox" || field.Is("[checked]") {
			pairs = append(pairs, field.AttrOr("name", ""), field.AttrOr("value", ""))
		}
	})
	return form(pairs...)
}

func TestAccountJSONExactly(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	w.account(chat.NewUser{Username: "bob", Email: "bob@example.org"})
	if _, err := w.db.Exec("UPDATE users SET created_at = '2026-01-02 03:04:05.000006', disabled_at = '2026-02-02', last_seen_at = '2026-01-03', email_confirmed_at = '2026-01-04'"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.Exec("UPDATE users SET disabled_at = NULL WHERE username = 'ada'"); err != nil {
		t.Fatal(err)
	}
	facts := `"username":"bob","display_name":"bob","photo":null,"email":"bob@example.org","is_admin":false,"created_at":"2026-01-02T03:04:05.000006Z",` +
		`"last_seen_at":"2026-01-03T00:00:00.000000Z","disabled_at":"2026-02-02T00:00:00.000000Z","email_confirmed_at":"2026-01-04T00:00:00.000000Z"`
	ada.get("/admin/users/bob", asJSON).want(200).wantJSON(`{` + facts + `,"open_sessions":0}`)
	ada.get("/admin/users?q=bob", asJSON).want(200).wantJSON(`{"results":[{` + facts + `}],"next":null}`)
	ada.get("/admin/users?limit=1&q=", asJSON).want(200).wantText(`"next":"/admin/users?after=YWRh\u0026limit=1"`)
	row := ada.get("/admin/users").want(200).doc().Find("tbody tr").Eq(1).Text()
	for _, text := range []string{"bob@example.org", "Disabled", "3 January 2026"} {
		if !strings.Contains(row, text) {
			t.Errorf("%q isn't in the row %q", text, row)
		}
	}
}

// Nothing but the deliberate step shows a text, and that one is written down.
func TestTextsAreShownOnlyWhenOpened(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.admin("ada"), w.person("bob")
	w.crowd("carol")
	m := bob.send("carol", "geheim 123 wörter")
	at := "/admin/messages/" + m.ID.String()
	for _, s := range shapes {
		for _, path := range []string{"/admin/messages", "/admin/messages?q=wörter", "/admin/messages?user=carol", "/admin/messages?q=" + m.ID.String(), at} {
			ada.get(strings.ReplaceAll(path, "ö", "%C3%B6"), s.ask).want(200).wantText(m.ID.String(), "17").wantNoText("geheim")
		}
		ada.get(at+"/body", s.ask).want(405).wantNoText("geheim")
	}
	if n := w.count("audit_events"); n != 0 {
		t.Errorf("%d events before anything was opened", n)
	}
	for i, s := range shapes {
		ada.post(at+"/body", s.ask, form()).want(200).wantText("geheim 123 wörter")
		if n := w.count("audit_events"); n != i+1 {
			t.Errorf("%d events after the text was opened %d times", n, i+1)
		}
	}
	ada.get("/admin/messages/1-99").want(404)
	ada.get("/admin/messages/x").want(404)
	ada.post("/admin/messages/1-99/body", form()).want(404)
	ada.post("/admin/messages/x/body", form()).want(404)
	if form := ada.get(at).doc().Find("form[method=post]").FilterFunction(func(_ int, f *goquery.Selection) bool { return f.AttrOr("action", "") == at+"/body" }); form.Find("button").Length() != 1 {
		t.Error("the page has no form that opens the text")
	}
}

func TestAdminMessageJSONExactly(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	m := ada.send("ada", "hi 😀")
	if _, err := w.db.Exec("UPDATE messages SET created_at = '2026-01-02 03:04:05.000006'"); err != nil {
		t.Fatal(err)
	}
	id := m.ID.String()
	facts := `"id":"` + id + `","user":"ada","recipient":"ada","timestamp":"2026-01-02T03:04:05.000006Z","characters":4,"edited_at":null,"deleted_at":null`
	one := string(ada.get("/admin/messages/"+id, asJSON).want(200).body) // its trace has times of its own
	if want := `{` + facts + `,"trace":{"steps":[{"step":"committed","timestamp":"`; !strings.HasPrefix(one, want) || !strings.HasSuffix(one, `],"silent_nodes":0}}`) {
		t.Errorf("the message is %s, and is to begin with %s", one, want)
	}
	ada.get("/admin/messages", asJSON).want(200).wantJSON(`{"results":[{` + facts + `}],"next":null,"searched_to":null}`)
	ada.post("/admin/messages/"+id+"/body", asJSON).want(200).wantJSON(`{` + facts + `,"body":"hi 😀"}`)
	w.exec("UPDATE audit_events SET id = 1, created_at = '2026-01-02 03:04:05.000006', ip = '192.0.2.1'")
	ada.get("/admin/audit", asJSON).want(200).wantJSON(`{"results":[{"id":"1","timestamp":"2026-01-02T03:04:05.000006Z","actor":"ada",` +
		`"action":"message.open_body","subject":"ada","message":"` + id + `","detail":"","ip":"192.0.2.1"}],"next":null}`)
}

func TestMessageSearchForm(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	ada.send("ada", "a note")
	for _, s := range shapes[:2] {
		refused := ada.get("/admin/messages?q=no%22te&user=nobody&from=2026-11-01&to=", s.ask).want(422)
		checkField(t, refused, "q", `no"te`, false)
		checkField(t, refused, "user", "nobody", true)
		checkField(t, refused, "from", "2026-11-01", false)
		refused = ada.get("/admin/messages?user=ada&from=2026-02-30&to=yesterday", s.ask).want(422)
		checkField(t, refused, "user", "ada", false)
		checkField(t, refused, "from", "2026-02-30", true)
		checkField(t, refused, "to", "yesterday", true)
		if refused.doc().Find("input[name=from]").AttrOr("type", "") == "date" {
			t.Error("a date field shows nothing that isn't a date")
		}
	}
	ada.get("/admin/messages?from=x&to=0000-01-01", asJSON).wantFields(422, "from", "to")
	ada.get("/admin/messages?from=9999-01-01", asJSON).wantFields(422, "from")
	ada.get("/admin/messages?from=2026-11-02&to=2026-11-01", asJSON).wantFields(422, "to")
	ada.get("/admin/messages?user=nobody", asJSON).wantFields(422, "user")
	ada.get("/admin/messages?after=x", asJSON).wantFields(400, "after")
	ada.get("/admin/messages?limit=x", asJSON).wantFields(400, "limit")
	if text := ada.get("/admin/messages?q=elsewhere").want(200).doc().Find("#main .blank").Text(); !strings.Contains(text, "No message fits") {
		t.Errorf("an empty result says %q", text)
	}
}

// A day is the viewer's own.
func TestMessageDaysAreTheViewers(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	ada.send("ada", "a note")
	if _, err := w.db.Exec("UPDATE messages SET created_at = '2026-03-01 23:30:00'"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		zone, query string
		found       bool
	}{
		{"UTC", "from=2026-03-01&to=2026-03-01", true}, {"UTC", "from=2026-03-02", false}, {"UTC", "to=2026-02-28", false},
		{"Asia%2FTokyo", "from=2026-03-02&to=2026-03-02", true}, {"Asia%2FTokyo", "to=2026-03-01", false},
	} {
		zone := strings.ReplaceAll(c.zone, "%2F", "/")
		r := ada.get("/admin/messages?"+c.query, asJSON, func(r *http.Request) { r.Header.Set("Cookie", ada.cookie()+"; zone="+zone) }).want(200)
		if found := strings.Contains(string(r.body), `"id"`); found != c.found {
			t.Errorf("%s in %s: found is %t", c.query, zone, found)
		}
	}
}

func TestMessageListIsWalked(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	for range 5 {
		ada.send("ada", "a note")
	}
	seen := map[string]bool{}
	next, pages := "/admin/messages?q=note&user=ada&from=2020-01-01&limit=2", 0
	for ; next != ""; pages++ {
		doc := ada.get(next).want(200).doc()
		doc.Find("tbody tr th").Each(func(_ int, id *goquery.Selection) { seen[id.Text()] = true })
		checkFilterStays(t, doc)
		next = doc.Find("#main .more a").AttrOr("href", "")
	}
	if len(seen) != 5 || pages != 3 {
		t.Errorf("%d messages on %d pages", len(seen), pages)
	}
}

func checkFilterStays(t *testing.T, doc *goquery.Document) {
	t.Helper()
	for name, value := range map[string]string{"q": "note", "user": "ada", "from": "2020-01-01", "to": ""} {
		if got := doc.Find("#main input[name="+name+"]").AttrOr("value", "missing"); got != value {
			t.Errorf("the field %s holds %q", name, got)
		}
	}
}

func TestSearchForAnIDOffersTheText(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	ada.send("ada", "it ended 77-42")
	page := ada.get("/admin/messages?q=77-42").want(200).doc()
	instead := page.Find("#main .hint a").FilterFunction(func(_ int, a *goquery.Selection) bool { return strings.Contains(a.Text(), "texts") })
	if rows := page.Find("tbody tr").Length(); rows != 0 || instead.Length() != 1 {
		t.Fatalf("%d rows, and the way to the text is there %d times", rows, instead.Length())
	}
	if rows := ada.get(instead.AttrOr("href", "")).want(200).doc().Find("tbody tr").Length(); rows != 1 {
		t.Errorf("the text is found %d times", rows)
	}
}

// Whatever people call themselves or write, on the admin pages it is text.
func namesAndTextsAreInertToAdmins(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	evil := `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	mallory := w.signIn(w.account(chat.NewUser{Username: "mallory", DisplayName: evil}))
	m := mallory.send("ada", evil+`<form action=/logout hx-post="/logout" hx-trigger=load>`)
	opened := ada.post("/admin/messages/"+m.ID.String()+"/body", asPage, form()).want(200)
	if opened.doc().Find(".body").Text() != m.Body || !opened.doc().Find(".body").Is("[hx-ignore]") {
		t.Errorf("the text isn't shown as it is: %s", opened.doc().Find(".body").Text())
	}
	checkAdminInert(t, opened)
	for _, path := range []string{"/admin/users", "/admin/users?q=" + "%22%3E%3Cscript%3Ealert(1)", "/admin/users/mallory", "/admin/messages", "/admin/messages/" + m.ID.String(), "/admin/messages?q=%22%3E%3Cscript%3E&user=%22%3E%3Cscript%3E&from=%22%3E%3Cscript%3E", "/admin/audit"} {
		checkAdminInert(t, ada.get(path))
	}
}

func checkAdminInert(t *testing.T, r *reply) {
	t.Helper()
	doc := r.doc()
	if n := doc.Find("script:not([src]), img, b:not(.unread), [onerror], [hx-trigger=load]").Length(); n > 0 {
		t.Errorf("%s: %d elements come from what people wrote: %s", r.what, n, r.body)
	}
}

func TestAuditLogPage(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.admin("ada"), w.person("bob")
	if text := ada.get("/admin/audit").want(200).doc().Find("#main .blank").Text(); text == "" {
		t.Error("an empty log says nothing")
	}
	m := bob.send("ada", "hello")
	ada.post("/admin/users/bob", asJSON, object(fields{"is_admin": true, "display_name": "B", "password": password})).want(200)
	ada.post("/admin/users/bob/disable", asJSON).want(200)
	ada.post("/admin/users/bob/enable", asJSON).want(200)
	ada.post("/admin/users/bob/end-sessions", asJSON).want(200)
	ada.post("/admin/messages/"+m.ID.String()+"/body", asJSON).want(200)
	doc := ada.get("/admin/audit").want(200).doc()
	var said []string
	doc.Find("tbody tr td:nth-child(2)").Each(func(_ int, td *goquery.Selection) { said = append(said, strings.Join(strings.Fields(td.Text()), " ")) })
	want := []string{
		"ada opened the text of message " + m.ID.String() + " by bob", "ada ended all sessions of bob", "ada enabled the account of bob",
		"ada disabled the account of bob", "ada set a new password for bob", "ada made bob an admin", "ada changed the account of bob",
	}
	if strings.Join(said, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log says\n%s", strings.Join(said, "\n"))
	}
	if doc.Find("tbody a[href='/admin/messages/"+m.ID.String()+"']").Length() != 1 || doc.Find("tbody tr").First().Find("td").Last().Text() != "0.0.0.0" {
		t.Errorf("the first line is %s", doc.Find("tbody tr").First().Text())
	}
}

func TestAuditLogIsWalked(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	for range 3 {
		ada.post("/admin/users/ada", asJSON, object(fields{"display_name": time.Now().String()[:30]})).want(200)
	}
	lines, next := 0, "/admin/audit?limit=2"
	for next != "" {
		doc := ada.get(next).want(200).doc()
		lines += doc.Find("tbody tr").Length()
		next = doc.Find("#main .more a").AttrOr("href", "")
	}
	if lines != 3 {
		t.Errorf("%d lines", lines)
	}
}

func TestAdminTabs(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	for path, tab := range map[string]string{
		"/admin/users": "/admin/users", "/admin/new-user": "/admin/users", "/admin/users/ada": "/admin/users",
		"/admin/messages": "/admin/messages", "/admin/audit": "/admin/audit",
	} {
		doc := ada.get(path).want(200).doc()
		if current := doc.Find("#main nav [aria-current=page]"); current.Length() != 1 || current.AttrOr("href", "") != tab {
			t.Errorf("%s: the tab is %q", path, current.AttrOr("href", ""))
		}
		if doc.Find("#main h1").Length() != 1 {
			t.Errorf("%s has %d headings of the first level", path, doc.Find("h1").Length())
		}
	}
}

// Admins find no form there that the rules would refuse: how they themselves sign in takes their password.
func TestAdminsSeeNoWayToSignThemselvesInAnew(t *testing.T) {
	w := newWorld(t)
	root := w.admin("root")
	w.person("bob")
	for name, there := range map[string]int{"bob": 1, "root": 0} {
		doc := root.get("/admin/users/"+name, asPage).want(200).doc()
		for _, what := range []string{"#password", "#email", "form[action$='/reset-link']", "form[action$='/reset-factors']"} {
			if n := doc.Find(what).Length(); n != there {
				t.Errorf("the page of %s has %d of %s", name, n, what)
			}
		}
	}
}
