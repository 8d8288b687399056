package handlers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"
	"go.uber.org/goleak"

	"parley/db/chat"
	"parley/handlers/hub"
)

// window is one open WebSocket, as a page has it.
type window struct {
	t    testing.TB
	conn *websocket.Conn
}

// handshakeHeader is what a browser sends from a page of the server.
func (v *visitor) handshakeHeader(addr string) http.Header {
	h := http.Header{"Origin": {"http://" + addr}}
	if v.token != "" {
		h.Set("Cookie", v.cookie())
	}
	return h
}

func (v *visitor) open(addr string) *window {
	v.t.Helper()
	conn, answer, err := websocket.DefaultDialer.DialContext(context.Background(), "ws://"+addr+"/ws", v.handshakeHeader(addr))
	if err != nil {
		v.t.Fatalf("opening a window: %v (%+v)", err, answer)
	}
	v.t.Cleanup(func() { conn.Close() })
	return &window{v.t, conn}
}

// next gives the next frame's text.
func (w *window) next() string {
	w.t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
	kind, text, err := w.conn.ReadMessage()
	if err != nil || kind != websocket.TextMessage {
		w.t.Fatalf("no frame came: kind %d, %v", kind, err)
	}
	return string(text)
}

func (w *window) want(frame string) {
	w.t.Helper()
	if got := w.next(); got != frame {
		w.t.Errorf("the frame is %s, want %s", got, frame)
	}
}

// closeCode waits for the end and says how it came; 0 is an end without a closing frame.
func (w *window) closeCode() int {
	w.t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
	for {
		_, _, err := w.conn.ReadMessage()
		if closing, ok := errors.AsType[*websocket.CloseError](err); ok && closing.Code != websocket.CloseAbnormalClosure {
			return closing.Code
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.t.Fatal("the window stays open")
		}
		if err != nil {
			return 0
		}
	}
}

// canary is an event of a user's own. Whoever hears it first has heard nothing before it.
func (v *visitor) canary() string {
	v.nodes.Notify(chat.Event{Type: chat.EventRead, To: v.user.ID, With: "canary", Seq: 1})
	return `{"type":"read","with":"canary","seq":1}`
}

func (w *world) awaitWindows(n int) {
	w.t.Helper()
	await(w.t, fmt.Sprintf("%d windows", n), func() bool { return w.server.Windows() == n })
}

// Trap: only string-keyed locals survive the upgrade; by any other key the window would never meet its connection.
func TestPush(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice, bob, carol := w.person("alice"), w.person("Bob.B"), w.person("carol")
	alices := []*window{alice.open(addr), alice.open(addr), w.signIn(alice.user).open(addr)}
	bobs := []*window{bob.open(addr), w.signIn(bob.user).open(addr)}
	carols := carol.open(addr)
	m := alice.send("bob.b", "the secret of alice and bob")
	for _, one := range alices {
		one.want(fmt.Sprintf(`{"type":"message","id":%q,"with":"Bob.B","rev":1}`, m.ID))
	}
	for _, one := range bobs {
		one.want(fmt.Sprintf(`{"type":"message","id":%q,"with":"alice","rev":1}`, m.ID))
	}
	bob.get("/conversations/alice", asPage).want(200)
	for _, one := range bobs {
		one.want(`{"type":"read","with":"alice","seq":1}`)
	}
	note := alice.send("alice", "a note")
	for _, one := range alices {
		one.want(fmt.Sprintf(`{"type":"message","id":%q,"with":"alice","rev":1}`, note.ID))
	}
	carols.want(carol.canary()) // and nothing before it
	for _, one := range alices {
		one.want(alice.canary())
	}
}

// What is sent over HTTP is heard, in the order of rev, however it is sent.
func TestPushFollowsEverySend(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice, bob := w.person("alice"), w.person("bob")
	heard := bob.open(addr)
	for i, s := range shapes {
		alice.post("/messages", s.ask, form("recipient", "bob", "body", s.name, "client_id", someClientID[:35]+fmt.Sprint(i)))
		heard.want(fmt.Sprintf(`{"type":"message","id":"1-%d","with":"alice","rev":%d}`, i+1, i+1))
	}
	alice.post("/messages", asJSON, form("recipient", "bob", "body", "")).want(422)
	heard.want(bob.canary())
}

// rawHandshake is a handshake with some header lines left out ("Name:") or changed.
func rawHandshake(t *testing.T, addr string, v *visitor, method string, changes ...string) (*http.Response, net.Conn) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r, err := http.NewRequest(method, "http://"+addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = v.handshakeHeader(addr)
	for _, line := range append([]string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, changes...) {
		name, value, _ := strings.Cut(line, ":")
		r.Header.Del(name)
		if value = strings.TrimSpace(value); value != "" {
			r.Header.Set(name, value)
		}
	}
	_ = conn.SetDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatal(err)
	}
	return answer, conn
}

