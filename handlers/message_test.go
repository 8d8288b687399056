package handlers

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/uuid"

	"parley/db/chat"
)

const someClientID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"

// stored gives the body of the newest message in a conversation.
func (v *visitor) stored(with string) string {
	v.t.Helper()
	t, err := v.store.Thread(v.t.Context(), v.user, with, chat.ThreadQuery{Limit: 1})
	if err != nil || len(t.Messages) == 0 {
		v.t.Fatalf("no message with %s: %v", with, err)
	}
	return t.Messages[0].Body
}

// freeze gives every message the contract's example time.
func (w *world) freeze() {
	w.t.Helper()
	if _, err := w.db.Exec("UPDATE messages SET created_at = '2026-11-23 10:00:00.123456'"); err != nil {
		w.t.Fatal(err)
	}
}

func TestSendAsProgram(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	r := alice.post("/messages", asJSON, object(fields{"recipient": "BOB", "body": "hi", "client_id": someClientID})).want(201)
	id := strings.TrimPrefix(r.header.Get("Location"), "/messages/")
	stamp := regexp.MustCompile(`"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"`).FindSubmatch(r.body)
	if stamp == nil {
		t.Fatalf("the time isn't in the contract's form: %s", r.body)
	}
	r.wantJSON(fmt.Sprintf(`{"id":%q,"user":"alice","recipient":"bob","timestamp":%q,"body":"hi","rev":1,"client_id":%q,"edited_at":null,"deleted_at":null}`, id, stamp[1], someClientID))
	for _, reader := range []*visitor{alice, bob} {
		reader.get(r.header.Get("Location"), asJSON).want(200).wantJSON(string(r.body))
	}
}

// A time keeps its six digits where they are noughts: texts sort as times do only then.
func TestMessageJSONExactly(t *testing.T) {
	w := newWorld(t, forgetful)
	alice := w.person("alice")
	w.person("bob")
	m := alice.send("bob", "<b>&\"'\u2028🙂")
	for _, set := range []struct{ created, edited, deleted, want string }{
		{"2026-11-23 10:00:00.123456", "NULL", "NULL", `"timestamp":"2026-11-23T10:00:00.123456Z"|"edited_at":null,"deleted_at":null`},
		{"2026-11-23 10:00:00", "'2026-11-23 10:00:01.5'", "'2026-11-24'", `"timestamp":"2026-11-23T10:00:00.000000Z"|"edited_at":"2026-11-23T10:00:01.500000Z","deleted_at":"2026-11-24T00:00:00.000000Z"`},
	} {
		if _, err := w.db.Exec("UPDATE messages SET created_at = '" + set.created + "', edited_at = " + set.edited + ", deleted_at = " + set.deleted); err != nil {
			t.Fatal(err)
		}
		stamp, rest, _ := strings.Cut(set.want, "|")
		alice.get("/messages/"+m.ID.String(), asJSON).want(200).wantJSON(fmt.Sprintf(
			`{"id":%q,"user":"alice","recipient":"bob",%s,"body":"\u003cb\u003e\u0026\"'\u2028🙂","rev":1,"client_id":%q,%s}`, m.ID, stamp, m.ClientID, rest))
	}
}

func TestSendAsBrowser(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("bob")
	for _, content := range []option{form("recipient", "bob", "body", "one"), multipartForm("recipient", "bob", "body", "two")} {
		r := alice.post("/messages", asPage, content).want(303).wantHeader("Location", "/conversations/bob")
		if len(r.body) > 0 {
			t.Errorf("the redirect has a body: %s", r.body)
		}
	}
	alice.get("/conversations/bob", asPage).want(200).wantText("one", "two")
}

func TestSendAsFragment(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("bob")
	r := alice.post("/messages", asFragment, form("recipient", "bob", "body", "hi", "client_id", someClientID)).want(201)
	mine := r.doc().Find("section.day > article.message.mine")
	if mine.Length() != 1 || mine.Find(".body").Text() != "hi" || mine.AttrOr("data-client", "") != someClientID {
		t.Errorf("the fragment is %s", r.body)
	}
	again := alice.post("/messages", asFragment, form("recipient", "bob", "body", "hi", "client_id", someClientID)).want(200)
	if !bytes.Equal(again.body, r.body) {
		t.Errorf("sent again it is %s", again.body)
	}
}

