package handlers

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"parley/db/chat"
)

func TestOwnProfile(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.post("/account/profile", asPage, form("display_name", "Alice A", "about", " Here  since <1999> ", "time_zone", "Asia/Tokyo")).
		want(303).wantHeader("Location", "/account/profile?done=saved")
	alice.get("/account/profile", asJSON).want(200).wantJSON(
		`{"username":"alice","display_name":"Alice A","photo":null,"email":null,"is_admin":false,"about":"Here since \u003c1999\u003e","time_zone":"Asia/Tokyo"}`)
	bob.get("/users/alice", asJSON).want(200).wantJSON(`{"username":"alice","display_name":"Alice A","photo":null,"about":"Here since \u003c1999\u003e","blocked":false}`)
	about := bob.get("/users/alice", asPage).want(200).doc().Find("p.about")
	if about.Text() != "Here since <1999>" || about.AttrOr("dir", "") != "auto" {
		t.Errorf("the page says %q", about.Text())
	}
	doc := alice.get("/account/profile?done=saved", asPage).want(200).doc()
	if doc.Find("select[name=time_zone] option[selected]").AttrOr("value", "") != "Asia/Tokyo" || doc.Find("select option").Length() < 400 || doc.Find(".done").Length() != 1 {
		t.Error("the form doesn't show what is set")
	}
	r := alice.post("/account/profile", asPage, form("display_name", "", "about", "turned \u202e around", "time_zone", "Mars/Olympus")).want(422)
	doc = r.doc()
	if doc.Find("input[name=about]").AttrOr("value", "") != "turned \u202e around" || doc.Find("#about-error").Length() != 1 || doc.Find("#time_zone-error").Length() != 1 || doc.Find("[name=time_zone] [selected]").AttrOr("value", "") != "Mars/Olympus" {
		t.Error("the refused form loses what was typed, or doesn't say what is wrong")
	}
	alice.post("/account/profile", asJSON, object(fields{"about": strings.Repeat("x", 161), "time_zone": "no"})).wantFields(422, "about", "time_zone")
}

// The zone that somebody has set goes before the browser's, on each of their pages, and on nobody else's.
func TestOwnTimeZone(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	m := alice.send("bob", "hi")
	berlin := func(v *visitor) option { return header("Cookie", v.cookie()+"; zone=Europe/Berlin") }
	clock := func(v *visitor) string {
		return v.get("/conversations/"+map[string]string{"alice": "bob", "bob": "alice"}[v.user.Username], asPage, berlin(v)).want(200).doc().Find(".message time").Text()
	}
	in := func(name string) string { return m.SentAt.In(chat.Zone(name)).Format("15:04") }
	if got := clock(alice); got != in("Europe/Berlin") {
		t.Errorf("before: %s, want %s", got, in("Europe/Berlin"))
	}
	alice.post("/account/profile", asJSON, object(fields{"time_zone": "Asia/Kathmandu"})).want(200)
	if got := clock(alice); got != in("Asia/Kathmandu") {
		t.Errorf("then: %s, want %s", got, in("Asia/Kathmandu"))
	}
	if got := clock(bob); got != in("Europe/Berlin") {
		t.Errorf("bob's: %s", got)
	}
	alice.post("/account/profile", asJSON, object(fields{"time_zone": ""})).want(200)
	if got := clock(alice); got != in("Europe/Berlin") {
		t.Errorf("at last: %s", got)
	}
}