// refusedHandshake is a request that opens no window, and the status that it gets.
type refusedHandshake struct {
	who    *visitor
	method string
	change string // lines of its header: see rawHandshake
	status int
}

func foreignHandshakes(alice *visitor, addr string) map[string]refusedHandshake {
	return map[string]refusedHandshake{
		"another site":         {alice, "GET", "Origin: https://evil.example", 403},
		"no URL":               {alice, "GET", "Origin: ://", 403},
		"a longer name":        {alice, "GET", "Origin: http://" + addr + ".evil.example", 403},
		"another port":         {alice, "GET", "Origin: http://127.0.0.1:1", 403},
		"another scheme":       {alice, "GET", "Origin: file://" + addr, 403},
		"base without TLS":     {alice, "GET", "Origin: http://chat.example", 403},
		"a sub-domain":         {alice, "GET", "Origin: https://www.chat.example", 403},
		"a longer name before": {alice, "GET", "Origin: http://evil" + addr, 403},
		"a name in its user":   {alice, "GET", "Origin: http://" + addr + "@evil.example", 403},
		"a longer port":        {alice, "GET", "Origin: http://" + addr + "0", 403},
		"the base and more":    {alice, "GET", "Origin: https://chat.example.evil.example", 403},
		"two origins":          {alice, "GET", "Origin: http://" + addr + " https://evil.example", 403},
	}
}

func sandboxedHandshakes(alice *visitor, addr string) map[string]refusedHandshake {
	return map[string]refusedHandshake{
		"a sandbox":      {alice, "GET", "Origin: null", 403},
		"in capitals":    {alice, "GET", "Origin: NULL", 403},
		"a file":         {alice, "GET", "Origin: file://", 403},
		"an extension":   {alice, "GET", "Origin: chrome-extension://" + addr, 403},
		"a data address": {alice, "GET", "Origin: data:text/html,x", 403},
	}
}

func originlessHandshakes(alice *visitor, _ string) map[string]refusedHandshake {
	return map[string]refusedHandshake{
		"no origin":      {alice, "GET", "Origin:", 403},
		"the old header": {alice, "GET", "Origin:\nSec-WebSocket-Origin: http://evil.example", 403},
	}
}

func strangersHandshakes(alice *visitor, _ string) map[string]refusedHandshake {
	nobody := alice.nobody()
	return map[string]refusedHandshake{
		"signed out":       {nobody, "GET", "", 401},
		"a dead session":   {alice.asCookie("x"), "GET", "", 401},
		"a token as query": {nobody, "GET", "Sec-WebSocket-Protocol: bearer, " + alice.token, 401},
		"a made-up token":  {nobody, "GET", "Authorization: Bearer parley_x", 401},
		"a session's":      {nobody, "GET", "Authorization: Bearer " + alice.token, 401},
	}
}

func brokenHandshakes(alice *visitor, _ string) map[string]refusedHandshake {
	return map[string]refusedHandshake{
		"no key":         {alice, "GET", "Sec-WebSocket-Key:", 426},
		"an old version": {alice, "GET", "Sec-WebSocket-Version: 8", 426},
		"no version":     {alice, "GET", "Sec-WebSocket-Version:", 426},
		"no upgrade":     {alice, "GET", "Upgrade:", 426},
		"h2c":            {alice, "GET", "Upgrade: h2c", 426},
		"no connection":  {alice, "GET", "Connection:", 426},
		"POST":           {alice, "POST", "", 405},
		"HEAD":           {alice, "HEAD", "", 426},
	}
}

// Traps: every Origin is allowed by default; a message may fall between the answer and the registration, and a window
// may stay registered whose handshake failed.
func refusedHandshakes(t *testing.T, all func(alice *visitor, addr string) map[string]refusedHandshake) {
	w := newWorld(t, baseURL("https://chat.example"))
	addr := w.listen()
	for name, c := range all(w.person("alice"), addr) {
		t.Run(name, func(t *testing.T) {
			answer, _ := rawHandshake(t, addr, c.who, c.method, strings.Split(c.change, "\n")...)
			if answer.StatusCode != c.status {
				t.Errorf("status %d, want %d", answer.StatusCode, c.status)
			}
			checkSecurityHeaders(t, &reply{t: t, what: name, header: answer.Header})
			if c.status == http.StatusUpgradeRequired && (answer.Header.Get("Upgrade") != "websocket" || answer.Header.Get("Sec-WebSocket-Version") != "13") {
				t.Errorf("the answer doesn't say what to upgrade to: %v", answer.Header)
			}
			if upgrading := c.change != "Upgrade:" && c.change != "Connection:" && c.change != "Upgrade: h2c"; upgrading && answer.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("a script is answered with %s", answer.Header.Get("Content-Type"))
			}
			if n := w.server.Windows(); n != 0 {
				t.Errorf("%d windows are registered", n)
			}
		})
	}
}

