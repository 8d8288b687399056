package handlers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

// exchange sends octets as they are, and gives everything that is answered until the server has nothing more to say.
func exchange(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite() // as above
	answer, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the server says nothing and stays: %q", answer)
	}
	return string(answer)
}

// lines writes a request's header, and ends it.
func lines(header ...string) string { return strings.Join(header, "\r\n") + "\r\n\r\n" }

// hidden is the request that a proxy doesn't see.
const hidden = "GET /hidden-request HTTP/1.1\r\nHost: x\r\n\r\n"

// smuggledBodies leave it open where a request ends: RFC 9112 section 6.3 and 11.2.
func smuggledBodies(post func(...string) string) map[string]string {
	return map[string]string{
		"length and chunks":       post("Host: x", "Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n" + hidden,
		"chunks and length":       post("Host: x", "Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n" + hidden,
		"two lengths":             post("Host: x", "Content-Length: 0", "Content-Length: 42") + hidden,
		"two equal lengths":       post("Host: x", "Content-Length: 2", "Content-Length: 2") + "{}" + hidden,
		"lengths in a list":       post("Host: x", "Content-Length: 2, 2") + "{}" + hidden,
		"a negative length":       post("Host: x", "Content-Length: -1") + hidden,
		"a length with a sign":    post("Host: x", "Content-Length: +2") + "{}" + hidden,
		"a length in hexadecimal": post("Host: x", "Content-Length: 0x2") + "{}" + hidden,
		"a huge length":           post("Host: x", "Content-Length: 99999999999999999999") + hidden,
		"another coding":          post("Host: x", "Transfer-Encoding: xchunked") + "0\r\n\r\n" + hidden,
		"chunked not last":        post("Host: x", "Transfer-Encoding: chunked, identity") + "0\r\n\r\n" + hidden,
		"chunked twice":           post("Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n" + hidden,
		"a broken chunk size":     post("Host: x", "Transfer-Encoding: chunked") + "2;\n{}\r\nzz\r\n" + hidden,
		"a chunk without its end": post("Host: x", "Transfer-Encoding: chunked") + "2\r\n{}xx0\r\n\r\n" + hidden,
	}
}

// smuggledLines leave it open whom a request is for, or what stands in its header: RFC 9112 section 3.2 and 5.1.
func smuggledLines(post func(...string) string) map[string]string {
	return map[string]string{
		"two hosts":              lines("GET /healthz HTTP/1.1", "Host: a", "Host: b") + hidden,
		"no host":                lines("GET /healthz HTTP/1.1") + hidden,
		"space before the colon": post("Host: x", "Content-Length : 42") + hidden,
		"a bare CR":              post("Host: x", "X: y\rContent-Length: 42") + hidden,
		"NUL in a header":        lines("GET /healthz HTTP/1.1", "Host: x", "X: a\x00b") + hidden,
		"two request lines":      "GET /healthz HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n" + hidden,
		"a space in the path":    "GET /healthz /x HTTP/1.1\r\nHost: x\r\n\r\n" + hidden,
		"two hosts of one name":  lines("GET /healthz HTTP/1.1", "Host: a", "host: a") + hidden,
		"hosts in a list":        lines("GET /healthz HTTP/1.1", "Host: a, b") + hidden,
		"a folded host":          lines("GET /healthz HTTP/1.1", "Host: a", " b") + hidden,
		"a space in the host":    lines("GET /healthz HTTP/1.1", "Host: a b") + hidden,
	}
}

// Trap: the fasthttp that go.mod resolves to by itself lets a second request hide in the body of a first.
func requestSmuggling(t *testing.T, requests func(post func(...string) string) map[string]string) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	post := func(more ...string) string {
		return lines(append([]string{"POST /messages HTTP/1.1", "Cookie: " + alice.cookie(), "Accept: application/json", "Content-Type: application/json"}, more...)...)
	}
	for name, request := range requests(post) {
		t.Run(name, func(t *testing.T) {
			before := strings.Count(w.log.String(), "hidden-request")
			answer := exchange(t, addr, request)
			if !strings.HasPrefix(answer, "HTTP/1.1 400 ") || strings.Count(answer, "HTTP/1.1 ") != 1 {
				t.Errorf("the answer is %.200q", answer)
			}
			if strings.Count(w.log.String(), "hidden-request") > before {
				t.Error("the hidden request was carried out")
			}
		})
	}
	if w.messages() != 0 {
		t.Error("something was sent")
	}
}

// unreadable is a request that can't be read, as it goes over the wire, and the status that says so.
type unreadable struct {
	request string
	status  int
}

func oversizedHeaders(*visitor) map[string]unreadable {
	return map[string]unreadable{
		"a header too large":  {lines("GET /users HTTP/1.1", "Host: x", "Accept: application/json", "X: "+strings.Repeat("x", maxHeader)), 431},
		"an address too long": {lines("GET /users?q="+strings.Repeat("x", maxHeader)+" HTTP/1.1", "Host: x"), 431},
		"a cookie too large":  {lines("GET /users HTTP/1.1", "Host: x", "Cookie: x="+strings.Repeat("x", maxHeader)), 431},
		"a name too large":    {lines("GET /users HTTP/1.1", "Host: x", strings.Repeat("x", maxHeader)+": x"), 431},
		"headers without end": {lines(append([]string{"GET /users HTTP/1.1", "Host: x"}, slices.Repeat([]string{"X: y"}, maxHeader/4)...)...), 431},
		"a method too long":   {lines(strings.Repeat("X", maxHeader)+" / HTTP/1.1", "Host: x"), 431},
	}
}

func oversizedBodies(alice *visitor) map[string]unreadable {
	cookie, tooMuch := "Cookie: "+alice.cookie(), strings.Repeat("x", maxRequestBody(alice.store.MaxBodyLength())+1)
	return map[string]unreadable{
		"a body too large":      {lines("POST /messages HTTP/1.1", "Host: x", "Accept: application/json", cookie, "Content-Type: application/json", fmt.Sprint("Content-Length: ", len(tooMuch))) + tooMuch, 413},
		"chunks too large":      {lines("POST /messages HTTP/1.1", "Host: x", "Accept: application/json", cookie, "Content-Type: application/json", "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n", len(tooMuch)) + tooMuch + "\r\n0\r\n\r\n", 413},
		"a body only announced": {lines("POST /login HTTP/1.1", "Host: x", "Accept: application/json", "Content-Type: application/json", "Content-Length: 99999999999"), 413},
		"a form too large":      {lines("POST /login HTTP/1.1", "Host: x", "Accept: application/json", "Content-Type: application/x-www-form-urlencoded", fmt.Sprint("Content-Length: ", len(tooMuch))) + tooMuch, 413},
	}
}

func strangeRequests(alice *visitor) map[string]unreadable {
	cookie := "Cookie: " + alice.cookie()
	named := "--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"x.png\x00.html\"\r\n\r\nhi\r\n--x--\r\n"
	return map[string]unreadable{
		"NUL in a file's name": {lines("POST /account/photo HTTP/1.1", "Host: x", cookie, "Content-Type: multipart/form-data; boundary=x", fmt.Sprint("Content-Length: ", len(named))) + named, 400},
		"parts cut off":        {lines("POST /messages HTTP/1.1", "Host: x", cookie, "Content-Type: multipart/form-data; boundary=x", "Content-Length: 60") + "--x\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\nhi", 400},
		"no request":           {"x\r\n\r\n", 400},
		"HTTP/2 in plain":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		"TLS":                  {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"an unknown method":    {lines("FOO / HTTP/1.1", "Host: x"), 400},
		"an address of others": {lines("GET http://evil.example/users HTTP/1.1", "Host: x", "Accept: application/json"), 401},
	}
}

func TestUnreadableRequests(t *testing.T) { unreadableRequests(t, strangeRequests) }

// What can't be read is answered as everything else: with all headers, and nothing of the library's own words.
func unreadableRequests(t *testing.T, requests func(alice *visitor) map[string]unreadable) {
	w := newWorld(t)
	addr := w.listen()
	all := requests(w.person("alice"))
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(exchange(t, addr, c.request))), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(answer.Body)
			r := &reply{t: t, what: name, status: answer.StatusCode, header: answer.Header, body: text}
			r.want(c.status).wantNoText("fasthttp", "error when reading", "buffer size", "unexpected EOF", "multipart:")
			if name != "an unknown method" { // Fiber answers that before anything of ours
				checkSecurityHeaders(t, r)
				r.wantHeader("Cache-Control", "no-store")
			}
			if strings.Contains(answer.Header.Get("Content-Type"), "json") {
				r.wantProblem(c.status)
			}
		})
	}
	if n := w.server.requests.other.answered[4].Load(); int(n) < len(all)-2 {
		t.Errorf("%d of them are counted", n)
	}
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Errorf("what others do wrong is noted as our fault: %s", w.log.String())
	}
}

