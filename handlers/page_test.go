package handlers

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/andybalholm/brotli"

	"parley/static"
)

// crawl follows every link from some addresses on, as pages and as fragments, and gives all that it meets.
func crawl(t *testing.T, v *visitor, from ...string) (met []*reply) {
	t.Helper()
	seen := map[string]bool{}
	for queue := from; len(queue) > 0 && len(met) < 160; queue = queue[1:] {
		path, _, _ := strings.Cut(queue[0], "#")
		if seen[path] || path == "" {
			continue
		}
		seen[path] = true
		for _, ask := range []option{asPage, asFragment} {
			r := v.get(path, ask)
			if r.status != 200 && r.status != 303 {
				t.Errorf("a link leads to %s, which answers %d", path, r.status)
			}
			if to := r.header.Get("Location"); to != "" {
				queue = append(queue, to)
			}
			met = append(met, r)
			r.doc().Find("[href], [hx-get], [src]").Each(func(_ int, s *goquery.Selection) {
				for _, name := range []string{"href", "hx-get", "src"} {
					queue = append(queue, s.AttrOr(name, ""))
				}
			})
		}
	}
	return met
}

// populated is a world with something to see at every address.
func populated(t *testing.T) (*world, *visitor) {
	t.Helper()
	w := newWorld(t)
	admin := w.person("admin")
	if _, err := w.db.Exec("UPDATE users SET is_admin = TRUE"); err != nil {
		t.Fatal(err)
	}
	everybodyWrites(w, admin, 32)
	eve := w.person("eve")
	eve.send("admin", "hello")
	w.disable("eve")
	admin.sendNumbers("admin", 1, 25)
	admin.sendNumbers("user007", 1, 25)
	return w, admin
}

// Trap: the strict Content-Security-Policy refuses whatever is inline, and says so only in a browser's console.
func TestEveryPageObeysThePolicy(t *testing.T) {
	w, admin := populated(t)
	met := crawl(t, admin, "/", "/conversations", "/users?q=zz", "/admin", "/admin/users", "/admin/messages", "/admin/audit")
	if len(met) < 100 {
		t.Errorf("the crawl met only %d answers", len(met))
	}
	met = append(met, crawl(t, w.nobody(), "/login", "/login?next=/users")...)
	met = append(met,
		admin.get("/nothing", asPage), admin.get("/messages", asPage), admin.post("/messages", asPage, form("recipient", "admin", "body", "")),
		admin.get("/conversations/eve", asPage), w.nobody().post("/login", asPage, credentials("x", "y")), admin.get("/ws", asPage))
	for _, r := range met {
		if strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
			checkPolicy(t, r)
		}
	}
}

func checkPolicy(t *testing.T, r *reply) {
	t.Helper()
	doc := r.doc()
	doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Nodes[0].Attr {
			name, value := strings.ToLower(a.Key), strings.ToLower(strings.TrimSpace(a.Val))
			switch {
			case name == "style", strings.HasPrefix(name, "on"), strings.HasPrefix(name, "hx-on"), name == "srcdoc", name == "hx-vals" && strings.HasPrefix(value, "js:"):
				t.Errorf("%s: <%s %s=%q>", r.what, s.Nodes[0].Data, a.Key, a.Val)
			case strings.HasPrefix(value, "javascript:"), strings.HasPrefix(value, "data:"):
				t.Errorf("%s: <%s %s=%q>", r.what, s.Nodes[0].Data, a.Key, a.Val)
			case name == "hx-trigger" && strings.ContainsAny(value, "["): // a filter is evaluated
				t.Errorf("%s: <%s %s=%q>", r.what, s.Nodes[0].Data, a.Key, a.Val)
			}
		}
	})
	doc.Find("style, iframe, object, embed, base, meta[http-equiv]").Each(func(_ int, s *goquery.Selection) {
		t.Errorf("%s has a <%s>", r.what, s.Nodes[0].Data)
	})
	doc.Find("script").Each(func(_ int, s *goquery.Selection) {
		if !strings.HasPrefix(s.AttrOr("src", ""), static.Prefix) || strings.TrimSpace(s.Text()) != "" {
			t.Errorf("%s has a script of its own: %s", r.what, s.Text())
		}
	})
	doc.Find("link[rel=stylesheet], link[rel=icon], img").Each(func(_ int, s *goquery.Selection) {
		if at := s.AttrOr("href", s.AttrOr("src", "")); !strings.HasPrefix(at, static.Prefix) {
			t.Errorf("%s loads %q", r.what, at)
		}
	})
	doc.Find("form").Each(func(_ int, s *goquery.Selection) {
		if to := s.AttrOr("action", ""); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
			t.Errorf("%s has a form to %q", r.what, to)
		}
	})
	checkIDs(t, r, doc)
}