func TestRefusedHandshakes(t *testing.T) { refusedHandshakes(t, brokenHandshakes) }

func TestOwnHandshakes(t *testing.T) {
	w := newWorld(t, baseURL("https://chat.example"))
	addr := w.listen()
	alice := w.person("alice")
	for _, origin := range []string{"http://" + addr, "https://" + addr, "https://chat.example"} {
		answer, conn := rawHandshake(t, addr, alice, "GET", "Origin: "+origin, "Sec-WebSocket-Extensions: permessage-deflate")
		if answer.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("our own %s is answered with %d", origin, answer.StatusCode)
		}
		if extensions := answer.Header.Get("Sec-WebSocket-Extensions"); extensions != "" {
			t.Errorf("frames would be compressed: %s", extensions) // Trap: compression costs each window its memory
		}
		if encoding := answer.Header.Get("Content-Encoding"); encoding != "" {
			t.Errorf("the answer is encoded: %s", encoding)
		}
		conn.Close()
	}
	w.awaitWindows(0)
}

// Trap: no read limit by default. A client may answer pings and say goodbye, nothing else.
func TestClientFrames(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	for name, c := range map[string]struct {
		kind int
		text string
		code int
	}{
		"a text":            {websocket.TextMessage, "hi", 1008},
		"nothing":           {websocket.TextMessage, "", 1008},
		"octets":            {websocket.BinaryMessage, "\x00\xff", 1008},
		"the most":          {websocket.TextMessage, strings.Repeat("x", 512), 1008},
		"too much":          {websocket.TextMessage, strings.Repeat("x", 512+1), 1009},
		"goodbye":           {websocket.CloseMessage, string(websocket.FormatCloseMessage(1001, "")), 1001},
		"a bad goodbye":     {websocket.CloseMessage, "\x00\x01", 1002},
		"an unknown opcode": {11, "", 1002},
	} {
		t.Run(name, func(t *testing.T) {
			one := w.signIn(alice.user).open(addr)
			one.t = t
			if c.kind == websocket.CloseMessage {
				if err := one.conn.WriteControl(c.kind, []byte(c.text), time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
			} else if c.kind > websocket.CloseMessage {
				_, _ = one.conn.NetConn().Write([]byte{0x80 | byte(c.kind), 0x80, 0, 0, 0, 0}) // what counts is the answer
			} else if err := one.conn.WriteMessage(c.kind, []byte(c.text)); err != nil {
				t.Fatal(err)
			}
			if code := one.closeCode(); code != c.code {
				t.Errorf("closed with %d, want %d", code, c.code)
			}
			w.awaitWindows(0)
		})
	}
}

// Whoever goes on sending may be cut off before they read why.
func farTooLargeFrame(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	one := alice.open(addr)
	_ = one.conn.WriteMessage(websocket.TextMessage, make([]byte, 10<<20)) // fails where it is cut off
	if code := one.closeCode(); code != 1009 && code != 0 {
		t.Errorf("closed with %d", code)
	}
	w.awaitWindows(0)
}

func TestWindowsArePinged(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	one := alice.open(addr)
	pinged := make(chan struct{}, 1)
	answer := one.conn.PingHandler()
	one.conn.SetPingHandler(func(data string) error {
		pinged <- struct{}{}
		return answer(data)
	})
	if err := one.conn.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	one.want(alice.canary()) // from now on the hub has the connection
	w.server.hub.Ping()
	one.want(alice.canary())
	select {
	case <-pinged:
	default:
		t.Error("no ping came")
	}
	if w.server.Windows() != 1 {
		t.Error("a window that pings was closed")
	}
}

// A client that has vanished without a word is noticed by its silence; here the silence is cut short.
func TestDeadClientIsDropped(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	one := alice.open(addr)
	w.awaitWindows(1)
	tcp := one.conn.NetConn().(*net.TCPConn)
	_ = tcp.SetLinger(0) // close resets, as a machine does that has restarted
	tcp.Close()
	w.awaitWindows(0)
}

// Ending a session closes its windows, and no others, within a second; also one that doesn't answer the closing frame.
// Trap: closing a connection doesn't wake its reader under fasthttp, a deadline in the past does.
func TestSignOutClosesWindows(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	phone, bob := w.person("alice"), w.person("bob")
	desk := w.signIn(phone.user)
	closing := []*window{phone.open(addr), phone.open(addr)}
	staying := map[*window]*visitor{desk.open(addr): desk, bob.open(addr): bob}
	rawHandshake(t, addr, phone, "GET")
	w.awaitWindows(5)
	start := time.Now()
	phone.post("/logout", asPage).want(303)
	for _, one := range closing {
		if code := one.closeCode(); code != hub.CloseRevoked {
			t.Errorf("closed with %d", code)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
	w.awaitWindows(2)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the silent one took %s", took)
	}
	for one := range staying {
		one.want(staying[one].canary())
	}
}

// Signing in again in the same browser ends the session before, with its windows.
func TestSigningInAgainClosesWindows(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	one := alice.open(addr)
	alice.post("/login", asPage, credentials("alice", password)).want(303)
	if code := one.closeCode(); code != hub.CloseRevoked {
		t.Errorf("closed with %d", code)
	}
}

// The session may end after it was looked at and before the window is registered: whoever ended it told only the
// windows that were registered then.
func TestSessionEndsWhileAWindowOpens(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	s := w.server
	s.app.Get("/ws-late", handshake, s.signedIn, s.ownOrigin, func(c *fiber.Ctx) error {
		if err := w.store.EndSession(c.UserContext(), sessionOf(c)); err != nil {
			return err
		}
		return c.Next()
	}, s.openWindow)
	addr := w.listen()
	_, answer, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws-late", alice.handshakeHeader(addr))
	if err == nil || answer == nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("the window opened: %v, %+v", err, answer)
	}
	if n := s.Windows(); n != 0 {
		t.Errorf("%d windows are registered", n)
	}
}

// Trap: a window that is registered after the handshake's answer misses what is sent in between.
func TestPushRightAfterTheHandshake(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	for i := range 200 {
		one := alice.open(addr)
		one.want(alice.canary())
		one.conn.Close()
		if i%20 == 0 {
			w.awaitWindows(0)
		}
	}
	w.awaitWindows(0)
}

// Trap: the wrapper goes back to a pool when its handler returns. A hub that kept it would send one person's pushes to
// whoever got it next.
func TestClosedWindowsConnectionIsNobodyElses(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice, bob := w.person("alice"), w.person("bob")
	for range 20 {
		stays, leaves := alice.open(addr), alice.open(addr)
		leaves.conn.Close()
		w.awaitWindows(1)
		bobs := bob.open(addr) // gets what alice's window gave back
		stays.want(alice.canary())
		bobs.want(bob.canary())
		stays.conn.Close()
		bobs.conn.Close()
		w.awaitWindows(0)
	}
}

// Trap: the package's own recover handler writes the panic to the client.
func TestPanicInAWindow(t *testing.T) {
	w := newWorld(t)
	s := w.server
	var none *hub.Window
	s.app.Get("/ws-panic", s.signedIn, func(c *fiber.Ctx) error {
		c.Locals(windowKey, none) // string-keyed, or it wouldn't survive the upgrade
		return upgrade(s)(c)
	})
	addr := w.listen()
	alice := w.person("alice")
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws-panic", alice.handshakeHeader(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
	if kind, text, err := conn.ReadMessage(); err == nil {
		t.Errorf("the client is told %d %s", kind, text)
	}
	await(t, "the panic in the log", func() bool { return strings.Contains(w.log.String(), "a window failed") })
	if !strings.Contains(w.log.String(), "serveWindow") {
		t.Error("the log has no stack")
	}
	alice.open(addr).want(alice.canary())
}

// brokenConn is a connection whose other side is gone by the time the answer is written.
type brokenConn struct {
	net.Conn
}

func (brokenConn) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// A client that vanishes between its request and the answer leaves a window without a connection, which Ping sweeps in
// time (hub's tests move the clock), and which a shut-down doesn't wait for.
func TestClientVanishesBeforeTheAnswer(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.nobody().get("/healthz").want(200) // starts the application
	server, client := net.Pipe()
	defer client.Close()
	go func() {
		r, _ := http.NewRequest("GET", "http://parley.example/ws", nil) // constant, so it doesn't fail
		r.Header = alice.handshakeHeader("parley.example")
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			r.Header.Set(name, value)
		}
		_ = r.Write(client) // the server reads it, or the test fails by its windows
	}()
	if err := w.server.app.Server().ServeConn(brokenConn{server}); err == nil {
		t.Error("writing the answer didn't fail")
	}
	if n := w.server.Windows(); n != 1 {
		t.Errorf("%d windows are registered: this test's case has gone", n)
	}
	w.server.hub.Ping()
	if n := w.server.Windows(); n != 1 {
		t.Error("a window was swept that might still be opening")
	}
	start := time.Now()
	w.shutdown()
	if took := time.Since(start); took > time.Second {
		t.Errorf("shutting down waited %s for nobody", took)
	}
}

