package throttle

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
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var five = Rule{Name: "five", Burst: 5, Every: time.Minute}

// takes counts n times and says how many went through, and how long the last one has to wait.
func takes(t *Throttle, r Rule, key string, n int) (through int, wait time.Duration) {
	for range n {
		if wait = t.Take(context.Background(), r, key); wait == 0 {
			through++
		}
	}
	return through, wait
}

func wantTakes(t *testing.T, limits *Throttle, r Rule, key string, n, through int, wait time.Duration) {
	t.Helper()
	if got, w := takes(limits, r, key, n); got != through || w != wait {
		t.Errorf("%d of %d go through, the last waits %s; want %d and %s", got, n, w, through, wait)
	}
}

func TestBurstThenOneEachSoOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := New()
		wantTakes(t, limits, five, "a", 5, 5, 0)
		wantTakes(t, limits, five, "a", 3, 0, time.Minute) // what is refused doesn't count
		wantTakes(t, limits, five, "b", 1, 1, 0)
		wantTakes(t, limits, Rule{Name: "other", Burst: 5, Every: time.Minute}, "a", 1, 1, 0)
		time.Sleep(59 * time.Second)
		wantTakes(t, limits, five, "a", 1, 0, time.Second)
		time.Sleep(time.Second)
		wantTakes(t, limits, five, "a", 2, 1, time.Minute)
		time.Sleep(time.Hour)
		wantTakes(t, limits, five, "a", 6, 5, time.Minute) // a long rest is worth no more than the burst
	})
}

func TestGiveTakesOneCountBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := New()
		limits.Give(t.Context(), five, "a") // nothing to give
		wantTakes(t, limits, five, "a", 5, 5, 0)
		limits.Give(t.Context(), five, "a")
		wantTakes(t, limits, five, "a", 2, 1, time.Minute)
		for range 9 {
			limits.Give(t.Context(), five, "a")
		}
		wantTakes(t, limits, five, "a", 6, 5, time.Minute)
	})
}

func TestNothingIsCountedWithoutThrottle(t *testing.T) {
	var off *Throttle
	wantTakes(t, off, five, "a", 100, 100, 0)
	off.Give(t.Context(), five, "a")
}

// atOnce has n try at the same time, and says how many go through.
func atOnce(n int, limits ...*Throttle) int {
	var through atomic.Int64
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if limits[i%len(limits)].Take(context.Background(), five, "victim") == 0 {
				through.Add(1)
			}
		})
	}
	all.Wait()
	return int(through.Load())
}

func TestCountIsExactAtOnce(t *testing.T) {
	if n := atOnce(200, New()); n != 5 {
		t.Errorf("%d of 200 go through", n)
	}
}

// Whoever makes keys up fills the memory to its bound and no further, and has nobody forgotten who did more than they.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := &Throttle{memory: newMemory(shards * 32)}
		wantTakes(t, limits, five, "guessed at", 5, 5, 0)
		for i := range 50_000 {
			limits.Take(t.Context(), five, fmt.Sprint("made up ", i))
		}
		wantTakes(t, limits, five, "guessed at", 1, 0, time.Minute)
		if n := limits.memory.keys(); n > shards*32 || n < shards*30 {
			t.Errorf("%d keys are held", n)
		}
		time.Sleep(time.Hour) // all of it is over
		for i := range 10_000 {
			limits.Take(t.Context(), five, fmt.Sprint("later ", i))
		}
		if n := limits.memory.keys(); n > shards*32 {
			t.Errorf("%d keys are held later", n)
		}
	})
}

func (m *memory) keys() (n int) {
	for i := range m.parts {
		n += len(m.parts[i].free)
	}
	return n
}

func BenchmarkTake(b *testing.B) {
	limits, r := New(), Rule{Name: "send", Burst: 60, Every: time.Millisecond, Local: true}
	for i := 0; b.Loop(); i++ {
		limits.Take(b.Context(), r, "12345")
	}
}

// --- Redis ---

type redisServer struct {
	t    *testing.T
	addr string
	cmd  *exec.Cmd
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := &redisServer{t: t, addr: l.Addr().String()}
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir())
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() }) // "killed" is what was asked for
	client := s.client()
	for deadline := time.Now().Add(15 * time.Second); client.Ping(t.Context()).Err() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for redis-server")
		}
	}
	return s
}

// client has the time limits that Parley's own has: fanout.Client.
func (s *redisServer) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1, Protocol: 2, ContextTimeoutEnabled: true, DialerRetries: 1,
		DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second})
	s.t.Cleanup(func() { c.Close() })
	return c
}

