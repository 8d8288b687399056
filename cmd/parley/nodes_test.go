package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/google/uuid"

	"parley/db/chat"
	"parley/db/dbtest"
)

// program finds a program that a test needs, also where it is outside an ordinary user's PATH.
func needsProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		dbtest.Missing(t, fmt.Errorf("this test needs %s: %w", name, err))
	}
	return path
}

// helper is another program that a test runs.
type helper struct {
	t    testing.TB
	addr string
	args []string
	cmd  *exec.Cmd
	log  *syncBuffer
}

func startHelper(t testing.TB, addr string, args ...string) *helper {
	t.Helper()
	h := &helper{t: t, addr: addr, args: args}
	h.start()
	t.Cleanup(h.kill)
	return h
}

// start returns when something listens at the address.
func (h *helper) start() {
	h.t.Helper()
	h.log = &syncBuffer{}
	h.cmd = exec.Command(h.args[0], h.args[1:]...)
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	await(h.t, h.args[0]+" to listen", func() bool {
		conn, err := net.Dial("tcp", h.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, h.log.String)
}

func (h *helper) kill() {
	_ = h.cmd.Process.Signal(syscall.SIGKILL) // it may have ended already
	_ = h.cmd.Wait()                          // "signal: killed" is what was asked for
}

func startRedis(t testing.TB) *helper {
	t.Helper()
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	return startHelper(t, addr, needsProgram(t, "redis-server"), "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir())
}

// proxies start a proxy with the README's settings, and with addresses of the test's own.
var proxies = map[string]func(t testing.TB, settings string) (args []string){
	"nginx": func(t testing.TB, settings string) []string {
		dir := t.TempDir()
		whole := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			whole += kind + "_temp_path " + dir + "/" + kind + ";\n"
		}
		return []string{needsProgram(t, "nginx"), "-p", dir, "-c", writeFile(t, dir, whole+settings+"}\n")}
	},
	"haproxy": func(t testing.TB, settings string) []string {
		return []string{needsProgram(t, "haproxy"), "-db", "-f", writeFile(t, t.TempDir(), settings)}
	},
}

func writeFile(t testing.TB, dir, text string) string {
	t.Helper()
	name := filepath.Join(dir, "settings")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// startProxy starts a proxy before nodes.
func startProxy(t *testing.T, kind string, nodes []*running) *helper {
	t.Helper()
	addr := freeAddr(t)
	fill := []string{"listen 80;", "listen " + addr + ";", "bind :80", "bind " + addr}
	for i, n := range nodes {
		fill = append(fill, fmt.Sprintf("127.0.0.1:%d", 8081+i), n.addr)
	}
	settings := strings.NewReplacer(fill...).Replace(blockOf(t, kind, "nodes"))
	return startHelper(t, addr, proxies[kind](t, settings)...)
}

// cluster is three nodes on one database, which tell each other by Redis.
type cluster struct {
	nodes []*running
	redis *helper
	store *chat.Store
}

func startCluster(t *testing.T, args ...string) *cluster {
	t.Helper()
	dsn, pool := dbtest.NewDSN(t)
	c := &cluster{redis: startRedis(t), store: chat.New(pool, chat.Options{})}
	for range 3 {
		c.nodes = append(c.nodes, start(t, append([]string{"--database-url", dsn, "--redis-url", "redis://" + c.redis.addr}, args...)...))
	}
	addPeople(t, c.store, "alice", "bob")
	c.awaitReady(t, "ok")
	return c
}

// awaitReady waits until each node says on /readyz how it is.
func (c *cluster) awaitReady(t *testing.T, status string) {
	t.Helper()
	for _, n := range c.nodes {
		await(t, "/readyz to say "+status, func() bool {
			answer, said := readyOf(t, n.url("/readyz"))
			return answer == http.StatusOK && said == status
		}, n.log.String)
	}
}

func readyOf(t *testing.T, url string) (status int, said string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct{ Status string }
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body.Status
}

// at is the same person, session and all, at another address of the same service.
func (c *client) at(base string) *client {
	here, err := url.Parse(base)
	if err != nil {
		c.t.Fatal(err)
	}
	there, _ := url.Parse(c.base)
	c.http.Jar.SetCookies(here, c.http.Jar.Cookies(there))
	return &client{t: c.t, base: base, http: c.http}
}

// screen is what somebody's open page does, without the screen: it keeps a copy of one conversation by a window and by
// catching up, and opens the window again when it closes.
type screen struct {
	*client
	with   string
	events chan string   // the types of the frames that came
	behind chan struct{} // something may have been missed

	mu     sync.Mutex
	rev    uint64
	copy   map[string]string // message ID -> body
	opened int
	codes  map[int]int // how often windows closed with which code
}

func openScreen(c *client, with string) *screen {
	p := &screen{client: c, with: with, events: make(chan string, 100_000), behind: make(chan struct{}, 1), copy: map[string]string{}, codes: map[int]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.live(ctx) })
	running.Go(func() { p.sync(ctx) })
	c.t.Cleanup(func() { cancel(); running.Wait() })
	return p
}

// sync fetches when something may have been missed, once for all that came meanwhile.
func (p *screen) sync(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.behind:
			p.catchUp(ctx)
		}
	}
}

