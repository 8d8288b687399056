package handlers

import (
	"context"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"parley/db/chat"
	"parley/handlers/hub"
)

// devices are those of a person, as a program is told of them.
func (v *visitor) devices() (found []deviceBody) {
	v.t.Helper()
	var list listBody[deviceBody]
	v.get("/account/devices", asJSON).want(200).into(&list)
	return list.Results
}

func (v *visitor) device() deviceBody {
	v.t.Helper()
	for _, d := range v.devices() {
		if d.Current {
			return d
		}
	}
	v.t.Fatal("no device is this one")
	return deviceBody{}
}

func TestDevices(t *testing.T) {
	w := newWorld(t)
	w.account(chat.NewUser{Username: "alice"})
	agent := "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	signIn := func(agent string) *visitor {
		return w.asCookie(w.nobody().post("/login", asPage, credentials("alice", password), header("User-Agent", agent)).want(303).sessionCookie().Value)
	}
	desk, program, bob := signIn(agent), signIn("<b>odd one</b>"), w.person("bob")
	list := desk.devices()
	if len(list) != 2 || list[0].Current || !list[1].Current || list[1].Browser != "Firefox 145" || list[1].System != "Linux" || list[1].UserAgent != agent || list[1].IP == "" || list[0].UserAgent != "<b>odd one</b>" {
		t.Errorf("they are %+v", list)
	}
	doc := desk.get("/account/devices", asPage).want(200).wantText("Firefox 145 on Linux", "&lt;b&gt;odd one&lt;/b&gt;").doc()
	if n := doc.Find(".devices li").Length(); n != 2 || doc.Find(".devices li:has(.tag) form").Length() != 0 || doc.Find(".devices form").Length() != 1 {
		t.Errorf("the page has %d sessions", n)
	}
	action := doc.Find(".devices form").AttrOr("action", "")
	if action != "/account/devices/"+list[0].ID+"/end" {
		t.Errorf("the button leads to %q", action)
	}
	bob.post(action, asPage, form()).want(404)
	w.nobody().post(action, asPage, form()).want(303)
	if !program.signedIn() {
		t.Fatal("somebody else ended it")
	}
	desk.post(action, asPage, form()).want(303).wantHeader("Location", "/account/devices?done=one")
	if program.signedIn() || !desk.signedIn() {
		t.Error("the wrong session has ended")
	}
	desk.post(action, asJSON, form()).wantProblem(404)
	desk.get("/account/devices?done=one", asPage).want(200).wantText("That session has ended.", "nowhere else")
	bob.get("/account/devices", asPage).want(200).wantNoText(list[1].ID)
}

// Neither a session's token nor its hash is what it is called.
func TestDeviceNamesGiveNothingAway(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	phone := w.signIn(alice.user)
	session, err := w.store.SessionByToken(t.Context(), phone.token)
	if err != nil {
		t.Fatal(err)
	}
	hash := hex.EncodeToString(session.Hash)
	for _, s := range shapes {
		alice.get("/account/devices", s.ask).want(200).wantNoText(hash, hash[:32], hash[32:], phone.token, alice.token)
	}
	for _, id := range []string{hash, hash[:32], phone.token, "0", "%00"} {
		alice.post("/account/devices/"+id+"/end", asJSON, form()).wantProblem(404)
	}
	if !phone.signedIn() {
		t.Error("the session was ended by another name")
	}
}