// checkIDs expects each ID once, and something behind each reference to one.
func checkIDs(t *testing.T, r *reply, doc *goquery.Document) {
	t.Helper()
	ids := map[string]int{}
	doc.Find("[id]").Each(func(_ int, s *goquery.Selection) { ids[s.AttrOr("id", "")]++ })
	for id, n := range ids {
		if n > 1 || id == "" {
			t.Errorf("%s: the ID %q is there %d times", r.what, id, n)
		}
	}
	for _, name := range []string{"for", "aria-labelledby", "aria-describedby", "aria-controls"} {
		doc.Find("[" + name + "]").Each(func(_ int, s *goquery.Selection) {
			for _, id := range strings.Fields(s.AttrOr(name, "")) {
				if ids[id] == 0 {
					t.Errorf("%s: %s names %q, which isn't there", r.what, name, id)
				}
			}
		})
	}
}

// realistic is a conversation page as one sees it every day: 10 messages of about 80 characters, 20 rows.
func realistic(t *testing.T) (*world, *visitor) {
	t.Helper()
	w := newWorld(t)
	alice := w.person("alice")
	everybodyWrites(w, alice, 20)
	bob := w.person("bob")
	for i := range 5 {
		alice.send("bob", fmt.Sprintf("Shall we meet at the station at %d:30 and walk from there? The weather looks good.", i))
		bob.send("alice", fmt.Sprintf("Yes, gladly. I'll be on platform %d; if the train is late I write again, don't wait.", i))
	}
	return w, alice
}

func TestPagesAreSmall(t *testing.T) {
	_, alice := realistic(t)
	r := alice.get("/conversations/bob", asPage).want(200)
	if rows, messages := r.doc().Find("#conversations li[id]").Length(), r.doc().Find("article.message").Length(); rows != 20 || messages != 10 {
		t.Fatalf("the page has %d rows and %d messages", rows, messages)
	}
	t.Logf("a conversation page has %d octets", len(r.body))
	if len(r.body) > 15_000 {
		t.Errorf("the page has %d octets, more than 15 kB", len(r.body))
	}
	if one := alice.get("/messages/21-1", asFragment).want(200); len(one.body) > 1000 {
		t.Errorf("a message has %d octets", len(one.body))
	}
}

func TestPagesAreCompressed(t *testing.T) {
	w, alice := realistic(t)
	clientID := regexp.MustCompile(`name="client_id" value="[^"]*"`)
	plain := alice.get("/conversations/bob", asPage).want(200)
	if plain.header.Get("Content-Encoding") != "" {
		t.Error("whoever takes nothing compressed gets it compressed")
	}
	for accepted, want := range map[string]string{"gzip": "gzip", "br": "br", "gzip, deflate, br, zstd": "br", "identity": "", "": ""} {
		r := alice.get("/conversations/bob", asPage, header("Accept-Encoding", accepted)).want(200).wantHeader("Content-Encoding", want)
		if want == "" {
			continue
		}
		checkVary(t, r, "Accept", "HX-Request", "Accept-Encoding")
		t.Logf("%s: %d of %d octets", want, len(r.body), len(plain.body))
		if len(r.body) > 4000 {
			t.Errorf("%s: %d octets go over the wire", want, len(r.body))
		}
		got, _ := io.ReadAll(decoder(t, want, r.body))
		if same := []byte("name"); !bytes.Equal(clientID.ReplaceAll(got, same), clientID.ReplaceAll(plain.body, same)) {
			t.Errorf("%s: unpacked the page is another", want)
		}
	}
	for path, status := range map[string]int{"/logout": 303, "/messages": 415} { // nothing to compress, or an error
		alice.post(path, asPage, header("Accept-Encoding", "br")).want(status).wantHeader("Content-Encoding", "")
		alice = w.signIn(alice.user)
	}
}