// A connection that breaks while it is read is nobody's fault.
func TestBrokenConnectionsAreNoFault(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	for _, sent := range []string{"", "GET /", lines("POST /login HTTP/1.1", "Host: x", "Content-Length: 100") + "half"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(sent))
		_ = conn.(*net.TCPConn).SetLinger(0) // close resets
		conn.Close()
	}
	exchange(t, addr, lines("GET /healthz HTTP/1.1", "Host: x"))
	w.shutdown() // everything has been answered
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Errorf("the log says %s", w.log.String())
	}
}

// Requests on one connection are answered one by one, in their order, and each as who it comes from.
func TestPipelining(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice, bob := w.person("alice"), w.person("bob")
	var requests strings.Builder
	for i := range 20 {
		v := []*visitor{alice, bob}[i%2]
		sent := fmt.Sprintf(`{"recipient":%q,"body":"message %d"}`, v.user.Username, i)
		requests.WriteString(lines("POST /messages HTTP/1.1", "Host: x", "Accept: application/json", "Content-Type: application/json", "Cookie: "+v.cookie(), fmt.Sprint("Content-Length: ", len(sent))) + sent)
	}
	requests.WriteString(lines("GET /users HTTP/1.1", "Host: x", "Accept: application/json", "Connection: close"))
	answers := bufio.NewReader(strings.NewReader(exchange(t, addr, requests.String())))
	for i := range 20 {
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		want := fmt.Sprintf(`"user":%q,"recipient":%[1]q,`, []string{"alice", "bob"}[i%2])
		if answer.StatusCode != 201 || !strings.Contains(string(text), want) || !strings.Contains(string(text), fmt.Sprintf(`"body":"message %d"`, i)) {
			t.Errorf("answer %d is %d %s", i, answer.StatusCode, text)
		}
	}
	if last, err := http.ReadResponse(answers, nil); err != nil || last.StatusCode != 401 {
		t.Errorf("who came without a cookie got %v, %v", last, err)
	}
}