// smallBuffers keeps little in the kernel, so that a window that isn't read is slow soon.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(2048) // only makes the test slower where it fails
	}
	return conn, err
}

// A window that takes nothing is let go, and nobody waits for it.
func TestSlowWindowIsDropped(t *testing.T) {
	w := newWorld(t)
	addr := w.listenBehind(func(l net.Listener) net.Listener { return smallBuffers{l} })
	alice := w.person("alice")
	answer, slow := rawHandshake(t, addr, alice, "GET")
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(answer.Status)
	}
	_ = slow.(*net.TCPConn).SetReadBuffer(2048) // as above
	quick := alice.open(addr)
	w.awaitWindows(2)
	event := chat.Event{Type: chat.EventMessage, To: alice.user.ID, With: strings.Repeat("x", 64), ID: chat.MessageID{Conversation: 1, Seq: 1}, Rev: 1}
	deadline := time.Now().Add(8 * time.Second) // by then a write alone would not have timed out
	var slowest time.Duration
	for pushed := 0; w.server.Windows() == 2; pushed += 100 {
		if time.Now().After(deadline) {
			t.Fatalf("after %d pushes the slow window is still there", pushed)
		}
		start := time.Now()
		for range 100 {
			w.nodes.Notify(event)
		}
		for range 100 {
			quick.next()
		}
		slowest = max(slowest, time.Since(start))
	}
	if slowest > time.Second {
		t.Errorf("the quick window waited %s", slowest)
	}
	quick.want(alice.canary())
}