func (p *screen) fallBehind() {
	select {
	case p.behind <- struct{}{}:
	default:
	}
}

func (p *screen) live(ctx context.Context) {
	for ctx.Err() == nil {
		p.window(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(300*time.Millisecond + rand.N(1700*time.Millisecond)): // as live.js does
		}
	}
}

func (p *screen) window(ctx context.Context) {
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, strings.Replace(p.base, "http", "ws", 1)+"/ws", http.Header{"Cookie": {p.cookie()}, "Origin": {p.base}})
	if err != nil {
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p.note(func() { p.opened++ })
	p.fallBehind()
	for {
		_, text, err := conn.ReadMessage()
		if closing, ok := errors.AsType[*websocket.CloseError](err); ok {
			p.note(func() { p.codes[closing.Code]++ })
		}
		if err != nil {
			return
		}
		var frame struct{ Type string }
		if json.Unmarshal(text, &frame) == nil {
			p.events <- frame.Type
		}
		p.fallBehind()
	}
}

func (p *screen) note(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// catchUp fetches what changed since what the page knows, and goes on until there is no more or an answer fails to come.
func (p *screen) catchUp(ctx context.Context) {
	for {
		rev, more, ok := p.changes(ctx, p.known())
		if !ok {
			time.AfterFunc(100*time.Millisecond, p.fallBehind)
			return
		}
		p.note(func() {
			p.rev = rev
			maps.Copy(p.copy, more)
		})
		if len(more) == 0 {
			return
		}
	}
}

func (p *screen) known() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rev
}

func (p *screen) changes(ctx context.Context, since uint64) (rev uint64, more map[string]string, ok bool) {
	status, body, err := p.try(ctx, http.MethodGet, "/messages?limit=100&with="+p.with+"&since_rev="+strconv.FormatUint(since, 10), nil)
	var got struct {
		Results []struct{ ID, Body string }
		Rev     uint64
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &got) != nil {
		return 0, nil, false
	}
	more = map[string]string{}
	for _, m := range got.Results {
		more[m.ID] = m.Body
	}
	return got.Rev, more, true
}

// shows waits until the page has a text.
func (p *screen) shows(body string, within time.Duration) {
	p.t.Helper()
	for deadline := time.Now().Add(within); !p.has(body); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Errorf("after %s the page doesn't show %q", within, body)
			return
		}
	}
}

func (p *screen) has(body string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(slices.Collect(maps.Values(p.copy)), body)
}

// windows is how many were opened.
func (p *screen) windows() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// snapshot is what the page shows.
func (p *screen) snapshot() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.copy)
}

// sender sends one message after the other, each again under its client ID until it is acknowledged.
type sender struct {
	*client
	to    string
	acked map[string]string // message ID -> body
	again int               // how often a send had to be repeated
}

func (s *sender) talk(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		body := fmt.Sprintf("%d to %s", n, s.to)
		id := s.insist(body, uuid.NewString())
		if s.acked[id] != "" {
			s.t.Errorf("%s is acknowledged for %q and for %q", id, s.acked[id], body)
		}
		s.acked[id] = body
	}
}

