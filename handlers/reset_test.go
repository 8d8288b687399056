package handlers

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/db/chat"
	"parley/views"
)

// sendsMail makes a world whose mail goes out.
func sendsMail(c *Config, _ *chat.Options) { c.SendsMail, c.LinkBase = true, "https://chat.example" }

// postbox is a Mailer that keeps what it is given.
type postbox struct {
	mu  sync.Mutex
	got []chat.Mail
	err error
}

func (p *postbox) Send(_ context.Context, m chat.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, m)
	return p.err
}

// deliver sends what is due and gives it.
func (w *world) deliver() []chat.Mail {
	w.t.Helper()
	box := &postbox{}
	w.deliverTo(box)
	return box.got
}

func (w *world) deliverTo(box *postbox) {
	w.t.Helper()
	for {
		_, found, err := w.store.DeliverMail(context.Background(), box)
		if err != nil {
			w.t.Fatal(err)
		}
		if !found {
			return
		}
	}
}

// forgotten has alice ask for a link and gives the path that it leads to.
func (w *world) forgotten() string {
	w.t.Helper()
	w.nobody().post("/password/forgot", asJSON, form("email", "alice@example.org")).want(202)
	got := w.deliver()
	if len(got) != 1 {
		w.t.Fatalf("the mails are %+v", got)
	}
	return views.ResetPath + got[0].Token
}

func (w *world) withEmail(username string) *visitor {
	w.t.Helper()
	return w.signIn(w.account(chat.NewUser{Username: username, Email: username + "@example.org"}))
}

func TestForgotten(t *testing.T) {
	w := newWorld(t, sendsMail)
	alice := w.withEmail("alice")
	window := alice.open(w.listen())
	window.want(alice.canary())
	w.nobody().get("/login", asPage).want(200).wantText(`href="/password/forgot"`)
	if n := w.nobody().get("/password/forgot", asPage).want(200).doc().Find(`form[action="/password/forgot"] input[name=email]`).Length(); n != 1 {
		t.Errorf("the form has %d fields for an address", n)
	}
	w.nobody().get("/password/forgot", asJSON).want(200).wantJSON(`{"mail":true,"fields":["email"]}`)
	for _, s := range shapes { // whether or not it is anybody's: attack_names_test.go
		w.nobody().post("/password/forgot", s.ask, form("email", "alice@example.org")).want(map[shape]int{page: 303, fragment: 303, program: 202}[s.shape])
	}
	w.nobody().get("/password/forgot?done=asked", asPage).want(200).wantText("a mail with a link is on its way")
	w.nobody().post("/password/forgot", asJSON, form("email", "nobody")).wantFields(422, "email")
	typed := w.nobody().post("/password/forgot", asPage, form("email", `no"body`)).want(422)
	if value := typed.doc().Find("input[name=email]").AttrOr("value", ""); value != `no"body` {
		t.Errorf("what was typed is lost: %q", value)
	}
	got := w.deliver()
	if len(got) != 1 {
		t.Fatalf("the mails are %+v", got)
	}
	link := views.ResetPath + got[0].Token
	for range 2 {
		w.nobody().get(link, asJSON).want(200).wantJSON(`{"user":"alice","fields":["password"]}`)
		shown := w.nobody().get(link, asPage).want(200).wantHeader("Referrer-Policy", "strict-origin").wantHeader("Cache-Control", "no-store")
		if action := shown.doc().Find("form.card").AttrOr("action", ""); action != link {
			t.Errorf("the form goes to %q", action)
		}
	}
	w.nobody().post(link, asPage, form("password", "short")).want(422).wantText("8 to 128 characters").wantNoText(`value="short"`)
	w.nobody().post(link, asJSON, form("password", "short")).wantFields(422, "password")
	r := w.nobody().post(link, asPage, form("password", "a new password")).want(303).wantHeader("Location", "/password/changed")
	if len(r.cookies) > 0 {
		t.Errorf("it signs in: %v", r.cookies)
	}
	if code := window.closeCode(); code != 1008 {
		t.Errorf("the window closes with %d", code)
	}
	if alice.signedIn() {
		t.Error("a session is left")
	}
	w.nobody().get("/password/changed", asPage).want(200).wantText("Sign in")
	w.nobody().post("/login", asJSON, credentials("alice", "a new password")).want(200)
	w.nobody().post("/login", asJSON, credentials("alice", password)).want(401)
	w.nobody().get(link, asPage).want(404).wantText("This link has ended", `href="/password/forgot"`) // more in attack_test.go
}

func TestResetAsAProgram(t *testing.T) {
	w := newWorld(t, sendsMail)
	w.withEmail("alice")
	r := w.nobody().post(w.forgotten(), asJSON, object(fields{"password": "a new password"})).want(204)
	if len(r.body) > 0 {
		t.Errorf("204 with %s", r.body)
	}
	w.nobody().post("/login", asJSON, credentials("alice", "a new password")).want(200)
}

