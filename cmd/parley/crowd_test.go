package main

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/db/chat"
	"parley/db/dbtest"
)

// A crowd is what signs in, over and over, while others write. Who is told to come again does so after a second.
const (
	crowdSize   = 200
	crowdRounds = 6
	crowdFor    = 1500 * time.Millisecond
)

// TestCrowdSignsInWhileOthersWrite: 200 who sign in at the same time slow sending down to no less than half, and take a
// bounded memory. Other programs run on the machine meanwhile, so the best of a few rounds counts.
func TestCrowdSignsInWhileOthersWrite(t *testing.T) {
	dsn, pool := dbtest.NewDSN(t)
	figures := freeAddr(t)
	server, store := start(t, "--database-url", dsn, "--throttle", "off", "--metrics-addr", figures), chat.New(pool, chat.Options{})
	addPeople(t, store, "alice", "bob", "crowd")
	alice := clientFor(t, server.url(""), "alice")
	alice.sendFor(crowdFor)
	calm := heldMB(t, figures)
	best, most := 100.0, 0
	for round := range crowdRounds {
		alone := alice.sendFor(crowdFor)
		c := gather(t, server.url(""))
		among := alice.sendFor(crowdFor)
		most = max(most, heldMB(t, figures))
		c.leave(alice)
		ratio := float64(among) / float64(alone)
		best = min(best, ratio)
		t.Logf("round %d: a message takes %s alone and %s among %d who sign in (%.2f times); %d were let in, %d told to come again",
			round, alone, among, crowdSize, ratio, c.in.Load(), c.refused.Load())
	}
	t.Logf("memory: %d MB before, %d MB at most", calm, most)
	if best > 2 {
		t.Errorf("sending takes %.1f times as long, more than twice", best)
	}
	if most-calm > 200 {
		t.Errorf("the crowd takes %d MB", most-calm)
	}
}

// heldMB is the memory that the server has from the system. What the race detector adds to that, several times as much, isn't in it.
func heldMB(t testing.TB, addr string) int {
	t.Helper()
	text := scrape(t, addr)
	return int(figure(t, text, "go_memstats_sys_bytes")-figure(t, text, "go_memstats_heap_released_bytes")) >> 20
}

// sendFor sends one message after the other and gives how long the median took.
func (c *client) sendFor(d time.Duration) time.Duration {
	c.t.Helper()
	var took []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); {
		start := time.Now()
		c.send("bob", "what a crowd")
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// signers sign in until they leave.
type signers struct {
	in, refused atomic.Int64
	stop        context.CancelFunc
	all         sync.WaitGroup
}

func gather(t testing.TB, base string) *signers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &signers{stop: cancel}
	transport := &http.Transport{MaxIdleConnsPerHost: crowdSize}
	t.Cleanup(transport.CloseIdleConnections)
	for range crowdSize {
		c := &client{t: t, base: base, http: &http.Client{Transport: transport, Timeout: patience}}
		s.all.Go(func() { s.signIn(ctx, c) })
	}
	await(t, "the first to be let in", func() bool { return s.in.Load() > 0 }, func() string { return "" })
	return s
}

func (s *signers) signIn(ctx context.Context, c *client) {
	for ctx.Err() == nil {
		status, _, err := c.try(ctx, http.MethodPost, "/login", map[string]string{"username": "crowd", "password": password})
		switch {
		case err != nil:
			return
		case status == http.StatusOK:
			s.in.Add(1)
		case status == http.StatusServiceUnavailable:
			s.refused.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// leave returns when the server is done with those who waited there.
func (s *signers) leave(c *client) {
	s.stop()
	s.all.Wait()
	await(c.t, "the last of the crowd", func() bool {
		status, _, err := c.try(c.t.Context(), http.MethodPost, "/login", map[string]string{"username": "crowd", "password": password})
		return err == nil && status == http.StatusOK
	}, func() string { return "" })
}
