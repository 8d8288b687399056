package chat

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// slowly serves groups one at a time, each when the test lets it.
type slowly struct {
	mu     sync.Mutex
	groups [][]int
	let    chan func()
}

func newSlowly(most int) (*slowly, *grouped[int]) {
	s := &slowly{let: make(chan func())}
	return s, &grouped[int]{most: most, serve: func(group []int) {
		s.mu.Lock()
		s.groups = append(s.groups, slices.Clone(group))
		s.mu.Unlock()
		(<-s.let)()
	}}
}

func nothing() {}

// call does a call in a goroutine of its own, and gives where its error comes.
func call(ctx context.Context, g *grouped[int], n int) chan error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- errors.New("panicked")
			}
		}()
		done <- g.do(ctx, n)
	}()
	synctest.Wait()
	return done
}

func TestCallsThatWaitGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := newSlowly(3)
		var done []chan error
		for n := range 6 {
			done = append(done, call(t.Context(), g, n))
		}
		if n := g.waiting(); n != 5 {
			t.Errorf("%d wait, want 5", n)
		}
		for range 3 {
			s.let <- nothing
		}
		for n, d := range done {
			if err := <-d; err != nil {
				t.Errorf("call %d: %v", n, err)
			}
		}
		if want := [][]int{{0}, {1, 2, 3}, {4, 5}}; !slices.EqualFunc(s.groups, want, slices.Equal) {
			t.Errorf("served %v, want %v", s.groups, want)
		}
		last := call(t.Context(), g, 6) // nobody is being served any more
		s.let <- nothing
		if err := <-last; err != nil || len(s.groups) != 4 {
			t.Errorf("a call after all others: %v, groups %v", err, s.groups)
		}
	})
}

// Whoever has no time left leaves the queue, and nobody else notices.
func TestCallThatGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := newSlowly(9)
		first := call(t.Context(), g, 0)
		ctx, cancel := context.WithCancel(t.Context())
		given := call(ctx, g, 1)
		last := call(t.Context(), g, 2)
		cancel()
		if err := <-given; !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
		s.let <- nothing
		s.let <- nothing
		if err := errors.Join(<-first, <-last); err != nil {
			t.Error(err)
		}
		if want := [][]int{{0}, {2}}; !slices.EqualFunc(s.groups, want, slices.Equal) {
			t.Errorf("served %v, want %v", s.groups, want)
		}
	})
}

// A call that is being served is waited for: it may have been stored.
func TestCallThatIsBeingServedIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := newSlowly(9)
		first := call(t.Context(), g, 0)
		second := call(t.Context(), g, 1)
		ctx, cancel := context.WithCancel(t.Context())
		third := call(ctx, g, 2)
		s.let <- nothing // 1 and 2 are being served
		<-first
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case err := <-third:
			t.Fatalf("it didn't wait: %v", err)
		default:
		}
		s.let <- nothing
		if err := errors.Join(<-second, <-third); err != nil {
			t.Error(err)
		}
	})
}

// A panic is its leader's. The others of the group hear of it: none takes it for a success, and none waits for ever.
func TestPanicIsNobodysSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := newSlowly(9)
		first := call(t.Context(), g, 0)
		leader, other := call(t.Context(), g, 1), call(t.Context(), g, 2)
		s.let <- nothing
		<-first
		synctest.Wait()
		after := call(t.Context(), g, 3)
		s.let <- func() { panic("unforeseen") }
		if err := <-leader; err == nil || err.Error() != "panicked" {
			t.Errorf("the leader: %v", err)
		}
		if err := <-other; !errors.Is(err, errLeftBehind) {
			t.Errorf("the other: %v", err)
		}
		s.let <- nothing
		if err := <-after; err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}