// A body that comes drop by drop is read to its end, and nobody else waits for it.
func TestSlowBody(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	sent := `{"recipient":"alice","body":"drop by drop"}`
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
	_, _ = conn.Write([]byte(lines("POST /messages HTTP/1.1", "Host: x", "Accept: application/json", "Content-Type: application/json", "Cookie: "+alice.cookie(), fmt.Sprint("Content-Length: ", len(sent)))))
	for _, drop := range []byte(sent) {
		if _, err := conn.Write([]byte{drop}); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != 201 {
		t.Fatalf("%v, %v", answer, err)
	}
}

// A body that never comes to its end is given up, and so is a header.
func bodyThatNeverEnds(t *testing.T) {
	w := newWorld(t)
	w.server.app.Server().ReadTimeout = 50 * time.Millisecond
	addr := w.listen()
	for _, sent := range []string{"GET /healthz HT", lines("POST /login HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 100") + "half"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte(sent))
		_ = conn.SetDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
		answer, err := io.ReadAll(conn)
		if err != nil || (len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 408 "))) {
			t.Errorf("%.20q is answered with %.60q, %v", sent, answer, err)
		}
	}
	if readTimeout > time.Minute || writeTimeout > time.Minute {
		t.Error("somebody slow may hold a connection for more than a minute")
	}
}

// Trap: Fiber's strings alias a buffer that the connection's next request overwrites, unless it is told Immutable.
func TestStringsOutliveTheirRequest(t *testing.T) {
	w := newWorld(t)
	var kept [][]string
	w.server.app.Post("/keep/:username", func(c *fiber.Ctx) error {
		r := plainRequest(c)
		var sent struct {
			Body string `form:"body"`
		}
		if err := parse(c, &sent); err != nil {
			return err
		}
		kept = append(kept, []string{c.Params("username"), c.Query("q"), c.Get("X-Name"), c.Cookies("name"), c.Path(), c.OriginalURL(), sent.Body, c.FormValue("body"), c.Method(),
			r.Host, r.URL.Path, r.Header.Get("Cookie"), r.Method, requestIDOf(c)})
		return nil
	})
	addr := w.listen()
	request := func(name string) string {
		return lines("POST /keep/"+name+"?q="+name+" HTTP/1.1", "Host: "+name, "X-Name: "+name, "Cookie: name="+name, "X-Request-ID: "+name+name, "Content-Type: application/x-www-form-urlencoded", "Content-Length: 10") + "body=" + name
	}
	exchange(t, addr, request("alice")+request("mafia")+request("zzzzz"))
	if len(kept) != 3 {
		t.Fatalf("%d requests came", len(kept))
	}
	want := []string{"alice", "alice", "alice", "alice", "/keep/alice", "/keep/alice?q=alice", "alice", "alice", "POST", "alice", "/keep/alice", "name=alice", "POST", "alicealice"}
	for i, text := range kept[0] {
		if text != want[i] {
			t.Errorf("string %d of the first request is now %q, want %q", i, text, want[i])
		}
	}
}

// Trap: go.mod alone resolves a fasthttp that can be talked into smuggled requests and forged headers.
func TestVersionsWithoutKnownHoles(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := func(v string) (number int) {
		var major, minor, patch int
		if _, err := fmt.Sscanf(v, "v%d.%d.%d", &major, &minor, &patch); err != nil {
			t.Fatalf("%s is no version", v)
		}
		return major*1_000_000 + minor*1_000 + patch
	}
	for module, least := range map[string]string{"github.com/valyala/fasthttp": "v1.77.0", "github.com/gofiber/fiber/v2": "v2.52.15"} {
		found := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(text)
		if found == nil || version(string(found[1])) < version(least) {
			t.Errorf("%s is required at %s, want %s or newer", module, found, least)
		}
	}
	if bytes.Contains(text, []byte("\nreplace ")) {
		t.Error("go.mod replaces a module")
	}
}