func (s *sender) insist(body, clientID string) string {
	for began := time.Now(); time.Since(began) < patience; s.again++ {
		status, text, err := s.try(context.Background(), http.MethodPost, "/messages", map[string]string{"recipient": s.to, "body": body, "client_id": clientID})
		var got struct{ ID string }
		if err == nil && (status == http.StatusCreated || status == http.StatusOK) && json.Unmarshal(text, &got) == nil {
			return got.ID
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Errorf("%q is never acknowledged", body)
	return ""
}

// TestNodesBehindAProxy talks through the proxies of the README while one node after the other restarts: nothing is lost
// and nothing is there twice, and everybody's page shows it all.
func TestNodesBehindAProxy(t *testing.T) {
	for kind, drain := range map[string]string{"nginx": "0s", "haproxy": "1s"} {
		t.Run(kind, func(t *testing.T) {
			needsProgram(t, kind)
			c := startCluster(t, "--drain-for", drain)
			proxy := startProxy(t, kind, c.nodes)
			alice, bob := clientFor(t, "http://"+proxy.addr, "alice"), clientFor(t, "http://"+proxy.addr, "bob")
			var pages []*screen
			for range 4 {
				pages = append(pages, openScreen(alice, "bob"), openScreen(bob, "alice"))
			}
			for _, p := range pages {
				await(t, "a window", func() bool { return p.windows() > 0 })
			}
			senders := []*sender{{client: alice, to: "bob", acked: map[string]string{}}, {client: bob, to: "alice", acked: map[string]string{}}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var talking sync.WaitGroup
			for _, s := range senders {
				talking.Go(func() { s.talk(ctx) })
			}
			for _, n := range c.nodes {
				if err := n.stop(); err != nil {
					t.Errorf("a node ended with %v\n%s", err, n.log)
				}
				n.start()
			}
			cancel()
			talking.Wait()
			checkTalk(t, senders, pages)
		})
	}
}

func checkTalk(t *testing.T, senders []*sender, pages []*screen) {
	t.Helper()
	acked := map[string]string{}
	for _, s := range senders {
		maps.Copy(acked, s.acked)
	}
	if len(acked) != len(senders[0].acked)+len(senders[1].acked) || len(acked) < 10 {
		t.Errorf("%d and %d messages were acknowledged under %d IDs", len(senders[0].acked), len(senders[1].acked), len(acked))
	}
	fresh := &screen{client: pages[0].client, with: pages[0].with, copy: map[string]string{}}
	fresh.catchUp(t.Context())
	if !maps.Equal(fresh.copy, acked) {
		t.Errorf("%d messages were acknowledged, and %d are there", len(acked), len(fresh.copy))
	}
	closed := 0
	for _, p := range pages {
		await(t, "each page to show it all", func() bool { return maps.Equal(p.snapshot(), acked) })
		p.note(func() {
			for code, n := range p.codes {
				closed += n
				if code != websocket.CloseServiceRestart {
					t.Errorf("%d windows were closed with %d", n, code)
				}
			}
		})
	}
	if closed < len(pages) {
		t.Errorf("%d windows of %d pages were closed by the restarts of all nodes", closed, len(pages))
	}
	t.Logf("%d messages, %d sends repeated, %d windows closed with 1012", len(acked), senders[0].again+senders[1].again, closed)
}

// TestNodesTellEachOther has two people whose windows are on two nodes talk, before, while and after Redis is away.
func TestNodesTellEachOther(t *testing.T) {
	c := startCluster(t)
	alice, bob := clientFor(t, c.nodes[0].url(""), "alice"), clientFor(t, c.nodes[1].url(""), "bob")
	phone := clientFor(t, c.nodes[0].url(""), "bob")
	alices, bobs := openScreen(alice, "bob"), openScreen(bob, "alice")
	phones := openScreen(phone.at(c.nodes[2].url("")), "alice")
	for _, p := range []*screen{alices, bobs, phones} {
		await(t, "the window to open", func() bool { return p.windows() > 0 })
	}
	alice.send("bob", "hello")
	bobs.shows("hello", time.Second)
	phones.shows("hello", time.Second)
	bob.send("alice", "hello yourself")
	alices.shows("hello yourself", time.Second)

	c.redis.kill()
	c.awaitReady(t, "degraded")
	bobs.drainEvents()
	alice.send("bob", "without Redis")
	alices.shows("without Redis", time.Second) // a window on the node that it was sent on
	bobs.shows("without Redis", 10*time.Second)
	phones.shows("without Redis", 10*time.Second)
	began := time.Now()
	if status, _ := phone.do(http.MethodPost, "/logout", nil); status != http.StatusNoContent {
		t.Errorf("signing out is answered with %d", status)
	}
	await(t, "the end of the other node's window", func() bool {
		phones.mu.Lock()
		defer phones.mu.Unlock()
		return phones.codes[websocket.ClosePolicyViolation] == 1
	})
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("it took %s", took)
	}

	bobs.drainEvents()
	c.redis.start()
	c.awaitReady(t, "ok")
	await(t, "bob's window to be told to look", func() bool { return bobs.heard("check") })
	alice.send("bob", "with Redis again")
	bobs.shows("with Redis again", time.Second)
	await(t, "a push, after the checks", func() bool { return bobs.heard("message") })
	for _, n := range c.nodes {
		if log := n.log.String(); strings.Count(log, "Redis") != 2 || strings.Contains(log, "level=ERROR") {
			t.Errorf("the log is to have one line of Redis' end and one of its return:\n%s", log)
		}
	}
}

// drainEvents forgets the frames that came until now.
func (p *screen) drainEvents() {
	for len(p.events) > 0 {
		<-p.events
	}
}

// heard says whether a frame of a type has come.
func (p *screen) heard(kind string) bool {
	for len(p.events) > 0 {
		if <-p.events == kind {
			return true
		}
	}
	return false
}