func multipartForm(pairs ...string) option {
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	for i := 0; i < len(pairs); i += 2 {
		_ = w.WriteField(pairs[i], pairs[i+1]) // writing to memory doesn't fail
	}
	_ = w.Close()
	return body(w.FormDataContentType(), text.String())
}

func TestSentTwiceIsStoredOnce(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	draft := object(fields{"recipient": "bob", "body": "once", "client_id": someClientID})
	first := alice.post("/messages", asJSON, draft).want(201)
	for _, spelling := range []string{someClientID, strings.ToUpper(someClientID), "{" + someClientID + "}", "urn:uuid:" + someClientID} {
		again := alice.post("/messages", asJSON, object(fields{"recipient": "bob", "body": " once\r\n", "client_id": spelling})).want(200)
		again.wantJSON(string(first.body)).wantHeader("Location", first.header.Get("Location"))
	}
	alice.post("/messages", asPage, form("recipient", "bob", "body", "once", "client_id", someClientID)).want(303)
	bob.post("/messages", asJSON, object(fields{"recipient": "alice", "body": "once", "client_id": someClientID})).want(201)
	if n := w.messages(); n != 2 {
		t.Errorf("%d messages are stored, want alice's and bob's", n)
	}
}

// However many tries of one send arrive at once, one of them stores it and all get the same message.
func TestSentAtOnceIsStoredOnce(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("bob")
	const tries = 10
	answers := make([]*reply, tries)
	var all sync.WaitGroup
	for i := range tries {
		all.Go(func() {
			answers[i] = alice.post("/messages", asJSON, object(fields{"recipient": "bob", "body": "once", "client_id": someClientID}))
		})
	}
	all.Wait()
	created := 0
	for _, r := range answers {
		if r.status == http.StatusCreated {
			created++
		} else {
			r.want(http.StatusOK)
		}
		r.wantJSON(string(answers[0].body))
	}
	if created != 1 || w.messages() != 1 {
		t.Errorf("%d answers say that it was stored, and %d messages are", created, w.messages())
	}
}

func TestClientIDOfAnotherText(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("bob")
	alice.post("/messages", asJSON, object(fields{"recipient": "bob", "body": "once", "client_id": someClientID})).want(201)
	other := form("recipient", "bob", "body", "another", "client_id", someClientID)
	alice.post("/messages", asJSON, other).wantFields(409, "client_id")
	alice.post("/messages", asFragment, other).want(409).wantText(`role="alert"`)
	page := alice.post("/messages", asPage, other).want(409).doc()
	if text := page.Find("#composer textarea").Text(); text != "another" {
		t.Errorf("the composer holds %q", text)
	}
	fresh := page.Find("#composer input[name=client_id]").AttrOr("value", "")
	if fresh == someClientID || uuid.Validate(fresh) != nil {
		t.Errorf("the composer's client ID is %q: sending again would fail again", fresh)
	}
	if n := w.messages(); n != 1 {
		t.Errorf("%d messages are stored", n)
	}
}

