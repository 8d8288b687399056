package handlers

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"parley/db/chat"
)

// conversation is what a program reads of one, as far as these tests look at it.
type conversation struct {
	With        userBody `json:"with"`
	LastMessage fields   `json:"last_message"`
	Unread      int      `json:"unread"`
	LastSeq     uint64   `json:"last_seq"`
	LastRev     uint64   `json:"last_rev"`
	LastReadSeq uint64   `json:"last_read_seq"`
}

type conversations struct {
	Results []conversation `json:"results"`
	Next    *string        `json:"next"`
}

func (c conversations) names() string {
	var names []string
	for _, one := range c.Results {
		names = append(names, one.With.Username)
	}
	return strings.Join(names, " ")
}

// conversations reads the list.
func (v *visitor) conversations(path string) (c conversations) {
	v.t.Helper()
	v.get(path, asJSON).want(200).into(&c)
	return c
}

// with finds one conversation in the list, without opening it.
func (v *visitor) with(username string) conversation {
	v.t.Helper()
	for _, c := range v.conversations("/conversations?limit=100").Results {
		if c.With.Username == username {
			return c
		}
	}
	v.t.Fatalf("there is no conversation with %s", username)
	return conversation{}
}

func TestConversationJSONExactly(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.signIn(w.account(chat.NewUser{Username: "Bob.B", DisplayName: "Bob Brown"}))
	one, two := bob.send("alice", "one"), alice.send("bob.b", "two")
	w.freeze()
	message := func(m chat.Message) string {
		return fmt.Sprintf(`{"id":%q,"user":%q,"recipient":%q,"timestamp":"2026-11-23T10:00:00.123456Z","body":%q,"rev":%d,"client_id":%q,"edited_at":null,"deleted_at":null}`,
			m.ID, m.Sender.Username, m.Recipient.Username, m.Body, m.Rev, m.ClientID)
	}
	head := func(unread, read int) string {
		return fmt.Sprintf(`{"with":{"username":"Bob.B","display_name":"Bob Brown","photo":null},"last_message":%s,"unread":%d,"last_seq":2,"last_rev":2,"last_read_seq":%d}`, message(two), unread, read)
	}
	alice.get("/conversations", asJSON).want(200).wantJSON(`{"results":[` + head(1, 0) + `],"next":null}`)
	alice.get("/conversations/bob.B", asJSON).want(200).wantJSON(`{"conversation":` + head(0, 2) + `,"messages":[` + message(one) + `,` + message(two) + `]}`)
	alice.get("/conversations", asJSON).want(200).wantJSON(`{"results":[` + head(0, 2) + `],"next":null}`)
	alice.get("/messages?with=Bob.B", asJSON).want(200).wantJSON(`{"results":[` + message(two) + `,` + message(one) + `],"next":null,"previous":null,"rev":2}`)
	alice.get("/messages?with=bob.b&since_rev=1", asJSON).want(200).wantJSON(`{"results":[` + message(two) + `],"next":null,"previous":null,"rev":2}`)
}

func TestConversationBeforeTheFirstMessage(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("bob")
	alice.get("/conversations", asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
	alice.get("/conversations/BOB", asJSON).want(200).wantJSON(
		`{"conversation":{"with":{"username":"bob","display_name":"bob","photo":null},"last_message":null,"unread":0,"last_seq":0,"last_rev":0,"last_read_seq":0},"messages":[]}`)
	doc := alice.get("/conversations/bob", asPage).want(200).doc()
	if doc.Find("#thread article").Length() != 0 || doc.Find("#thread .blank").Length() != 1 || doc.Find("#composer").Length() != 1 {
		t.Error("an empty conversation isn't an invitation to write")
	}
	if w.count("conversations") != 0 {
		t.Error("looking made a conversation")
	}
	alice.get("/conversations/nobody", asJSON).wantProblem(404)
}

// The newest ones are shown first of all, with the setting's number; older and newer ones at their own addresses.
func TestConversationPages(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.sendNumbers("alice", 1, 24)
	id := func(seq int) string { return fmt.Sprintf("%d-%d", alice.send("alice", "25").ID.Conversation, seq) }(15)
	for query, want := range map[string]string{
		"":                          "16 17 18 19 20 21 22 23 24 25",
		"?limit=3":                  "23 24 25",
		"?before=" + id:             "5 6 7 8 9 10 11 12 13 14",
		"?after=" + id:              "16 17 18 19 20 21 22 23 24 25",
		"?after=" + id + "&limit=2": "16 17",
	} {
		var thread struct {
			Conversation conversation `json:"conversation"`
			Messages     []fields     `json:"messages"`
		}
		alice.get("/conversations/alice"+query, asJSON).want(200).into(&thread)
		var got []string
		for _, m := range thread.Messages {
			got = append(got, m["body"].(string))
		}
		if strings.Join(got, " ") != want || thread.Conversation.LastMessage["body"] != "25" {
			t.Errorf("%q gives %s and the last is %v", query, got, thread.Conversation.LastMessage["body"])
		}
	}
	alice.get("/conversations/alice?before="+id+"&limit=0", asJSON).wantFields(400, "limit")
}

// Following the links of a page without JavaScript leads to both ends.
func TestConversationLinksLeadToBothEnds(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.sendNumbers("alice", 1, 23)
	doc := alice.get("/conversations/alice", asPage).want(200).doc()
	var older, newer []string
	for link := doc.Find("#older a"); link.Length() > 0; link = doc.Find("#older a") {
		doc = alice.get(link.AttrOr("href", ""), asPage).want(200).doc()
		older = append(older, doc.Find("article .body").First().Text())
	}
	for link := doc.Find("#thread > .more:not(#older) a").First(); link.Length() > 0; link = doc.Find("#thread > .more:not(#older) a").First() {
		doc = alice.get(link.AttrOr("href", ""), asPage).want(200).doc()
		newer = append(newer, doc.Find("article .body").Last().Text())
	}
	if fmt.Sprint(older, newer) != "[4 1] [13 23]" {
		t.Errorf("links lead to %v and back to %v", older, newer)
	}
}

// everybody talks with alice, in the order of their numbers.
func everybodyWrites(w *world, alice *visitor, n int) {
	w.t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("user%03d", i))
	}
	w.crowd(names...)
	for _, name := range names {
		alice.send(name, "hello "+name)
	}
}