func TestForgottenWithoutMail(t *testing.T) {
	w := newWorld(t)
	w.withEmail("alice")
	w.nobody().get("/password/forgot", asPage).want(200).wantText("Ask an admin").wantNoText("<input")
	w.nobody().get("/password/forgot?done=asked", asPage).want(200).wantNoText("on its way")
	w.nobody().get("/password/forgot", asJSON).want(200).wantJSON(`{"mail":false,"fields":[]}`)
	w.nobody().post("/password/forgot", asPage, form("email", "alice@example.org")).want(422).wantText("Ask an admin")
	if n := w.count("mails"); n != 0 {
		t.Errorf("%d mails wait", n)
	}
}

// forwardedHosts are where frameworks and proxies say that a request was sent elsewhere.
var forwardedHosts = []string{"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-Host", "X-Host", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-HTTP-Host-Override", "X-Original-URL", "X-Rewrite-URL"}

// Links lead to the address that was set, whatever a request says that it is sent to.
func linksDoNotComeFromTheRequest(t *testing.T, names ...string) {
	w := newWorld(t, sendsMail, func(c *Config, o *chat.Options) { c.TrustedProxies = prefixes("0.0.0.0/0") }) // not even of a trusted proxy
	root := w.admin("root")
	w.withEmail("alice")
	poison := func(r *http.Request) {
		for _, name := range names {
			r.Header.Set(name, map[string]string{"X-Forwarded-Proto": "evil", "Forwarded": "host=evil.example;proto=evil", "X-Forwarded-Prefix": "/evil"}[name])
			if r.Header.Get(name) == "" {
				r.Header.Set(name, "evil.example")
			}
			if name == "Host" {
				r.Host = "evil.example"
			}
		}
	}
	w.nobody().post("/password/forgot", asPage, poison, form("email", "alice@example.org")).want(303).wantHeader("Location", "/password/forgot?done=asked")
	got := w.deliver()
	if len(got) != 1 {
		t.Fatalf("the mails are %+v", got)
	}
	if l, _ := views.LetterOf(got[0], w.server.LinkBase); l.Link != "https://chat.example/password/reset/"+got[0].Token || strings.Contains(l.Text(), "evil") {
		t.Errorf("the letter is %+v", l)
	}
	made := root.post("/admin/users/alice/reset-link", asJSON, poison, form()).want(201)
	made.wantText(`"url":"https://chat.example/password/reset/`).wantNoText("evil")
}

func TestAdminMakesAResetLink(t *testing.T) {
	w := newWorld(t, sendsMail)
	root := w.admin("root")
	w.person("bob")
	root.get("/admin/users/bob", asPage).want(200).wantText(`action="/admin/users/bob/reset-link"`)
	var made resetLinkBody
	root.post("/admin/users/bob/reset-link", asJSON, form()).want(201).into(&made)
	link, found := strings.CutPrefix(made.URL, "https://chat.example")
	if !found || made.User != "bob" || time.Until(time.Time(made.ExpiresAt)) < 50*time.Minute {
		t.Fatalf("%+v", made)
	}
	shown := root.post("/admin/users/bob/reset-link", asPage, form()).want(201).wantHeader("Cache-Control", "no-store").doc().Find("#reset-link").AttrOr("value", "")
	newer, _ := strings.CutPrefix(shown, "https://chat.example")
	w.nobody().get(link, asPage).want(404)
	w.nobody().post(newer, asPage, form("password", "a new password")).want(303)
	w.nobody().post("/login", asJSON, credentials("bob", "a new password")).want(200)
	root.get("/admin/audit", asPage).want(200).wantText("made a link to choose a new password by", "chose a new password by a link")
	w.disable("bob")
	root.post("/admin/users/bob/reset-link", asJSON, form()).wantProblem(422)
	root.post("/admin/users/bob/reset-link", asPage, form()).want(422).wantText("Enable it first")
}

// A path that is a secret is written down nowhere.
func TestLogHoldsNoLinks(t *testing.T) {
	w := newWorld(t, sendsMail)
	w.withEmail("alice")
	link := w.forgotten()
	token := strings.TrimPrefix(link, views.ResetPath)
	for _, path := range []string{link, link + "/", link + "?x=" + token, "/" + link, link + "/x", views.ConfirmPath + token, "/x" + views.ConfirmPath + token} {
		for _, s := range shapes {
			w.nobody().get(path, s.ask)
			w.nobody().post(path, s.ask, form("password", "short"))
			w.nobody().do("DELETE", path, s.ask)
		}
	}
	w.nobody().get(link, asPage, header("Referer", "https://chat.example"+link), header("HX-Current-URL", "https://chat.example"+link)).want(200)
	log := w.log.String()
	if i := strings.Index(log, token); i >= 0 {
		t.Errorf("the log holds it: …%s…", log[max(0, i-200):i+50])
	}
	if !strings.Contains(log, `"path":"/password/reset/…"`) {
		t.Errorf("the log doesn't even hold the requests")
	}
	w.db.Close()
	w.nobody().get(link, asPage).want(500).wantHeader("Referrer-Policy", "strict-origin")
	if strings.Contains(w.log.String(), token) {
		t.Error("with the database away, the log holds it")
	}
}
