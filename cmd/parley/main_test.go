package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/db/chat"
	"parley/db/dbtest"
)

// asProgram in the environment makes the test binary be parley, so that tests can kill it as they would kill parley.
const asProgram = "PARLEY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	dbtest.Main(m)
}

// patience bounds each wait for something that is sure to come.
const patience = 30 * time.Second

// password is that of everybody in these tests.
const password = "correct horse"

// running is parley as a process of its own.
type running struct {
	t    testing.TB
	args []string
	addr string
	cmd  *exec.Cmd
	log  *syncBuffer
}

// start runs parley on a free port with the given arguments, and returns when it is ready.
func start(t testing.TB, args ...string) *running {
	t.Helper()
	r := &running{t: t, args: args, addr: freeAddr(t)}
	r.start()
	t.Cleanup(func() { r.kill() })
	return r
}

// startOn runs parley on a fresh database of the tests' server.
func startOn(t testing.TB) (*running, *chat.Store) {
	t.Helper()
	dsn, pool := dbtest.NewDSN(t)
	return start(t, "--database-url", dsn), chat.New(pool, chat.Options{})
}

func (r *running) start() {
	r.t.Helper()
	r.log = &syncBuffer{}
	r.cmd = exec.Command(os.Args[0], append([]string{"--addr", r.addr}, r.args...)...)
	r.cmd.Env = append(os.Environ(), asProgram+"=1")
	r.cmd.Stderr, r.cmd.Stdout = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	await(r.t, "parley to be ready", func() bool {
		answer, err := http.Get(r.url("/readyz"))
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, func() string { return r.log.String() })
}

// kill ends parley as a power cut would.
func (r *running) kill() {
	_ = r.cmd.Process.Signal(syscall.SIGKILL) // it may have ended already
	_ = r.cmd.Wait()                          // "signal: killed" is what was asked for
}

// stop ends parley as an operator would, and says how.
func (r *running) stop() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.cmd.Wait()
}

func (r *running) url(path string) string { return "http://" + r.addr + path }

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await polls until a condition holds; what adds to the failure's text.
func await(t testing.TB, what string, holds func() bool, more ...func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			for _, m := range more {
				what += "\n" + m()
			}
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// syncBuffer is a bytes.Buffer that a process may write while a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// addPeople makes accounts with the tests' password.
func addPeople(t testing.TB, store *chat.Store, usernames ...string) map[string]chat.User {
	t.Helper()
	people := map[string]chat.User{}
	for _, name := range usernames {
		u, err := store.CreateUser(t.Context(), chat.NewUser{Username: name, Password: password, IsAdmin: name == "admin"})
		if err != nil {
			t.Fatal(err)
		}
		people[name] = u
	}
	return people
}

// client is a program that speaks JSON with parley.
type client struct {
	t    testing.TB
	base string
	http *http.Client
}

func clientFor(t testing.TB, base, username string) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, base: base, http: &http.Client{Jar: jar, Timeout: patience}}
	status, body := c.do(http.MethodPost, "/login", map[string]string{"username": username, "password": password})
	if status != http.StatusOK {
		t.Fatalf("signing in as %s: %d %s", username, status, body)
	}
	return c
}

// try sends one request; an error means that no answer came.
func (c *client) try(ctx context.Context, method, path string, in any) (int, []byte, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	return answer.StatusCode, data, err
}

func (c *client) do(method, path string, in any) (int, []byte) {
	c.t.Helper()
	status, body, err := c.try(c.t.Context(), method, path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	return status, body
}

func (c *client) send(recipient, body string) {
	c.t.Helper()
	status, answer := c.do(http.MethodPost, "/messages", map[string]string{"recipient": recipient, "body": body})
	if status != http.StatusCreated {
		c.t.Fatalf("sending to %s: %d %s", recipient, status, answer)
	}
}

func (c *client) cookie() string {
	base, err := url.Parse(c.base)
	if err != nil {
		c.t.Fatal(err)
	}
	var pairs []string
	for _, cookie := range c.http.Jar.Cookies(base) {
		pairs = append(pairs, fmt.Sprintf("%s=%s", cookie.Name, cookie.Value))
	}
	return strings.Join(pairs, "; ")
}