func TestEndingASessionClosesItsWindows(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	desk := w.person("alice")
	phone, tablet := w.signIn(desk.user), w.signIn(desk.user)
	deskWindow, phoneWindow, tabletWindow := desk.open(addr), phone.open(addr), tablet.open(addr)
	w.awaitWindows(3)
	start := time.Now()
	desk.post("/account/devices/"+phone.device().ID+"/end", asJSON, form()).want(http.StatusNoContent)
	if code := phoneWindow.closeCode(); code != hub.CloseRevoked {
		t.Errorf("closed with %d", code)
	}
	desk.post("/account/devices/end-others", asJSON, form()).want(http.StatusNoContent)
	if code := tabletWindow.closeCode(); code != hub.CloseRevoked {
		t.Errorf("closed with %d", code)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
	deskWindow.want(desk.canary())
	if len(desk.devices()) != 1 || tablet.signedIn() {
		t.Error("the others go on")
	}
	desk.post("/account/devices/"+desk.device().ID+"/end", asPage, form()).want(303)
	if code := deskWindow.closeCode(); code != hub.CloseRevoked || desk.signedIn() {
		t.Errorf("one's own: closed with %d", code)
	}
}

func TestDevicesArePaged(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for range 6 {
		w.signIn(alice.user)
	}
	seen := map[string]bool{}
	pages := 0
	for path := "/account/devices?limit=3"; path != ""; pages++ {
		doc := alice.get(path, asPage).want(200).doc()
		doc.Find(".devices h2").Each(func(_ int, h *goquery.Selection) { seen[h.AttrOr("id", "")] = true })
		path = doc.Find(".more a").AttrOr("href", "")
	}
	if len(seen) != 7 || pages != 3 {
		t.Errorf("%d pages have %d sessions", pages, len(seen))
	}
	alice.get("/account/devices?limit=x", asJSON).wantFields(400, "limit")
	alice.get("/account/devices?after=!", asJSON).wantFields(400, "after")
}

// A window of a session that runs out is closed, though nobody asks for anything: within two rounds of pings.
func TestWindowOfAnExpiredSessionIsClosed(t *testing.T) {
	if every := 2 * pingEvery; every > time.Minute {
		t.Errorf("it may take %s", every)
	}
	usual := pingEvery
	t.Cleanup(func() { pingEvery = usual })
	pingEvery = 20 * time.Millisecond
	w := newWorld(t, func(_ *Config, o *chat.Options) { o.SessionLifetime, o.SessionAtMost = time.Hour, 90*time.Minute })
	addr := w.listen()
	idle, used := w.person("alice"), w.person("bob")
	idleWindow, usedWindow := idle.open(addr), used.open(addr)
	w.awaitWindows(2)
	w.clock.advance(40 * time.Minute)
	used.get("/users").want(200)
	w.clock.advance(30 * time.Minute)
	if code := idleWindow.closeCode(); code != hub.CloseRevoked {
		t.Errorf("unused for too long: closed with %d", code)
	}
	usedWindow.want(used.canary())
	used.get("/users").want(200)
	w.clock.advance(21 * time.Minute)
	if code := usedWindow.closeCode(); code != hub.CloseRevoked {
		t.Errorf("older than any may be: closed with %d", code)
	}
	w.awaitWindows(0)
}

// Whoever has to sign in again is told why, in words that nobody else can choose.
func TestSigningInAgainSaysWhy(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	if err := w.store.EndOtherSessions(context.Background(), chat.Actor{User: alice.user}, chat.Session{}); err != nil {
		t.Fatal(err)
	}
	to := alice.get("/conversations/bob?before=7-42", asPage).want(303).header.Get("Location")
	doc := alice.get(to, asPage).want(200).wantText("You were signed out").doc()
	if next := doc.Find("input[name=next]").AttrOr("value", ""); next != "/conversations/bob?before=7-42" {
		t.Errorf("signing in leads to %q", next)
	}
	alice.get("/conversations", asFragment, header("HX-Current-URL", "http://parley.example/conversations/bob?x=1")).want(401).
		wantHeader("HX-Redirect", "/login?next=%2Fconversations%2Fbob%3Fx%3D1&why=ended")
	w.nobody().get("/conversations", asPage).want(303).wantHeader("Location", "/login?next=%2Fconversations")
	for _, why := range []string{"", "Your+account+is+blocked", "ENDED", "<b>"} {
		w.nobody().get("/login?why="+why, asPage).want(200).wantNoText("You were signed out", "blocked", "<b>")
	}
}