func TestRefusedMessages(t *testing.T) {
	w := newWorld(t, longestBody(20))
	alice := w.person("alice")
	w.person("bob")
	w.person("eve")
	w.disable("eve")
	for name, c := range map[string]struct {
		recipient, body, client string
		names                   []string
	}{
		"nothing in it":        {"bob", "", "", []string{"body"}},
		"white space":          {"bob", " \t\r\n\u00a0\u3000\u2028 ", "", []string{"body"}},
		"too long":             {"bob", strings.Repeat("x", 21), "", []string{"body"}},
		"too long in emoji":    {"bob", strings.Repeat("🙂", 21), "", []string{"body"}},
		"NUL":                  {"bob", "a\x00b", "", []string{"body"}},
		"no recipient":         {"", "hi", "", []string{"recipient"}},
		"nobody":               {"nobody", "hi", "", []string{"recipient"}},
		"recipient with space": {"bob ", "hi", "", []string{"recipient"}},
		"disabled":             {"eve", "hi", "", []string{"recipient"}},
		"no UUID":              {"bob", "hi", "7", []string{"client_id"}},
		"all at once":          {"nobody", "", "x", []string{"body", "client_id", "recipient"}},
	} {
		t.Run(name, func(t *testing.T) {
			alice := w.signIn(alice.user)
			alice.t = t
			draft := []string{"recipient", c.recipient, "body", c.body, "client_id", c.client}
			alice.post("/messages", asJSON, form(draft...)).wantFields(422, c.names...)
			alice.post("/messages", asJSON, object(fields{"recipient": c.recipient, "body": c.body, "client_id": c.client})).wantFields(422, c.names...)
			alice.post("/messages", asFragment, form(draft...)).want(422).wantText(`class="error" role="alert"`)
			page := alice.post("/messages", asPage, form(draft...)).want(422)
			if slices.Contains(c.names, "recipient") {
				return // there is no conversation to show it in
			}
			checkComposerKeeps(t, page, c.body)
		})
	}
	if n := w.messages(); n != 0 {
		t.Errorf("%d messages are stored", n)
	}
}

// checkComposerKeeps expects the form again, with what was typed and with what is wrong with it.
func checkComposerKeeps(t *testing.T, page *reply, typed string) {
	t.Helper()
	doc := page.doc()
	field := doc.Find("#composer textarea[name=body]")
	want := strings.NewReplacer("\x00", "\ufffd", "\r\n", "\n").Replace(typed) // as HTML reads them
	if got := field.Text(); got != want {
		t.Errorf("the composer holds %q, want %q", got, want)
	}
	if doc.Find("#"+field.AttrOr("aria-describedby", "none")+"[role=alert]").Text() == "" || field.AttrOr("aria-invalid", "") != "true" {
		t.Errorf("nothing says what is wrong: %s", page.start())
	}
	if uuid.Validate(doc.Find("#composer input[name=client_id]").AttrOr("value", "")) != nil {
		t.Error("the composer has no client ID that a retry can use")
	}
}

func TestBodiesAsStored(t *testing.T) {
	w := newWorld(t, longestBody(20))
	alice := w.person("alice")
	for name, c := range map[string]struct{ typed, want string }{
		"line ends":      {"a\r\nb\rc\nd", "a\nb\nc\nd"},
		"trimmed":        {" \r\n\t a  b \n\n", "a  b"},
		"longest":        {strings.Repeat("x", 20), strings.Repeat("x", 20)},
		"longest emoji":  {strings.Repeat("🙂", 20), strings.Repeat("🙂", 20)},
		"trimmed longer": {"  " + strings.Repeat("é", 20) + "  ", strings.Repeat("é", 20)},
		"CRLF counts 1":  {"1234567890\r\n123456789", "1234567890\n123456789"},
		"controls":       {"a\x01\x1b[31m", "a\x01\x1b[31m"},
		"right to left":  {"\u202eevil", "\u202eevil"},
		"not normalised": {"e\u0301 \ufb01", "e\u0301 \ufb01"},
		"of no plane":    {"\U0010ffff", "\U0010ffff"},
	} {
		t.Run(name, func(t *testing.T) {
			alice := w.signIn(alice.user)
			alice.t = t
			alice.post("/messages", asPage, form("recipient", "alice", "body", c.typed)).want(303)
			if got := alice.stored("alice"); got != c.want {
				t.Errorf("the form is stored as %q, want %q", got, c.want)
			}
			var m messageBody
			alice.post("/messages", asJSON, object(fields{"recipient": "alice", "body": c.typed})).want(201).intoMessage(&m)
			if m.Body != c.want || alice.stored("alice") != c.want {
				t.Errorf("the JSON is answered with %q and stored as %q, want %q", m.Body, alice.stored("alice"), c.want)
			}
		})
	}
}

// intoMessage reads what is needed of a message: its times only go the other way.
func (r *reply) intoMessage(m *messageBody) {
	r.t.Helper()
	var all fields
	r.into(&all)
	m.Body, _ = all["body"].(string)
	m.User, _ = all["user"].(string)
	id, _ := all["id"].(string)
	if err := m.ID.UnmarshalText([]byte(id)); err != nil {
		r.t.Errorf("%s: the ID is %q", r.what, id)
	}
}

