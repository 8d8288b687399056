package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"parley/db/chat"
)

// A minute of a thousand windows:
//
//	go test ./cmd/parley -run ManyWindows -v -args -windows 1000 -rate 20 -for 1m
var (
	manyWindows = flag.Int("windows", 100, "how many windows TestManyWindows opens; an even number")
	sendRate    = flag.Int("rate", 20, "how many messages a second it sends")
	sendFor     = flag.Duration("for", 3*time.Second, "for how long")
)

// crowd is many people in pairs, each with one window open.
type crowd struct {
	t      *testing.T
	server *running
	tokens []string

	sent  int
	mu    sync.Mutex
	heard map[string]int // message ID -> windows that heard of it
}

// TestManyWindows holds that each message reaches the windows of its two people, every one, and that parley's memory
// stays flat meanwhile.
func TestManyWindows(t *testing.T) {
	server, store := startOn(t)
	c := &crowd{t: t, server: server, heard: map[string]int{}}
	c.join(store)
	windows := c.open()
	c.talk(*sendFor / 3) // what a first message makes once, such as pools, is no growth
	early := residentKB(t, server)
	c.talk(*sendFor * 2 / 3)
	await(t, "every message in both windows", func() bool { return c.heardByBoth() == c.sent })
	late := residentKB(t, server)
	t.Logf("%d windows, %d messages, all delivered; resident memory %d kB after a third of them, %d kB at the end", len(windows), c.sent, early, late)
	if late > early*5/4 {
		t.Errorf("memory grew from %d kB to %d kB", early, late)
	}
	for id, n := range c.heard {
		if n != 2 {
			t.Errorf("%s was heard by %d windows, and is to be heard by 2", id, n)
		}
	}
	for _, w := range windows {
		w.Close()
	}
}

// join makes the people, signed in without the cost of a password's hash.
func (c *crowd) join(store *chat.Store) {
	for i := range *manyWindows {
		name := fmt.Sprintf("p%05d", i)
		u, err := store.CreateUser(c.t.Context(), chat.NewUser{Username: name, Password: password})
		if err != nil {
			c.t.Fatal(err)
		}
		token, _, err := store.StartSession(c.t.Context(), u, chat.Device{})
		if err != nil {
			c.t.Fatal(err)
		}
		c.tokens = append(c.tokens, token)
	}
}

func (c *crowd) open() []*websocket.Conn {
	windows := make([]*websocket.Conn, len(c.tokens))
	for i, token := range c.tokens {
		w, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(c.server.url("/ws"), "http"), http.Header{
			"Cookie": {"parley=" + token}, "Origin": {c.server.url("")},
		})
		if err != nil {
			c.t.Fatal(err)
		}
		windows[i] = w
		go c.listen(w)
	}
	return windows
}

func (c *crowd) listen(w *websocket.Conn) {
	for {
		_, frame, err := w.ReadMessage()
		if err != nil {
			return // the test is over
		}
		var push struct{ Type, ID string }
		if json.Unmarshal(frame, &push) == nil && push.Type == "message" {
			c.mu.Lock()
			c.heard[push.ID]++
			c.mu.Unlock()
		}
	}
}

// talk sends for a while at a steady rate, whatever the answers take.
func (c *crowd) talk(d time.Duration) {
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(*sendRate))
	defer tick.Stop()
	for range int(d.Seconds() * float64(*sendRate)) {
		<-tick.C
		from := c.sent % len(c.tokens)
		c.sent++
		wg.Go(func() { c.send(from) })
	}
	wg.Wait()
}

// send has somebody write to the other of their pair.
func (c *crowd) send(from int) {
	body := fmt.Sprintf(`{"recipient":"p%05d","body":"hello"}`, from^1)
	r, err := http.NewRequest(http.MethodPost, c.server.url("/messages"), strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return
	}
	r.Header = http.Header{"Cookie": {"parley=" + c.tokens[from]}, "Content-Type": {"application/json"}, "Accept": {"application/json"}}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusCreated {
		c.t.Errorf("sending: %d %v", answer.StatusCode, err)
	}
}

func (c *crowd) heardByBoth() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, windows := range c.heard {
		if windows == 2 {
			n++
		}
	}
	return n
}

var residentForm = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// residentKB is the resident memory of the server's process; 0 where the system doesn't say.
func residentKB(t testing.TB, r *running) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if os.IsNotExist(err) {
		return 0
	}
	found := residentForm.FindSubmatch(status)
	if err != nil || found == nil {
		t.Fatalf("no resident memory in %s: %v", status, err)
	}
	kB, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kB
}