func decoder(t *testing.T, encoding string, text []byte) io.Reader {
	t.Helper()
	if encoding == "br" {
		return brotli.NewReader(bytes.NewReader(text))
	}
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStaticFiles(t *testing.T) {
	w := newWorld(t)
	for _, name := range static.Names() {
		at := static.URL(name)
		plain := w.nobody().get(at).want(200).wantHeader("Cache-Control", "public, max-age=31536000, immutable").wantHeader("X-Content-Type-Options", "nosniff")
		checkVary(t, plain, "Accept-Encoding")
		for accepted, want := range map[string]string{"gzip, deflate, br": "br", "gzip": "gzip", "deflate": "", "br;q=0, gzip": "gzip", "br;q=0": "", "*;q=0": ""} {
			r := w.nobody().get(at, header("Accept-Encoding", accepted)).want(200).wantHeader("Content-Encoding", want)
			r.wantHeader("Content-Type", plain.header.Get("Content-Type"))
			got := r.body
			if want != "" {
				got, _ = io.ReadAll(decoder(t, want, r.body))
			}
			if !bytes.Equal(got, plain.body) {
				t.Errorf("%s as %q is another file", name, want)
			}
		}
		for ending, kind := range map[string]string{".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"} {
			if strings.HasSuffix(name, ending) && !strings.HasPrefix(plain.header.Get("Content-Type"), kind) {
				t.Errorf("%s is sent as %s", name, plain.header.Get("Content-Type"))
			}
		}
		if head := w.nobody().do(http.MethodHead, at).want(200); len(head.body) > 0 {
			t.Errorf("%s: HEAD has a body", name)
		}
		for _, stranger := range []string{static.Prefix + name, strings.Replace(at, ".", ".0", 1), at + "x", at + "%00"} {
			if r := w.nobody().get(stranger, asPage).want(404); strings.Contains(r.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s isn't there, for ever", stranger)
			}
		}
	}
}

// queries counts the statements that one request has the database carry out, and the round trips to it.
func (w *world) queries(request func()) (statements, trips int) {
	w.t.Helper()
	w.db.SetMaxOpenConns(1) // the counters are the connection's own
	status := func() (questions, prepared int) {
		rows, err := w.db.Query("SHOW SESSION STATUS WHERE Variable_name IN ('Questions', 'Com_stmt_prepare')")
		if err != nil {
			w.t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var n int
			if err := rows.Scan(&name, &n); err != nil {
				w.t.Fatal(err)
			}
			if name == "Questions" {
				questions = n
			} else {
				prepared = n
			}
		}
		return questions, prepared
	}
	before, preparedBefore := status()
	request()
	after, preparedAfter := status()
	statements = after - before - 1 // the second look
	return statements, statements + preparedAfter - preparedBefore
}

// What Parley replaces took 34 queries to show 15 messages.
func TestQueriesPerRequest(t *testing.T) {
	w, alice := realistic(t)
	var last string
	bob, err := w.store.UserByName(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	last = w.signIn(bob).send("alice", "one more").ID.String()
	alice.get("/users").want(200) // the first connection is made
	for _, c := range []struct {
		what    string
		most    int
		request func()
	}{
		{"a conversation page with something unread", 6, func() { alice.get("/conversations/bob", asPage).want(200) }},
		{"a conversation page", 6, func() { alice.get("/conversations/bob", asPage).want(200) }},
		{"a conversation fragment", 3, func() { alice.get("/conversations/bob", asFragment).want(200) }},
		{"older messages", 3, func() { alice.get("/messages?with=bob&limit=15", asFragment).want(200) }},
		{"a message fragment", 3, func() { alice.get("/messages/"+last, asFragment).want(200) }},
		{"catching up", 3, func() { alice.get("/messages?with=bob&since_rev=0", asFragment).want(200) }},
		{"the list of conversations", 3, func() { alice.get("/conversations", asFragment).want(200) }},
		{"the directory", 2, func() { alice.get("/users", asFragment).want(200) }},
		{"a first send", 12, func() { alice.post("/messages", asFragment, form("recipient", "alice", "body", "hi")).want(201) }},
		{"a send", 8, func() { alice.post("/messages", asFragment, form("recipient", "bob", "body", "hi")).want(201) }},
		{"a file", 0, func() { w.nobody().get(static.URL("app.css")).want(200) }},
		{"the sign-in page", 1, func() { w.nobody().get("/login").want(200) }},
	} {
		n, trips := w.queries(c.request)
		t.Logf("%s: %d statements, %d round trips", c.what, n, trips)
		if n > c.most {
			t.Errorf("%s takes %d statements, more than %d", c.what, n, c.most)
		}
	}
}