// The longest message passes however it is written; one character more is said to be too long, and is not cut off.
func TestLongestMessageByDefault(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	longest := strings.Repeat("🙂", 10_000)
	escaped := `{"recipient":"alice","body":"` + strings.Repeat(`\ud83d\ude42`, 10_000) + `"}`
	for name, content := range map[string]option{
		"form": form("recipient", "alice", "body", longest), "multipart": multipartForm("recipient", "alice", "body", longest),
		"JSON": object(fields{"recipient": "alice", "body": longest}), "escaped JSON": body("application/json", escaped),
	} {
		alice.post("/messages", asJSON, content).want(201)
		if alice.stored("alice") != longest {
			t.Errorf("%s: what is stored differs", name)
		}
	}
	alice.post("/messages", asJSON, form("recipient", "alice", "body", longest+"x")).wantFields(422, "body")
}

func TestSendNeedsAFormOrJSON(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	const good = `{"recipient":"alice","body":"hi"}`
	for _, kind := range []string{"", "text/plain", "application/xml", "text/xml", "application/problem+json", "application/x-json", ";", "application/json;"} {
		want := http.StatusUnsupportedMediaType
		if kind == "application/json;" {
			want = http.StatusCreated
		}
		alice.post("/messages", asJSON, body(kind, good)).want(want)
	}
	alice.post("/messages", asJSON, body("application/json; charset=utf-8", good)).want(201)
	alice.post("/messages", asJSON, body("Application/JSON", good)).want(201)
	alice.post("/messages", asPage, body("text/plain", "recipient=alice&body=hi")).want(415)
	alice.post("/messages", asFragment, body("text/plain", "recipient=alice&body=hi")).want(415)
}

func TestBrokenRequests(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	const json, urlencoded = "application/json", "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		kind, text string
		status     int
	}{
		"no JSON":          {json, `{"recipient":`, 400},
		"nothing":          {json, ``, 400},
		"an array":         {json, `[]`, 400},
		"a text":           {json, `"hi"`, 400},
		"two objects":      {json, `{"recipient":"alice","body":"hi"}{}`, 400},
		"a number as text": {json, `{"recipient":"alice","body":1}`, 400},
		"invalid UTF-8":    {json, "{\"recipient\":\"alice\",\"body\":\"\xff\"}", 400},
		"deep":             {json, strings.Repeat("[", 100_000), 400},
		"no fields":        {json, `{}`, 422},
		"null":             {json, `null`, 422},
		"form of octets":   {urlencoded, "recipient=alice&body=%ff%fe", 422},
		"half an escape":   {urlencoded, "recipient=alice&body=%", 201},
		"square brackets":  {urlencoded, "recipient=alice&body[=hi", 422},
		"an index":         {urlencoded, "recipient[1000000]=alice&body[9]=hi", 422},
		"a path":           {urlencoded, "recipient.x=alice&body.y=hi", 422},
		"NUL key":          {urlencoded, "%00=1", 422},
		"no boundary":      {"multipart/form-data", "hi", 400},
	} {
		t.Run(name, func(t *testing.T) {
			alice := w.signIn(alice.user)
			alice.t = t
			alice.post("/messages", asJSON, body(c.kind, c.text)).want(c.status)
		})
	}
	if log := w.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("a broken request is noted as our fault: %s", log)
	}
}

// Trap: Fiber unpacks compressed bodies without a limit, so a few hundred octets would fill the memory.
func TestCompressedBodiesAreRefused(t *testing.T) {
	w := newWorld(t)
	bomb := `{"recipient":"alice","body":"` + strings.Repeat("x", 10<<20) + `"}`
	var gz, br bytes.Buffer
	gzWriter, brWriter := gzip.NewWriter(&gz), brotli.NewWriter(&br)
	_, _ = gzWriter.Write([]byte(bomb)) // writing to memory doesn't fail
	_, _ = brWriter.Write([]byte(bomb))
	_ = gzWriter.Close()
	_ = brWriter.Close()
	alice := w.person("alice")
	for encoding, text := range map[string]string{"gzip": gz.String(), "br": br.String(), "gzip, identity": gz.String(), "zstd": "x"} {
		for _, path := range []string{"/messages", "/login"} {
			alice.post(path, asJSON, body("application/json", text), header("Content-Encoding", encoding)).wantProblem(415)
		}
	}
	twice := func(r *http.Request) { r.Header["Content-Encoding"] = []string{"identity", "gzip"} }
	alice.post("/messages", asJSON, body("application/json", gz.String()), twice).wantFields(400, "body")
	alice.post("/messages", asJSON, form("recipient", "alice", "body", "hi"), header("Content-Encoding", "identity")).want(201)
}