func TestConversationListIsWalked(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	everybodyWrites(w, alice, 45)
	alice.send("user007", "once more")
	for _, c := range []struct{ path, sizes string }{
		{"/conversations", "[20 20 5]"}, {"/conversations?limit=12", "[12 12 12 9]"}, {"/conversations?limit=100", "[45]"}, {"/conversations?limit=1000", "[45]"},
	} {
		path, sizes, seen := c.path, []int{}, []string{}
		for path != "" {
			page := alice.conversations(path)
			sizes, seen = append(sizes, len(page.Results)), append(seen, page.names())
			if path = ""; page.Next != nil {
				path = *page.Next
			}
		}
		if fmt.Sprint(sizes) != c.sizes {
			t.Errorf("%s has pages of %v, want %s", c.path, sizes, c.sizes)
		}
		all := strings.Fields(strings.Join(seen, " "))
		if len(all) != 45 || all[0] != "user007" || all[1] != "user044" || all[44] != "user000" {
			t.Errorf("%s gives %v", c.path, all)
		}
	}
	doc := alice.get("/conversations", asFragment).want(200).doc()
	more := doc.Find("#conversations li.more a")
	if rows := alice.get(more.AttrOr("hx-get", ""), asFragment).want(200).doc().Find("#conversations li[id]").Length(); rows != 20 {
		t.Errorf("the list's link gives %d rows", rows)
	}
}

func TestConversationListBadCursors(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.send("alice", "a note")
	for _, plain := range []string{"", "x", "1", "1 ", " 1", "1 x", "1 -1", "99999999999999999999 1", "1 99999999999999999999", "9223372036854775807 1", "-9223372036854775808 1", "253402300800000000 1", "-62167219200000001 1"} {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(plain))
		if cursor != "" {
			alice.get("/conversations?after="+cursor, asJSON).wantFields(400, "after")
		}
	}
	for _, cursor := range []string{"!", "a", "=", "%00", "%ff", "a b", "YQ==", "../x"} {
		for _, path := range []string{"/conversations?after=", "/users?after="} {
			alice.get(path+strings.ReplaceAll(cursor, " ", "%20"), asJSON).wantFields(400, "after")
			alice.get(path+strings.ReplaceAll(cursor, " ", "%20"), asPage).want(400)
		}
	}
}

func TestUnread(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.sendNumbers("bob", 1, 3)
	bob.send("alice", "mine do not count")
	alice.sendNumbers("bob", 4, 5)
	if _, err := w.db.Exec("UPDATE messages SET deleted_at = NOW(6) WHERE seq = 2"); err != nil {
		t.Fatal(err)
	}
	if got := bob.with("alice").Unread; got != 4 {
		t.Errorf("bob has %d unread, want 4: 1, 3, 4 and 5", got)
	}
	if got := alice.with("bob").Unread; got != 1 {
		t.Errorf("alice has %d unread, want 1", got)
	}
	row := bob.get("/conversations", asFragment).want(200).doc().Find("#with-alice")
	if row.Find(".unread").Text() != "4" || row.Find(".unread").AttrOr("aria-label", "") != "4 unread" {
		t.Errorf("the row says %q", row.Text())
	}
	bob.get("/messages?with=alice", asJSON).want(200)
	bob.get("/messages/1-1", asPage).want(200)
	if bob.with("alice").Unread != 4 {
		t.Error("a program's look at the history, or at one message, counts as reading")
	}
	for _, other := range []*visitor{bob, w.signIn(bob.user)} {
		other.get("/conversations/alice", asPage).want(200)
		if c := other.with("alice"); c.Unread != 0 || c.LastReadSeq != 6 {
			t.Errorf("after opening it: %+v", c)
		}
	}
	if got := alice.with("bob").Unread; got != 1 {
		t.Errorf("alice has %d unread once bob has read", got)
	}
}

