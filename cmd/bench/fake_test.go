package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake speaks as much of Parley as bench asks for, and can be told to break its promises.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	messages []fakeMessage
	windows  map[string]net.Conn // each person's latest
	all      []net.Conn          // so that none is closed for nobody's holding it

	onLogin  func() bool // whether there is a cookie
	onWindow func(net.Conn)
	onSend   func(n int)                       // before the n-th message is stored
	onShow   func(body string) string          // what a fragment shows
	onAnswer func(body string) string          // what the sender's answer shows
	onPush   func(to, id string) bool          // whether to push
	onList   func(m fakeMessage) []fakeMessage // what catch-up gives of a message
}

type fakeMessage struct {
	ID, User, Body string
	to             string
}

func newFake(t *testing.T) *fake {
	f := &fake{
		windows:  map[string]net.Conn{},
		onWindow: func(net.Conn) {},
		onLogin:  func() bool { return true },
		onSend:   func(int) {},
		onShow:   func(body string) string { return body },
		onAnswer: func(body string) string { return body },
		onPush:   func(string, string) bool { return true },
		onList:   func(m fakeMessage) []fakeMessage { return []fakeMessage{m} },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", f.login)
	mux.HandleFunc("GET /ws", f.window)
	mux.HandleFunc("POST /messages", f.send)
	mux.HandleFunc("GET /messages/{id}", f.show)
	mux.HandleFunc("GET /messages", f.list)
	mux.HandleFunc("GET /conversations", func(w http.ResponseWriter, _ *http.Request) { whole(w, 200, "") })
	mux.HandleFunc("GET /conversations/{name}", func(w http.ResponseWriter, r *http.Request) {
		whole(w, 200, `<div data-with="`+r.PathValue("name")+`">`)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func whole(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	fmt.Fprint(w, text)
}

func asked(r *http.Request) string {
	cookie, err := r.Cookie("parley")
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (f *fake) login(w http.ResponseWriter, r *http.Request) {
	if f.onLogin() {
		http.SetCookie(w, &http.Cookie{Name: "parley", Value: r.FormValue("username"), HttpOnly: true})
	}
	whole(w, 200, `{"username":"`+r.FormValue("username")+`"}`)
}

func (f *fake) window(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != f.URL {
		whole(w, 403, "")
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.windows[asked(r)] = conn
	f.all = append(f.all, conn)
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	f.onWindow(conn)
}

func (f *fake) fragment(id, body string) string {
	return `<article id="message-` + id + `"><p class="body">` + html.EscapeString(body) + `</p></article>`
}

func (f *fake) send(w http.ResponseWriter, r *http.Request) {
	from, to := asked(r), r.FormValue("recipient")
	f.mu.Lock()
	n := len(f.messages)
	f.mu.Unlock()
	f.onSend(n)
	f.mu.Lock()
	defer f.mu.Unlock()
	m := fakeMessage{ID: fmt.Sprintf("%d-%d", conversationOf(from, to), f.count(from, to)+1), User: from, Body: r.FormValue("body"), to: to}
	f.messages = append(f.messages, m)
	f.push(to, from, m.ID)
	f.push(from, to, m.ID)
	w.Header().Set("Location", "/messages/"+m.ID)
	whole(w, 201, f.fragment(m.ID, f.onAnswer(m.Body)))
}

// conversationOf works for the pairs of demo people that bench makes.
func conversationOf(a, b string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(min(a, b), "demo"))
	return n/2 + 1
}

func (f *fake) count(a, b string) (n int) {
	for _, m := range f.messages {
		if conversationOf(m.User, m.to) == conversationOf(a, b) {
			n++
		}
	}
	return n
}

func (f *fake) push(to, with, id string) {
	if !f.onPush(to, id) || f.windows[to] == nil {
		return
	}
	text := fmt.Sprintf(`{"type":"message","id":%q,"with":%q,"rev":1}`, id, with)
	_, _ = f.windows[to].Write(append([]byte{0x80 | opText, byte(len(text))}, text...)) // bench has left
}

func (f *fake) show(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.ID == r.PathValue("id") {
			whole(w, 200, f.fragment(m.ID, f.onShow(m.Body)))
			return
		}
	}
	whole(w, 404, "")
}

// list gives one message a page, so that paging is tested too.
func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []fakeMessage
	for _, m := range f.messages {
		if conversationOf(m.User, m.to) == conversationOf(asked(r), r.FormValue("with")) {
			all = append(all, f.onList(m)...)
		}
	}
	since, _ := strconv.Atoi(r.FormValue("since_rev"))
	page := map[string]any{"results": all[min(since, len(all)):min(since+1, len(all))], "rev": since + 1, "next": nil}
	if since+1 < len(all) {
		page["next"] = "more"
	}
	if r.FormValue("since_rev") == "" {
		page = map[string]any{"results": nil, "rev": len(all)}
	}
	text, _ := json.Marshal(page)
	whole(w, 200, string(text))
}

// bench runs the pairs scenario against the fake.
func (f *fake) bench(t *testing.T, change func(*options)) *result {
	t.Helper()
	o := options{Pairs: 2, Duration: 600 * time.Millisecond, Arrivals: "even", As: "fragment", Alternate: true, Seed: 1}
	if change != nil {
		change(&o)
	}
	all, err := measureTalk(t.Context(), o, f.asServer())
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

func (f *fake) asServer() *server {
	return &server{place: place{address: strings.TrimPrefix(f.URL, "http://"), origin: f.URL}}
}