// A person who writes to themself gets one message, and every window hears of it once.
func TestNotes(t *testing.T) {
	var pushed []chat.Event
	w := newWorld(t, func(_ *Config, o *chat.Options) {
		o.Notifier = chat.NotifierFunc(func(events ...chat.Event) { pushed = append(pushed, events...) })
	})
	alice := w.person("alice")
	alice.post("/messages", asPage, form("recipient", "alice", "body", "buy milk")).want(303).wantHeader("Location", "/conversations/alice")
	if w.messages() != 1 || len(pushed) != 1 || pushed[0].To != alice.user.ID || pushed[0].With != "alice" {
		t.Errorf("%d messages, pushed %+v", w.messages(), pushed)
	}
	page := alice.get("/conversations/alice", asPage).want(200).doc()
	if page.Find("article.message.mine").Length() != 1 || page.Find("#main h1").Text() != "Notes to yourself" || page.Find(".unread").Length() != 0 {
		t.Error("the page isn't that of a note")
	}
}

func TestMessageIDsOfOtherForms(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	m := alice.send("alice", "the secret")
	conversation := fmt.Sprint(m.ID.Conversation)
	for _, id := range []string{
		"0-1", "01-1", "-1", "1-", "1-0", "-", "1", "1-1-1", "1-1x", "x1-1", "+1-1", "1-+1", "1_1", "1-01", conversation + "-2", conversation + "-0",
		conversation + "%2D1", conversation + "-1%00", conversation + "-1%20", "%20" + conversation + "-1", "0x1-1", "1e0-1", "１-１",
		"99999999999999999999-1", "1-99999999999999999999", "18446744073709551615-18446744073709551615", "9223372036854775808-1",
		strings.Repeat("9", 1000) + "-1", "null", "undefined", "%zz", "%ff", "..", "%2e%2e",
	} {
		for _, s := range shapes {
			alice.get("/messages/"+id, s.ask).want(404).wantNoText("the secret")
		}
	}
}