// Opening a conversation reads it in every shape; what shows nothing to anybody does not.
func TestWhatCountsAsReading(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	for name, c := range map[string]struct {
		method  string
		options []option
		reads   bool
	}{
		"a page":          {"GET", []option{asPage}, true},
		"a fragment":      {"GET", []option{asFragment}, true},
		"JSON":            {"GET", []option{asJSON}, true},
		"fetched ahead":   {"GET", []option{asPage, header("Sec-Purpose", "prefetch")}, false},
		"rendered ahead":  {"GET", []option{asPage, header("Sec-Purpose", "prefetch;prerender")}, false},
		"the header only": {"HEAD", []option{asPage}, false},
	} {
		alice.send("bob", name)
		before := bob.with("alice")
		bob.do(c.method, "/conversations/alice", c.options...).want(200)
		after := bob.with("alice")
		if read := after.LastReadSeq > before.LastReadSeq; read != c.reads || (after.Unread == 0) != c.reads {
			t.Errorf("%s: read is %t (unread %d)", name, read, after.Unread)
		}
		bob.get("/conversations/alice", asPage).want(200) // the same page again, for somebody to see
		if unread := bob.with("alice").Unread; unread != 0 {
			t.Errorf("%s, and then a page: %d are unread", name, unread)
		}
	}
}

func TestMarkRead(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.sendNumbers("bob", 1, 5)
	put := func(content option) *reply {
		return bob.do(http.MethodPut, "/conversations/ALICE/read", asJSON, content)
	}
	for _, c := range []struct {
		send         option
		read, unread int
	}{
		{object(fields{"seq": 2}), 2, 3},
		{object(fields{"seq": 1}), 2, 3}, // never falls
		{object(fields{"seq": 0}), 2, 3},
		{object(fields{}), 2, 3},
		{form("seq", "3"), 3, 2},
		{body("application/json", `{"seq":18446744073709551615}`), 5, 0}, // beyond the last is the last
		{object(fields{"seq": 4}), 5, 0},
	} {
		if r := put(c.send).want(204); len(r.body) > 0 {
			t.Errorf("204 with a body: %s", r.body)
		}
		if got := bob.with("alice"); int(got.LastReadSeq) != c.read || got.Unread != c.unread {
			t.Errorf("the watermark is %d with %d unread, want %d with %d", got.LastReadSeq, got.Unread, c.read, c.unread)
		}
	}
	alice.send("bob", "6")
	if got := bob.with("alice"); got.Unread != 1 || got.LastReadSeq != 5 {
		t.Errorf("a clamped watermark is %+v after one more message", got)
	}
	for _, bad := range []string{`{"seq":-1}`, `{"seq":1.5}`, `{"seq":"1"}`, `{"seq":18446744073709551616}`, `[]`, ``} {
		put(body("application/json", bad)).wantProblem(400)
	}
	put(form("seq", "-1")).wantProblem(400)
	put(form("seq", "x")).wantProblem(400)
	put(body("text/plain", "1")).wantProblem(415)
	bob.do(http.MethodPut, "/conversations/nobody/read", asJSON, object(fields{"seq": 1})).wantProblem(404)
	if got := alice.with("bob"); got.LastReadSeq != 0 {
		t.Errorf("bob's reading moved alice's watermark: %+v", got)
	}
}

// However many devices say at once how far they have read, the watermark only rises.
func TestMarkReadAtOnce(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.sendNumbers("bob", 1, 20)
	var all sync.WaitGroup
	for seq := 20; seq > 0; seq-- {
		all.Go(func() {
			bob.do(http.MethodPut, "/conversations/alice/read", asJSON, object(fields{"seq": seq})).want(204)
		})
	}
	all.Wait()
	if got := bob.with("alice"); got.LastReadSeq != 20 || got.Unread != 0 {
		t.Errorf("the watermark ended at %+v", got)
	}
}

func TestConversationListAsPage(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.person("bob")
	alice.send("bob", "hello bob")
	alice.send("alice", "a note")
	doc := alice.get("/conversations", asPage).want(200).doc()
	if got := doc.Find("#conversations .name").Text(); got != "Notes to yourselfbob" {
		t.Errorf("the list has %q", got)
	}
	if doc.Find("#conversations [aria-current]").Length() != 0 {
		t.Error("a conversation is current while none is open")
	}
	doc = alice.get("/conversations/BOB", asPage).want(200).doc()
	current := doc.Find("#conversations [aria-current=page]")
	if current.Length() != 1 || current.AttrOr("href", "") != "/conversations/bob" {
		t.Error("the open conversation isn't the current one")
	}
	if got := doc.Find("#with-bob .preview").Text(); got != "You: hello bob" {
		t.Errorf("bob's row says %q", got)
	}
	fragment := alice.get("/conversations?current=bob", asFragment).want(200).doc()
	if fragment.Find("[aria-current=page]").AttrOr("href", "") != "/conversations/bob" {
		t.Error("the list fetched afresh forgot which one is open")
	}
}
