package hub

import (
	"maps"
	"testing"
	"testing/synctest"
)

func closedBy(h *Hub) map[int]uint64 {
	found := map[int]uint64{}
	for _, c := range h.Stats().Closed {
		if c.Windows > 0 {
			found[c.Code] = c.Windows
		}
	}
	return found
}

func TestStatsCountPushesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		one, _ := open(h, 1, "a")
		two, _ := open(h, 1, "b")
		three, conn := open(h, 2, "c")
		four, _ := open(h, 3, "d")
		h.Push(1, []byte("x"))
		h.Push(1, []byte("x"))
		h.Push(2, []byte("y"))
		h.Push(9, []byte("nobody's"))
		if got := h.Stats(); got.Windows != 4 || got.Pushes != 5 {
			t.Errorf("counted %+v", got)
		}
		one.Close(CloseRevoked, "signed out")
		one.Close(CloseRestart, "too late: only the first counts")
		two.Close(4321, "a page's own idea")
		four.Close(1001, "")
		conn.breakApart()
		synctest.Wait()
		for _, w := range []*Window{one, two, three, four} {
			leave(h, w)
			h.Remove(w) // twice is no second end
		}
		want := map[int]uint64{CloseRevoked: 1, 0: 1, 1001: 1, closeAbnormal: 1}
		if got := closedBy(h); !maps.Equal(got, want) {
			t.Errorf("ended with %v, want %v", got, want)
		}
		if got := h.Stats(); got.Windows != 0 || len(got.Closed) != len(countedCodes)+1 {
			t.Errorf("afterwards %+v", got)
		}
	})
}

func TestStatsCountTheSlowAndTheUnattached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w := NewWindow(1, nil)
		h.Add(w)
		for range maxQueue + 1 {
			h.Push(1, []byte("x"))
		}
		leave(h, w)
		if got := closedBy(h); !maps.Equal(got, map[int]uint64{CloseOverloaded: 1}) {
			t.Errorf("ended with %v", got)
		}
	})
}