// Trap: Fiber's shutdown leaves windows open.
func TestShutdownClosesWindows(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice, bob := w.person("alice"), w.person("bob")
	windows := []*window{alice.open(addr), alice.open(addr), bob.open(addr)}
	_, silent := rawHandshake(t, addr, bob, "GET") // answers nothing, not even the closing frame
	defer silent.Close()
	w.awaitWindows(4)
	start := time.Now()
	done := make(chan struct{})
	go func() { defer close(done); w.shutdown() }()
	for _, one := range windows {
		if code := one.closeCode(); code != hub.CloseRestart {
			t.Errorf("closed with %d", code)
		}
	}
	<-done
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("shutting down took %s", took)
	}
	if n := w.server.Windows(); n != 0 {
		t.Errorf("%d windows are left", n)
	}
}

// A window that comes while the server closes is told to come again.
func TestWindowWhileShuttingDown(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	if err := w.server.hub.CloseAll(t.Context(), hub.CloseRestart, "restart"); err != nil {
		t.Fatal(err)
	}
	answer, _ := rawHandshake(t, addr, alice, "GET")
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("it is answered with %d %v", answer.StatusCode, answer.Header)
	}
	w.end.Do(func() { // the hub is closed once only
		w.server.stopPing()
		if err := w.server.app.ShutdownWithContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Whatever windows do, nothing of them is left.
func TestNothingIsLeftOfWindows(t *testing.T) {
	leaks := []goleak.Option{
		goleak.IgnoreCurrent(), // the database server's, and other tests' idle connections
		goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"), goleak.IgnoreAnyFunction("database/sql.(*DB).connectionCleaner"),
		goleak.IgnoreAnyFunction("github.com/go-sql-driver/mysql.(*mysqlConn).startWatcher.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
	w := newWorld(t)
	addr := w.listen()
	alice, bob := w.person("alice"), w.person("bob")
	for i := range 30 {
		one, two := alice.open(addr), bob.open(addr)
		alice.send("bob", "hi")
		switch i % 5 {
		case 0:
			one.conn.Close()
		case 1:
			_ = one.conn.WriteMessage(websocket.TextMessage, []byte("hi")) // ends it, which is what counts
		case 2:
			_ = one.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience))
		case 3:
			rawHandshake(t, addr, alice, "GET", "Sec-WebSocket-Key:")
			rawHandshake(t, addr, w.nobody(), "GET")
			rawHandshake(t, addr, alice, "GET", "Origin: null")
		case 4:
			alice.post("/logout", asPage).want(303)
			alice = w.signIn(alice.user)
		}
		two.conn.Close()
		one.conn.Close()
	}
	w.awaitWindows(0)
	w.shutdown()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(leaks...); err != nil {
		t.Error(err)
	}
}
