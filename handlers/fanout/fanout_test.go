package fanout

import (
	"slices"
	"sync"
	"testing"

	"parley/db/chat"
)

var _ Fanout = (*Memory)(nil)

func TestMemoryDeliversInOrder(t *testing.T) {
	m := NewMemory()
	m.Notify(chat.Event{To: 9}) // nobody has subscribed: dropped, and no panic
	var got []uint64
	m.Subscribe(func(e chat.Event) { got = append(got, e.To) })
	m.Notify()
	m.Notify(chat.Event{To: 1}, chat.Event{To: 2})
	m.Notify(chat.Event{To: 3})
	if !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("delivered to %v", got)
	}
	if err := m.Ready(); err != nil {
		t.Error(err)
	}
}

// An event arrives as it was, and before Notify returns: a message that was answered has been pushed.
func TestMemoryDeliversWhatItWasGiven(t *testing.T) {
	m := NewMemory()
	var got chat.Event
	m.Subscribe(func(e chat.Event) { got = e })
	want := chat.Event{Type: chat.EventMessage, To: 7, With: "bob", ID: chat.MessageID{Conversation: 7, Seq: 42}, Rev: 57, Seq: 3, Session: []byte{1}}
	m.Notify(want)
	if got.Type != want.Type || got.To != want.To || got.With != want.With || got.ID != want.ID || got.Rev != want.Rev || got.Seq != want.Seq || string(got.Session) != string(want.Session) {
		t.Errorf("delivered %+v, want %+v", got, want)
	}
}

func TestMemoryIsSafeForConcurrentUse(t *testing.T) {
	m := NewMemory()
	var mu sync.Mutex
	n := 0
	m.Subscribe(func(chat.Event) {
		mu.Lock()
		defer mu.Unlock()
		n++
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				m.Notify(chat.Event{}, chat.Event{})
			}
		})
	}
	all.Wait()
	if n != 1600 {
		t.Errorf("%d events were delivered, want 1600", n)
	}
}
