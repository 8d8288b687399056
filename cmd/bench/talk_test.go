package main

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestGoodServerHasNoFaults(t *testing.T) {
	t.Parallel()
	r := newFake(t).bench(t, nil)
	if r.Faults.any() || r.Count < 3 || r.Rate < 3 {
		t.Errorf("%d messages, %+v", r.Count, r.Faults)
	}
	for _, s := range r.Stages {
		if s.Count < 3 || s.P50 <= 0 || s.P50 > s.P99 || s.P99 > s.Max {
			t.Errorf("%+v", s)
		}
	}
}

func stageOf(t *testing.T, r *result, name string) stage {
	t.Helper()
	i := slices.IndexFunc(r.Stages, func(s stage) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no stage called %q: %+v", name, r.Stages)
	}
	return r.Stages[i]
}

// once gives true for the first call alone.
func once() func() bool {
	var done atomic.Bool
	return func() bool { return done.CompareAndSwap(false, true) }
}

func TestBrokenPromisesAreCounted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plant func(*fake)
		count func(faults) uint64
		says  string
	}{
		"another body in the fragment": {func(f *fake) {
			first := once()
			f.onShow = func(body string) string {
				if first() {
					return strings.Replace(body, "seven", "eight", 1)
				}
				return body
			}
		}, func(f faults) uint64 { return f.Wrong }, "doesn't show"},
		"another message's fragment": {func(f *fake) {
			first := once()
			f.onShow = func(body string) string {
				if first() {
					return strings.Replace(body, "-0 ", "-9 ", 1)
				}
				return body
			}
		}, func(f faults) uint64 { return f.Wrong }, "doesn't show"},
		"another body in the answer": {func(f *fake) {
			first := once()
			f.onAnswer = func(body string) string {
				if first() {
					return body + "!"
				}
				return body
			}
		}, func(f faults) uint64 { return f.Wrong }, "doesn't show"},
		"lost": {func(f *fake) {
			f.onList = func(m fakeMessage) []fakeMessage {
				if m.ID == "1-3" {
					return nil
				}
				return []fakeMessage{m}
			}
		}, func(f faults) uint64 { return f.Lost }, "isn't there"},
		"doubled": {func(f *fake) {
			f.onList = func(m fakeMessage) []fakeMessage {
				if m.ID == "1-3" {
					return []fakeMessage{m, m}
				}
				return []fakeMessage{m}
			}
		}, func(f faults) uint64 { return f.Doubled }, "2 times"},
		"no push to the sender": {func(f *fake) {
			f.onPush = func(to, id string) bool { return id != "1-3" || to != "demo00000" }
		}, func(f faults) uint64 { return f.Failed }, "1 pushes never came"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			c.plant(f)
			r := f.bench(t, nil)
			if c.count(r.Faults) != 1 || !strings.Contains(strings.Join(r.Faults.First, "\n"), c.says) {
				t.Errorf("got %+v", r.Faults)
			}
		})
	}
}

// TestStallIsCharged has the server stand still for a while. Whoever was to send meanwhile waited, and that counts: only
// few sends are under way during the stall, so a clock that starts when a request is written would hardly see it.
func TestStallIsCharged(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var mu sync.RWMutex // write-locked during the stall
	first := once()
	f.onSend = func(n int) {
		if n >= 60 && first() {
			mu.Lock()
			defer mu.Unlock()
			time.Sleep(500 * time.Millisecond) // the server's, not the test's
			return
		}
		mu.RLock()
		defer mu.RUnlock()
	}
	r := f.bench(t, func(o *options) { o.Rate, o.Duration = 200, 1500*time.Millisecond })
	there := stageOf(t, r, "fragment at the other side")
	// 300 messages are due, a third of them during the stall, and each waits for the rest of it.
	if there.P95 < 400 || there.P99 < 450 || there.Count < 295 || r.Faults.any() {
		t.Errorf("%+v, %+v", there, r.Faults)
	}
}

// What was due and could not be sent before the end counts too, as long as it had waited by then.
func TestMessagesThatWereNeverSentAreCharged(t *testing.T) {
	talk := newTalk(options{Pairs: 1, Rate: 1}, []*person{{}, {}})
	talk.span.from.Store(time.Now().Add(-time.Hour).UnixNano())
	talk.span.giveUp.Store(time.Now().Add(-time.Second).UnixNano())
	talk.pairs[0].due <- time.Now().Add(-20 * time.Second)
	close(talk.pairs[0].due)
	talk.pairs[0].run(t.Context())
	if got := talk.there.quantiles(); got.Max < 20_000 || talk.faults.so().Failed != 1 {
		t.Errorf("%+v, %+v", got, talk.faults.so())
	}
}