// A stranger can't tell a message that isn't theirs from one that isn't there.
func TestStrangersLearnNothing(t *testing.T) {
	w := newWorld(t)
	alice, carol := w.person("alice"), w.person("carol")
	w.person("bob")
	m := alice.send("bob", "the secret")
	for _, s := range shapes {
		hidden := carol.get("/messages/"+m.ID.String(), s.ask).want(404)
		missing := carol.get("/messages/4711-1", s.ask).want(404)
		if a, b := withoutIDs(hidden.body), withoutIDs(missing.body); a != b {
			t.Errorf("hidden and missing differ:\n%s\n%s", a, b)
		}
	}
	carol.get("/conversations/bob", asJSON).want(200).wantNoText("the secret", m.ID.String())
	carol.get("/messages?with=bob", asJSON).want(200).wantJSON(`{"results":[],"next":null,"previous":null,"rev":0}`)
	carol.get("/messages?with=bob&since_rev=0", asJSON).want(200).wantJSON(`{"results":[],"next":null,"previous":null,"rev":0}`)
	carol.get("/messages?with=bob&before="+m.ID.String(), asJSON).wantFields(400, "before")
	carol.get("/conversations", asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
}

var uuidForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func withoutIDs(text []byte) string { return string(uuidForm.ReplaceAll(text, []byte("ID"))) }

// history is a page of messages as a program reads it.
type history struct {
	Results  []struct{ ID, Body string }
	Next     *string
	Previous *string
	Rev      uint64
}

func (r *reply) history() (h history) {
	r.t.Helper()
	var all struct {
		Results  []fields `json:"results"`
		Next     *string  `json:"next"`
		Previous *string  `json:"previous"`
		Rev      uint64   `json:"rev"`
	}
	r.want(200).into(&all)
	h.Next, h.Previous, h.Rev = all.Next, all.Previous, all.Rev
	for _, m := range all.Results {
		h.Results = append(h.Results, struct{ ID, Body string }{m["id"].(string), m["body"].(string)})
	}
	return h
}

func (h history) bodies() string {
	var bodies []string
	for _, m := range h.Results {
		bodies = append(bodies, m.Body)
	}
	return strings.Join(bodies, " ")
}

func (v *visitor) sendNumbers(recipient string, from, to int) {
	v.t.Helper()
	for i := from; i <= to; i++ {
		v.send(recipient, fmt.Sprint(i))
	}
}

// The addresses in next and previous lead to the ends, with the limit that was asked for, in both directions.
func TestHistoryIsWalked(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("b+b")
	alice.sendNumbers("b+b", 1, 7)
	h := alice.get("/messages?with=B%2BB&limit=3", asJSON).history()
	if h.bodies() != "7 6 5" || h.Previous != nil || h.Rev != 7 {
		t.Fatalf("the newest are %+v", h)
	}
	var seen []string
	for h.Next != nil {
		h = alice.get(*h.Next, asJSON).history()
		seen = append(seen, h.bodies())
	}
	if got := strings.Join(seen, "|"); got != "4 3 2|1" {
		t.Errorf("older pages are %s", got)
	}
	seen = nil
	for h.Previous != nil {
		h = alice.get(*h.Previous, asJSON).history()
		seen = append(seen, h.bodies())
	}
	if got := strings.Join(seen, "|"); got != "4 3 2|7 6 5" {
		t.Errorf("newer pages are %s", got)
	}
}

func TestHistoryLimits(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *chat.Options) { c.MessagesToLoad = 4 })
	alice := w.person("alice")
	alice.sendNumbers("alice", 1, 101)
	for query, want := range map[string]int{"": 4, "&limit=1": 1, "&limit=100": 100, "&limit=101": 100, "&limit=2147483648": 100} {
		if got := len(alice.get("/messages?with=alice"+query, asJSON).history().Results); got != want {
			t.Errorf("%q gives %d messages, want %d", query, got, want)
		}
	}
	for _, path := range []string{"/messages?with=alice&", "/messages?with=alice&since_rev=0&", "/conversations/alice?", "/conversations?", "/users?"} {
		for _, bad := range []string{"0", "-1", "x", "1.5", "1e3", "0x10", "%201", "99999999999999999999", "%00"} {
			alice.get(path+"limit="+bad, asJSON).wantFields(400, "limit")
			if !strings.HasPrefix(path, "/messages") {
				alice.get(path+"limit="+bad, asPage).want(400)
			}
			alice.get(path+"limit="+bad, asFragment).want(400)
		}
	}
}

func TestBadCursors(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("bob")
	m := alice.send("alice", "a note")
	other := alice.send("bob", "hi")
	for _, cursor := range []string{"x", "0-1", "1-0", "-", "1", "01-1", m.ID.String() + "x", other.ID.String(), "99999999999999999999-1", "%00", "%ff"} {
		for _, name := range []string{"before", "after"} {
			for _, path := range []string{"/messages?with=alice&", "/conversations/alice?"} {
				alice.get(path+name+"="+cursor, asJSON).wantFields(400, name)
				alice.get(path+name+"="+cursor, asFragment).want(400)
			}
		}
	}
	for _, rev := range []string{"x", "-1", "1.5", "99999999999999999999", "%00"} {
		alice.get("/messages?with=alice&since_rev="+rev, asJSON).wantFields(400, "since_rev")
	}
	alice.get("/messages", asJSON).wantFields(400, "with")
	alice.get("/messages?with=nobody", asJSON).wantProblem(404)
	alice.get("/messages?with=nobody&since_rev=0", asJSON).wantProblem(404)
}

