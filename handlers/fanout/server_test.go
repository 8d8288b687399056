package fanout

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"parley/db/chat"
)

// Every test ends with all that it started.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds each wait for something that is sure to come.
const patience = 15 * time.Second

// await polls until a condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// redisServer is a redis-server of its own, on a port that stays the same when it restarts.
type redisServer struct {
	t    testing.TB
	addr string
	args []string
	cmd  *exec.Cmd
}

func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := &redisServer{t: t, addr: freeAddr(t), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", s.t.TempDir()}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1})
	defer client.Close()
	await(s.t, "redis-server", func() bool { return client.Ping(context.Background()).Err() == nil })
}

func (s *redisServer) signal(what syscall.Signal) { _ = s.cmd.Process.Signal(what) } // it may have ended already

func (s *redisServer) kill() {
	s.signal(syscall.SIGKILL)
	_ = s.cmd.Wait() // "signal: killed" is what was asked for
}

func (s *redisServer) url() string { return "redis://" + s.addr }

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startCluster makes a cluster of three servers and gives its address.
func startCluster(t testing.TB) string {
	t.Helper()
	var all []*redis.Client
	var addrs []string
	for i := range 3 {
		_, busPort, _ := net.SplitHostPort(freeAddr(t))
		s := startRedis(t, "--cluster-enabled", "yes", "--cluster-port", busPort)
		c := redis.NewClient(&redis.Options{Addr: s.addr, Protocol: 2})
		t.Cleanup(func() { c.Close() })
		all, addrs = append(all, c), append(addrs, s.addr)
		if err := c.ClusterAddSlotsRange(t.Context(), i*16384/3, (i+1)*16384/3-1).Err(); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(s.addr)
		if err := all[0].Do(t.Context(), "cluster", "meet", host, port, busPort).Err(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the cluster", func() bool {
		for _, c := range all {
			info, err := c.ClusterInfo(t.Context()).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3") {
				return false
			}
		}
		return true
	})
	return fmt.Sprintf("redis://%s?addr=%s&addr=%s", addrs[0], addrs[1], addrs[2])
}

// servers are what a Redis is tested with: one without sharded channels, one with, and a cluster.
var servers = map[string]func(testing.TB) string{
	"plain":   func(t testing.TB) string { return "redis://" + miniredis.RunT(t).Addr() },
	"sharded": func(t testing.TB) string { return startRedis(t).url() },
	"cluster": startCluster,
}

// node is one Parley's fan-out, with what it delivered.
type node struct {
	*Redis
	t   testing.TB
	log *logBuffer

	mu    sync.Mutex
	heard []chat.Event
	hold  sync.RWMutex // while it is locked, deliver stands still
}

func startNode(t testing.TB, url string, change ...func(*Redis)) *node {
	t.Helper()
	n := newNode(t, url, change...)
	n.Subscribe(n.take)
	return n
}

// newNode is startNode without the connection.
func newNode(t testing.TB, url string, change ...func(*Redis)) *node {
	t.Helper()
	log := &logBuffer{}
	r, err := NewRedis(url, "node", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(r)
	}
	t.Cleanup(r.Close)
	return &node{Redis: r, t: t, log: log}
}

func (n *node) take(e chat.Event) {
	n.hold.RLock()
	defer n.hold.RUnlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard = append(n.heard, e)
}

// events gives what was delivered since it was last called.
func (n *node) events() []chat.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	heard := n.heard
	n.heard = nil
	return heard
}

// until waits for an event of a sequence number, and gives those before it.
func (n *node) until(seq uint64) (before []chat.Event) {
	n.t.Helper()
	await(n.t, fmt.Sprintf("event %d", seq), func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		for i, e := range n.heard {
			if e.Seq == seq {
				before, n.heard = n.heard[:i:i], n.heard[i+1:]
				return true
			}
		}
		return false
	})
	return before
}

// checked waits until all windows, or those of one user, are told to look.
func (n *node) checked(user uint64) {
	n.t.Helper()
	await(n.t, fmt.Sprintf("a check of %d", user), func() bool {
		for _, e := range n.events() {
			if e.Type == chat.EventCheck && e.To == user {
				return true
			}
		}
		return false
	})
}

func (n *node) ready() *node {
	n.t.Helper()
	await(n.t, "the node to be connected", func() bool { return n.Ready() == nil })
	return n
}

func (n *node) follows(users ...uint64) *node {
	n.t.Helper()
	for _, u := range users {
		n.Follow(u)
	}
	for _, u := range users {
		n.Await(n.t.Context(), u)
	}
	return n
}

// lines counts the log's lines of a level.
func (n *node) lines(level string) int { return strings.Count(n.log.String(), "level="+level) }

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
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

// road is a way to a server that can be cut, and on which nothing moves for a while.
type road struct {
	t      testing.TB
	to     string
	listen net.Listener
	mu     sync.Mutex
	cut    bool
	conns  []net.Conn
	jam    sync.RWMutex
	busy   sync.WaitGroup
}

func newRoad(t testing.TB, to string) *road {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{t: t, to: to, listen: l}
	r.busy.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.close(true)
		r.busy.Wait()
	})
	return r
}

func (r *road) url() string { return "redis://" + r.listen.Addr().String() }

func (r *road) accept() {
	for {
		from, err := r.listen.Accept()
		if err != nil {
			return // the test is over
		}
		to, err := net.Dial("tcp", r.to)
		if err != nil || !r.note(from, to) {
			from.Close()
			continue
		}
		r.busy.Go(func() { r.carry(from, to) })
		r.busy.Go(func() { r.carry(to, from) })
	}
}

func (r *road) note(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		return false
	}
	r.conns = append(r.conns, conns...)
	return true
}

func (r *road) carry(from, to net.Conn) {
	defer to.Close()
	_, _ = io.Copy(slowly{to, r}, from) // its end is what counts
}

type slowly struct {
	net.Conn
	r *road
}

func (s slowly) Write(p []byte) (int, error) {
	s.r.jam.RLock()
	defer s.r.jam.RUnlock()
	return s.Conn.Write(p)
}

// close cuts the road, or lets it be used again.
func (r *road) close(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}
