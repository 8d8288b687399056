package handlers

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/handlers/fanout"
	"parley/handlers/trace"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// patience bounds each wait for something that is sure to come.
const patience = 15 * time.Second

// password is that of everybody in these tests.
const password = "correct horse"

// world is a server on a database of its own, with people in it.
type world struct {
	t      testing.TB
	db     *sql.DB
	store  *chat.Store
	nodes  *fanout.Memory
	server *Server
	log    *logBuffer
	clock  *clock
	end    sync.Once
}

// setting changes what a world is made of.
type setting func(*Config, *chat.Options)

func newWorld(t testing.TB, settings ...setting) *world {
	t.Helper()
	return worldOn(t, dbtest.New(t), settings...)
}

// worldOn is a server on a database that others may use too.
func worldOn(t testing.TB, db *sql.DB, settings ...setting) *world {
	t.Helper()
	w := &world{t: t, db: db, nodes: fanout.NewMemory(), log: &logBuffer{}, clock: &clock{}}
	traces := trace.New(1 << 10)
	options := chat.Options{Notifier: w.nodes, Now: w.clock.now, Tracer: traces}
	config := Config{
		Fanout: w.nodes, MessagesToLoad: 10, TimeZone: time.UTC, Node: "here", Traces: traces,
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, set := range settings {
		set(&config, &options)
	}
	w.store = chat.New(w.db, options)
	config.Store = w.store
	w.server = New(config)
	t.Cleanup(w.shutdown)
	return w
}

// shutdown may be called again: tests of it call it before the clean-up does.
func (w *world) shutdown() {
	w.end.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			w.t.Error(err)
		}
	})
}

// baseURL sets the public address.
func baseURL(text string) setting {
	base, err := url.Parse(text)
	if err != nil {
		panic(err) // the tests' own text
	}
	return func(c *Config, _ *chat.Options) { c.BaseURL = base }
}

// forgetful has every message read from the database, for tests that change it there.
func forgetful(_ *Config, o *chat.Options) { o.RememberFor = -1 }

func longestBody(n int) setting {
	return func(_ *Config, o *chat.Options) { o.MaxBodyLength = n }
}

// clock is the real time, moved on as a test wants it.
type clock struct {
	mu    sync.Mutex
	moved time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.moved)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
}

// logBuffer is a log that a server writes while a test reads.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// visitor is a browser or a program, with or without a session.
type visitor struct {
	*world
	user  chat.User // zero for somebody who isn't signed in
	token string
}

func (w *world) nobody() *visitor { return &visitor{world: w} }

// person makes an account and signs it in.
func (w *world) person(username string) *visitor {
	w.t.Helper()
	return w.signIn(w.account(chat.NewUser{Username: username}))
}