func TestCursorsOutsideTheConversation(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.sendNumbers("alice", 1, 3)
	m := alice.send("alice", "4")
	at := func(seq string) string { return fmt.Sprintf("%d-%s", m.ID.Conversation, seq) }
	for query, want := range map[string]string{
		"before=" + at("1"): "", "before=" + at("18446744073709551615"): "4 3 2 1", "before=" + at("9223372036854775808"): "4 3 2 1",
		"after=" + at("4"): "", "after=" + at("18446744073709551615"): "", "after=" + at("2"): "4 3",
		"since_rev=0": "1 2 3 4", "since_rev=3": "4", "since_rev=4": "", "since_rev=18446744073709551615": "",
	} {
		if got := alice.get("/messages?with=alice&"+query, asJSON).history().bodies(); got != want {
			t.Errorf("%s gives %q, want %q", query, got, want)
		}
	}
}

// Changes come in the order of rev, which an edit moves a message on in.
func TestCatchUp(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.sendNumbers("bob", 1, 5)
	if _, err := w.db.Exec("UPDATE messages SET rev = 6, body = '2b' WHERE seq = 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.Exec("UPDATE conversations SET last_rev = 6"); err != nil {
		t.Fatal(err)
	}
	var got []string
	next := "/messages?with=alice&since_rev=2&limit=2"
	var h history
	for next != "" {
		h = bob.get(next, asJSON).history()
		got = append(got, fmt.Sprintf("%s @%d", h.bodies(), h.Rev))
		if next = ""; h.Next != nil {
			next = *h.Next
		}
	}
	if want := []string{"3 4 @4", "5 2b @6"}; !slices.Equal(got, want) || h.Previous != nil {
		t.Errorf("catching up gives %q, want %q", got, want)
	}
	fragment := bob.get("/messages?with=alice&since_rev=2&limit=2", asFragment).want(200).doc()
	first := fragment.Find("body").Children().First()
	if !first.Is("p.caught-up[hidden]") || first.AttrOr("data-rev", "") != "4" || first.Is(":not([data-more])") {
		t.Error("the fragment doesn't begin by saying up to where the page now knows")
	}
	if fragment.Find("article.message").Length() != 2 {
		t.Error("the fragment doesn't hold the two messages")
	}
}

// Whoever opens a program's address in a browser sees the conversation at the same place.
func TestHistoryAsPage(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.sendNumbers("alice", 1, 12)
	m := alice.send("alice", "13")
	before := fmt.Sprintf("%d-4", m.ID.Conversation)
	r := alice.get("/messages?with=alice&before="+before, asPage).want(303)
	doc := alice.get(r.header.Get("Location"), asPage).want(200).doc()
	if got := doc.Find("article .body").Text(); got != "123" {
		t.Errorf("the page shows %q", got)
	}
	for _, name := range []string{"//evil.example", "../../evil", "/\\evil", "a?b=c", "a#b", "https://evil.example"} {
		to := alice.get("/messages?with="+strings.NewReplacer("#", "%23", "?", "%3f").Replace(name), asPage).want(303).header.Get("Location")
		if !strings.HasPrefix(to, "/conversations/") || strings.Count(to, "/") != 2 || strings.ContainsAny(to, "?#\\") {
			t.Errorf("%q leads to %q", name, to)
		}
	}
}

func TestHistoryFragmentLeadsOn(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.sendNumbers("alice", 1, 25)
	doc := alice.get("/messages?with=alice", asFragment).want(200).doc()
	var shown []string
	for pages := 0; ; pages++ {
		shown = append(shown, fmt.Sprint(doc.Find("article.message").Length()))
		link := doc.Find("#older a")
		if link.Length() == 0 || pages > 5 {
			break
		}
		doc = alice.get(link.AttrOr("hx-get", ""), asFragment).want(200).doc()
	}
	if got := strings.Join(shown, " "); got != "10 10 5" {
		t.Errorf("fragments hold %s messages", got)
	}
}

// Whatever refuses a message to a browser without scripts, what was typed comes back.
func TestTypedTextIsNeverLost(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, recipient := range []string{"nobody-of-that-name", ""} {
		r := alice.post("/messages", form("recipient", recipient, "body", "hours of work"), asPage).want(422)
		if got := r.doc().Find("textarea").Text(); got != "hours of work" {
			t.Errorf("to %q: the page gives back %q", recipient, got)
		}
	}
}