// unzipped reads the files of an export.
func unzipped(t *testing.T, r *reply) map[string]string {
	t.Helper()
	r.want(200).wantHeader("Content-Type", "application/zip").wantHeader("Cache-Control", "no-store").wantHeader("Content-Encoding", "")
	if at := r.header.Get("Content-Disposition"); !strings.HasPrefix(at, `attachment; filename="parley-20`) {
		t.Errorf("it is saved as %s", at)
	}
	z, err := zip.NewReader(bytes.NewReader(r.body), int64(len(r.body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(content) // checks the sum too
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

// exportedData is data.json.
type exportedData struct {
	ExportedAt    string            `json:"exported_at"`
	Profile       map[string]any    `json:"profile"`
	Sessions      []exportedSession `json:"sessions"`
	Blocks        []blockBody       `json:"blocks"`
	Reports       []map[string]any  `json:"reports"`
	Invitations   []invitationBody  `json:"invitations"`
	Tokens        []tokenBody       `json:"tokens"`
	Factors       factorsBody       `json:"second_factors"`
	AuditEvents   []map[string]any  `json:"audit_events"`
	Conversations []struct {
		With     userBody         `json:"with"`
		Messages []map[string]any `json:"messages"`
	} `json:"conversations"`
}

// What is exported is what the pages show, and nothing of anybody else's.
func TestExportEqualsThePages(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	alice.post("/account/photo", asJSON, upload("photo", imageFile(t, true))).want(200)
	alice.post("/account/profile", asJSON, object(fields{"about": "me <i>", "time_zone": "Asia/Tokyo"})).want(200)
	for i := range 130 {
		alice.send("bob", fmt.Sprintf("<b>%d</b> & </article><script>alert(1)</script> مرحبا\ntwo", i))
		bob.send("alice", fmt.Sprint("answer ", i))
	}
	alice.send("alice", "a note")
	hers := bob.send("alice", "answer last")
	w.admin("root").post("/admin/place", asJSON, object(fields{"sign_up": "invitation"})).want(200)
	alice.invitation(fields{"note": "for dora", "uses": 1, "days": 1})
	bob.invitation(fields{"note": "the secret of bob"})
	alice.post("/account/tokens", asJSON, object(fields{"name": "backup", "scope": "read", "days": "30", "current_password": password})).want(201)
	alice.post("/messages/"+hers.ID.String()+"/report", asJSON, object(fields{"reason": "spam", "note": "noted"})).want(201)
	dave := w.person("dave")
	alice.post("/users/dave/block", asPage, form()).want(303)
	about := alice.send("bob", "that bob reports")
	bob.post("/messages/"+about.ID.String()+"/report", asJSON, object(fields{"reason": "spam", "note": "a secret report"})).want(201)
	dave.post("/account/profile", asJSON, object(fields{"about": "daves own"})).want(200)
	bob.send("carol", "the secret of bob and carol")
	carol.post("/account/profile", asJSON, object(fields{"about": "carols own"})).want(200)
	files := unzipped(t, alice.post("/account/export", asPage, form("current_password", password)))
	var data exportedData
	if err := json.Unmarshal([]byte(files["data.json"]), &data); err != nil {
		t.Fatalf("%v in %.300s", err, files["data.json"])
	}
	for name, text := range files {
		for _, secret := range []string{"the secret of", "carol", alice.token, "argon2id", "id_hash", "a secret report", "daves own", "parley_", "<script"} {
			if strings.Contains(text, secret) && !(secret == "<script" && name == "data.json") {
				t.Errorf("%s has %q", name, secret)
			}
		}
	}
	if len(files) != 5 || len(files["photo.png"]) == 0 || data.Profile["about"] != "me <i>" || data.Profile["time_zone"] != "Asia/Tokyo" || len(data.Sessions) != 1 || len(data.Blocks) != 1 || len(data.Reports) != 1 || len(data.Invitations) != 1 || data.Invitations[0].Note != "for dora" || len(data.Tokens) != 1 || len(data.Conversations) != 2 {
		t.Fatalf("%d files with %+v, %d sessions, %d conversations", len(files), data, len(data.Sessions), len(data.Conversations))
	}
	if got, want := actionsOf(data), "[own.set_photo own.edit invitation.create token.create report.create own.export]"; got != want {
		t.Errorf("the events are %s, want %s", got, want)
	}
	for _, c := range data.Conversations {

		alice.get("/conversations/"+c.With.Username+"?limit=100", asJSON).want(200)
		var shown []map[string]any
		for next := "/messages?limit=100&with=" + c.With.Username; next != ""; {
			var raw struct {
				Results []map[string]any `json:"results"`
				Next    *string          `json:"next"`
			}
			r := alice.get(next, asJSON).want(200)
			if err := json.Unmarshal(r.body, &raw); err != nil {
				t.Fatal(err)
			}
			shown = append(raw.Results, shown...)
			for i, j := 0, len(raw.Results)-1; i < j; i, j = i+1, j-1 {
				shown[i], shown[j] = shown[j], shown[i]
			}
			next = ""
			if raw.Next != nil {
				next = *raw.Next
			}
		}
		if got, want := fmt.Sprint(c.Messages), fmt.Sprint(shown); got != want {
			t.Errorf("with %s: %d messages are exported, %d shown, or they differ", c.With.Username, len(c.Messages), len(shown))
		}
		checkExportedPage(t, files, c.With.Username, shown)

	}
}

func actionsOf(data exportedData) string {
	var actions []any
	for _, e := range data.AuditEvents {
		if e["action"] != "session.start" {
			actions = append(actions, e["action"])
		}
	}
	return fmt.Sprint(actions)
}

// checkExportedPage expects the same texts on the page of a conversation, which the first page leads to.
func checkExportedPage(t *testing.T, files map[string]string, username string, shown []map[string]any) {
	t.Helper()
	index, err := goquery.NewDocumentFromReader(strings.NewReader(files["index.html"]))
	if err != nil {
		t.Fatal(err)
	}
	at := index.Find("a[dir=auto]").FilterFunction(func(_ int, s *goquery.Selection) bool {
		return strings.HasPrefix(s.Next().Text(), username+" ·")
	}).AttrOr("href", "")
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(files[at]))
	if err != nil || index.Find(`img[src="photo.png"]`).Length() != 1 {
		t.Fatal("the first page lacks the photo, or a link", err)
	}
	bodies := doc.Find("article p")
	if bodies.Length() != len(shown) {
		t.Fatalf("%s: the page has %d messages, want %d", at, bodies.Length(), len(shown))
	}
	bodies.Each(func(i int, s *goquery.Selection) {
		if s.Text() != shown[i]["body"] {
			t.Errorf("%s: message %d is %q, want %q", at, i, s.Text(), shown[i]["body"])
		}
	})
	doc.Find("a[href], img[src]").Each(func(_ int, s *goquery.Selection) {
		if link := s.AttrOr("href", "") + s.AttrOr("src", ""); strings.Contains(link, ":") || strings.HasPrefix(link, "/") {
			t.Errorf("%s leads to %s", at, link)
		}
	})
}

func TestExportAsksForThePassword(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, given := range []string{"", "wrong"} {
		alice.post("/account/export", asJSON, object(fields{"current_password": given})).wantFields(422, "current_password")
		r := alice.post("/account/export", asPage, form("current_password", given)).want(422)
		if r.doc().Find("#current_password-error").Length() != 1 || r.doc().Find("input[name=current_password]").AttrOr("value", "") != "" {
			t.Error("the page doesn't say what is wrong, or gives the password back")
		}
	}
	if strings.Contains(alice.get("/account/activity", asJSON).want(200).start(), "own.export") {
		t.Error("what was refused is in the log as done")
	}
	alice.get("/account/export", asJSON).want(200).wantJSON(`{"conversations":0,"messages":0}`)
}

func TestExportsAreFew(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	w.server.exports.who = map[uint64]bool{alice.user.ID: true}
	alice.post("/account/export", asJSON, object(fields{"current_password": password})).want(503)
	unzipped(t, bob.post("/account/export", asJSON, object(fields{"current_password": password})))
	await(t, "bob's export to have ended", func() bool {
		w.server.exports.mu.Lock()
		defer w.server.exports.mu.Unlock()
		return !w.server.exports.who[bob.user.ID]
	})
	for i := range uint64(maxExports) {
		w.server.exports.who[1000+i] = true
	}
	bob.post("/account/export", asPage, form("current_password", password)).want(503).wantText("Several people")
}

// A client that takes its time costs no memory, and no connection to the database.
func TestASlowExportHoldsNothing(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.send("bob", "hi")
	w.fillConversation(alice.user, bob.user, 40_000)
	addr := w.listen()
	r, err := http.NewRequest("POST", "http://"+addr+"/account/export", strings.NewReader("current_password="+strings.ReplaceAll(password, " ", "+")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", alice.cookie())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.ReadFull(answer.Body, make([]byte, 1000)); err != nil || answer.StatusCode != 200 {
		t.Fatal(answer.Status, err)
	}
	await(t, "the export to wait for its client", func() bool { return w.db.Stats().InUse == 0 })
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("%d kB in use while the client waits", m.HeapInuse>>10)
	rest, err := io.ReadAll(answer.Body)
	if err != nil || len(rest) < 1<<20 {
		t.Errorf("the rest is %d octets, %v", len(rest), err)
	}
	runtime.ReadMemStats(&m)
	t.Logf("%d kB in use at the end, of which %d are the file", m.HeapInuse>>10, len(rest)>>10)
}

// fillConversation stores messages of 200 characters that compress badly, after the one that is there.
func (w *world) fillConversation(from, to chat.User, n int) {
	w.t.Helper()
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO messages (conversation_id, seq, sender_id, client_key, rev, body, created_at)
			SELECT 1, seq, %d, UNHEX(MD5(seq)), seq, CONCAT(SHA2(seq, 512), SHA2(-seq, 256)), NOW(6) - INTERVAL 1 HOUR + INTERVAL seq MICROSECOND FROM seq_2_to_%d`, from.ID, n),
		fmt.Sprintf(`UPDATE conversations SET last_seq = %d, last_rev = %d, last_at = NOW(6) WHERE id = 1`, n, n),
	} {
		if _, err := w.db.Exec(statement); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestDeletingOnesAccount(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.send("alice", "hi")
	alice.send("bob", "salutations")
	addr := w.listen()
	open := alice.open(addr)
	doc := alice.get("/account/delete", asPage).want(200).doc()
	if doc.Find("input[name=messages]").Length() != 2 || doc.Find("input[name=messages][checked]").Length() != 0 || !strings.Contains(doc.Find("#main").Text(), "1 conversation with 2 messages") {
		t.Error("the page doesn't offer the choice, or makes it")
	}
	alice.post("/account/delete", asJSON, object(fields{"current_password": password, "username": "alice"})).wantFields(422, "messages")
	alice.post("/account/delete", asJSON, object(fields{"messages": "erase"})).wantFields(422, "current_password", "username")
	refused := alice.post("/account/delete", asPage, form("messages", "erase", "username", "alicia", "current_password", password)).want(422).doc()
	if refused.Find("input[value=erase][checked]").Length() != 1 || refused.Find("input[name=username]").AttrOr("value", "") != "alicia" || refused.Find("#username-error").Length() != 1 {
		t.Error("what was typed is lost")
	}
	r := alice.post("/account/delete", asPage, form("messages", "erase", "username", "Alice", "current_password", password)).want(303).wantHeader("Location", "/farewell")
	if len(r.cookies) != 1 || r.cookies[0].Name != w.server.sessions.name || r.cookies[0].MaxAge >= 0 {
		t.Errorf("the cookies are %v", r.cookies)
	}
	if code := open.closeCode(); code != 1008 {
		t.Errorf("the window is closed with %d", code)
	}
	alice.get("/conversations", asJSON).want(401)
	w.nobody().get("/farewell", asPage).want(200).wantText("is deleted")
	w.nobody().post("/login", asJSON, object(fields{"username": "alice", "password": password})).want(401)
	thread := bob.get("/conversations/alice", asPage).want(200).wantText("Deleted user", "This account was deleted.", "salutations")
	if thread.doc().Find("#composer").Length() != 0 {
		t.Error("there is a form to write to nobody")
	}
	bob.get("/users/alice", asJSON).want(404)
	w.clock.advance(time.Minute)
	if n, err := w.store.FinishDeletions(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	bob.get("/conversations/alice", asPage).want(200).wantNoText("salutations").wantText("This message was deleted.", "hi")
	bob.get("/conversations", asPage).want(200).wantText("Deleted user").wantNoText("salutations")
	bob.get("/messages?with=alice&since_rev=2", asFragment).want(200).wantText("This message was deleted.")
}

func TestDeletingAsAProgram(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.post("/account/delete", asJSON, object(fields{"messages": "keep", "username": "alice", "current_password": password})).want(204)
	alice.get("/users", asJSON).want(401)
}

func TestTheLastAdminIsTold(t *testing.T) {
	w := newWorld(t)
	root := w.signIn(w.account(chat.NewUser{Username: "root", IsAdmin: true}))
	root.post("/account/delete", asPage, form("messages", "keep", "username", "root", "current_password", password)).want(422).wantText("last admin")
}

// A session that somebody has got hold of is no way to try passwords.
func TestOwnDataIsNotGuessed(t *testing.T) {
	for path, wrong := range map[string]fields{
		"/account/export": {"current_password": "wrong"}, "/account/delete": {"current_password": "wrong", "username": "alice", "messages": "keep"},
	} {
		w := newWorld(t, limited)
		alice := w.person("alice")
		for range 5 {
			alice.post(path, asJSON, object(wrong)).want(422)
		}
		alice.post(path, asJSON, object(wrong)).wantThrottled(time.Second, time.Minute)
		alice.post(path, asPage, form("current_password", password, "username", "alice", "messages", "keep")).want(429)
	}
}