func (w *world) account(n chat.NewUser) chat.User {
	w.t.Helper()
	n.Password = password
	u, err := w.store.CreateUser(context.Background(), n)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// signIn starts one more session without the price of checking a password, and without a trace in the audit log.
func (w *world) signIn(u chat.User) *visitor {
	w.t.Helper()
	token, _, err := w.store.StartSession(context.Background(), u, chat.Device{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec("DELETE FROM audit_events WHERE action = 'session.sign_in' AND ip = ''")
	return &visitor{world: w, user: u, token: token}
}

// crowd makes accounts that nobody signs in to, cheaply.
func (w *world) crowd(usernames ...string) {
	w.t.Helper()
	const row = "(?, ?, ?, ?, '', FALSE, NOW(6))"
	var values []any
	for _, u := range usernames {
		values = append(values, u, u, u, u+" "+u)
	}
	_, err := w.db.Exec("INSERT INTO users (username, username_key, display_name, search_key, password_hash, is_admin, created_at) VALUES "+
		strings.TrimSuffix(strings.Repeat(row+",", len(usernames)), ","), values...)
	if err != nil {
		w.t.Fatal(err)
	}
}

// disable ends an account as an admin would.
func (w *world) disable(username string) {
	w.t.Helper()
	if _, err := w.db.Exec("UPDATE users SET disabled_at = NOW(6) WHERE username = ?", username); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) messages() int { return w.count("messages") }

func (w *world) count(table string) (n int) {
	w.t.Helper()
	if err := w.db.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// send stores a message without HTTP.
func (v *visitor) send(recipient, body string) chat.Message {
	v.t.Helper()
	m, _, err := v.store.SendMessage(context.Background(), v.user, chat.Draft{Recipient: recipient, Body: body})
	if err != nil {
		v.t.Fatal(err)
	}
	return m
}

// option is a part of a request.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// The three shapes of an answer, as clients ask for them.
var (
	asPage     = header("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	asFragment = func(r *http.Request) {
		r.Header.Set("Accept", "text/html, */*")
		r.Header.Set("HX-Request", "true")
	}
	asJSON = header("Accept", "application/json")
)

var shapes = []struct {
	name  string
	ask   option
	shape shape
}{
	{"page", asPage, page},
	{"fragment", asFragment, fragment},
	{"JSON", asJSON, program},
}

// body sends text of some type.
func body(contentType, text string) option {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", contentType)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

// form sends fields, given as name and value in turn.
func form(pairs ...string) option {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return body("application/x-www-form-urlencoded", values.Encode())
}

// object sends JSON.
func object(v any) option {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the tests' own value
	}
	return body("application/json", string(text))
}

type fields = map[string]any

func (v *visitor) get(path string, options ...option) *reply {
	v.t.Helper()
	return v.do(http.MethodGet, path, options...)
}

func (v *visitor) post(path string, options ...option) *reply {
	v.t.Helper()
	return v.do(http.MethodPost, path, options...)
}

func (v *visitor) do(method, path string, options ...option) *reply {
	v.t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	r.RequestURI = path // as it is: some of these no client of Go's would send
	if v.token != "" {
		r.Header.Set("Cookie", v.cookie())
	}
	for _, o := range options {
		o(r)
	}
	answer, err := v.server.App().Test(r, int(patience.Milliseconds()))
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &reply{t: v.t, what: method + " " + path, status: answer.StatusCode, header: answer.Header, body: content, cookies: answer.Cookies()}
}

func (v *visitor) cookie() string { return v.server.sessions.name + "=" + v.token }

// reply is an answer, read whole.
type reply struct {
	t       testing.TB
	what    string
	status  int
	header  http.Header
	body    []byte
	cookies []*http.Cookie
}

func (r *reply) want(status int) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Errorf("%s: status %d, want %d\n%s", r.what, r.status, status, r.start())
	}
	return r
}

func (r *reply) start() string { return string(r.body[:min(len(r.body), 400)]) }

func (r *reply) wantHeader(name, value string) *reply {
	r.t.Helper()
	if got := r.header.Get(name); got != value {
		r.t.Errorf("%s: %s is %q, want %q", r.what, name, got, value)
	}
	return r
}

func (r *reply) wantText(texts ...string) *reply {
	r.t.Helper()
	for _, text := range texts {
		if !bytes.Contains(r.body, []byte(text)) {
			r.t.Errorf("%s: %q isn't in it:\n%s", r.what, text, r.start())
		}
	}
	return r
}

func (r *reply) wantNoText(texts ...string) *reply {
	r.t.Helper()
	for _, text := range texts {
		if bytes.Contains(r.body, []byte(text)) {
			r.t.Errorf("%s: %q is in it:\n%s", r.what, text, r.start())
		}
	}
	return r
}

// into reads JSON strictly: a field that the contract doesn't have is an error.
func (r *reply) into(v any) {
	r.t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(r.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		r.t.Fatalf("%s: %v in %s", r.what, err, r.start())
	}
}

// wantJSON compares the whole body, field by field.
func (r *reply) wantJSON(want string) *reply {
	r.t.Helper()
	if got := compact(r.t, r.body); got != compact(r.t, []byte(want)) {
		r.t.Errorf("%s:\n got %s\nwant %s", r.what, got, compact(r.t, []byte(want)))
	}
	return r
}

// compact keeps the order of fields, which is a part of what people read in the contract.
func compact(t testing.TB, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return b.String()
}

// wantProblem expects an error in JSON and gives it.
func (r *reply) wantProblem(status int) problem {
	r.t.Helper()
	r.want(status).wantHeader("Content-Type", "application/problem+json")
	var p problem
	r.into(&p)
	if p.Status != status || p.Title != http.StatusText(status) || p.Detail == "" || p.Type != "about:blank" {
		r.t.Errorf("%s: the problem is %+v", r.what, p)
	}
	return p
}

// wantFields expects a problem that names just these fields.
func (r *reply) wantFields(status int, names ...string) {
	r.t.Helper()
	p := r.wantProblem(status)
	for _, name := range names {
		if len(p.Errors[name]) == 0 {
			r.t.Errorf("%s: nothing is said about %s: %v", r.what, name, p.Errors)
		}
	}
	if len(p.Errors) != len(names) {
		r.t.Errorf("%s: errors are %v, want just %v", r.what, p.Errors, names)
	}
}

func (r *reply) doc() *goquery.Document {
	r.t.Helper()
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(r.body))
	if err != nil {
		r.t.Fatal(err)
	}
	return doc
}

// await polls until a condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// listen serves on a real port, for what Fiber's Test can't do, and gives its address.
func (w *world) listen() string {
	w.t.Helper()
	return w.listenBehind(func(l net.Listener) net.Listener { return l })
}

func (w *world) listenBehind(wrap func(net.Listener) net.Listener) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(wrap(l)) }()
	w.t.Cleanup(func() {
		w.shutdown()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return l.Addr().String()
}

// renewedAfter is longer than a session stays without being renewed.
const renewedAfter = 2 * time.Minute