func (s *redisServer) node(log io.Writer) *Throttle {
	return NewShared(s.client(), slog.New(slog.NewTextHandler(log, nil)))
}

// Two nodes count together, exactly, and what they leave in Redis has no names in it and goes by itself.
func TestNodesCountTogether(t *testing.T) {
	s := startRedis(t)
	one, two := s.node(io.Discard), s.node(io.Discard)
	if n := atOnce(200, one, two); n != 5 {
		t.Errorf("%d of 200 go through", n)
	}
	if _, wait := takes(two, five, "victim", 1); wait <= 50*time.Second || wait > time.Minute {
		t.Errorf("the next one waits %s", wait)
	}
	one.Give(t.Context(), five, "victim")
	if n, _ := takes(two, five, "victim", 2); n != 1 {
		t.Errorf("%d go through after one was given back", n)
	}
	if n, _ := takes(one, five, "somebody else", 6); n != 5 {
		t.Errorf("%d of somebody else go through", n)
	}
	keys := s.client().Keys(t.Context(), "*").Val()
	for _, key := range keys {
		left := s.client().PTTL(t.Context(), key).Val()
		if left <= 4*time.Minute || left > 5*time.Minute || strings.Contains(key, "victim") || !strings.HasPrefix(key, "parley:throttle:five:") {
			t.Errorf("%s is kept for %s", key, left)
		}
	}
	if len(keys) != 2 {
		t.Errorf("there are the keys %q", keys)
	}
}

func TestRedisLetsOneMoreThroughEachSoOften(t *testing.T) {
	limits := startRedis(t).node(io.Discard)
	r := Rule{Name: "quick", Burst: 2, Every: 300 * time.Millisecond}
	began := time.Now()
	through, wait := takes(limits, r, "a", 3)
	if through != 2 || wait <= 0 || wait > r.Every {
		t.Fatalf("%d go through, the next waits %s", through, wait)
	}
	for limits.Take(t.Context(), r, "a") > 0 {
		if time.Since(began) > 15*time.Second {
			t.Fatal("waited in vain for the next one to go through")
		}
	}
	if took := time.Since(began); took < 290*time.Millisecond {
		t.Errorf("it went through after %s", took)
	}
	for limits.Give(t.Context(), r, "a"); ; limits.Give(t.Context(), r, "a") {
		if keys := limits.shared.(*redis.Client).Keys(t.Context(), "*").Val(); len(keys) == 0 {
			break
		}
	}
	if n, _ := takes(limits, r, "a", 3); n != 2 {
		t.Errorf("%d go through once all was given back", n)
	}
}

// Each node counts for itself what isn't worth a question to Redis.
func TestLocalRulesNeverAskRedis(t *testing.T) {
	s := startRedis(t)
	limits := s.node(io.Discard)
	local := five
	local.Local = true
	wantTakes(t, limits, local, "a", 5, 5, 0)
	if n := s.client().DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("Redis has %d keys", n)
	}
}

// A Redis that stands still or is gone refuses nobody and costs hardly anybody time; each node counts for itself
// meanwhile, and the log has one line for its beginning and one for its end.
func TestRedisAway(t *testing.T) {
	s := startRedis(t)
	log := &strings.Builder{}
	limits := s.node(log)
	wantTakes(t, limits, five, "a", 5, 5, 0)
	_ = s.cmd.Process.Signal(syscall.SIGSTOP)
	began := time.Now()
	if through, _ := takes(limits, five, "a", 5); through != 5 {
		t.Errorf("%d of 5 go through while Redis stands still", through)
	}
	if through, _ := takes(limits, five, "a", 95); through != 0 {
		t.Errorf("%d more go through while Redis stands still", through)
	}
	if took := time.Since(began); took > 3*askWithin {
		t.Errorf("100 took %s", took)
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	for deadline := time.Now().Add(15 * time.Second); limits.away.Load() != 0; time.Sleep(time.Millisecond) {
		limits.Take(t.Context(), five, "somebody else")
		if time.Now().After(deadline) {
			t.Fatal("Redis isn't asked again")
		}
	}
	wantRefused(t, limits, "a") // as Redis has it
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || strings.Count(text, "level=INFO") != 1 {
		t.Errorf("the log is %s", text)
	}
}

func wantRefused(t *testing.T, limits *Throttle, key string) {
	t.Helper()
	if n, wait := takes(limits, five, key, 1); n != 0 || wait <= 0 {
		t.Error("it goes through")
	}
}
