package meter

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestHistogramCountsBySize(t *testing.T) {
	h := NewHistogram(1, 10, 100)
	for _, n := range []uint64{0, 1, 2, 10, 11, 100, 101, 5000} {
		h.Observe(n)
	}
	s := h.Snapshot()
	if !slices.Equal(s.Counts, []uint64{2, 2, 2, 2}) || s.Sum != 5225 || s.Count() != 8 {
		t.Errorf("counted %+v", s)
	}
	h.Observe(3)
	if since := h.Snapshot().Minus(s); !slices.Equal(since.Counts, []uint64{0, 1, 0, 0}) || since.Sum != 3 {
		t.Errorf("since then %+v", since)
	}
	if !slices.Equal(s.Counts, []uint64{2, 2, 2, 2}) {
		t.Errorf("a snapshot has changed: %+v", s)
	}
	if sum := s.Plus(s); !slices.Equal(sum.Counts, []uint64{4, 4, 4, 4}) || sum.Sum != 2*5225 {
		t.Errorf("twice that is %+v", sum)
	}
	if sum := (Snapshot{}).Plus(s); sum.Count() != 8 {
		t.Errorf("nothing and that is %+v", sum)
	}
}

func TestQuantile(t *testing.T) {
	h := NewHistogram(10, 20, 40)
	if got := h.Snapshot().Quantile(0.99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for range 90 {
		h.Observe(5)
	}
	for range 10 {
		h.Observe(30)
	}
	for q, want := range map[float64]float64{0.45: 5, 0.9: 10, 0.95: 30, 1: 40} {
		if got := h.Snapshot().Quantile(q); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	for range 1000 {
		h.Observe(1 << 40)
	}
	if got := h.Snapshot().Quantile(0.99); got != 40 {
		t.Errorf("above all bounds: %v, want the highest bound", got)
	}
}

func TestBounds(t *testing.T) {
	if got := Sizes(32).bounds; !slices.Equal(got, []uint64{1, 2, 4, 8, 16, 32}) {
		t.Errorf("sizes up to 32: %v", got)
	}
	bounds := Durations().bounds
	if !slices.IsSorted(bounds) || bounds[0] != uint64(100*time.Microsecond) || bounds[len(bounds)-1] != uint64(10*time.Second) {
		t.Errorf("durations: %v", bounds)
	}
}

func TestNilHistogramCountsNothing(t *testing.T) {
	var h *Histogram
	h.Observe(1)
	if n := h.Snapshot().Count(); n != 0 {
		t.Errorf("counted %d", n)
	}
}

func TestALaterStartIsNoTime(t *testing.T) {
	h := Durations()
	h.ObserveSince(time.Now().Add(time.Hour))
	if s := h.Snapshot(); s.Counts[0] != 1 || s.Sum != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestManyCountAtOnce(t *testing.T) {
	h := Sizes(8)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range uint64(1000) {
				h.Observe(n % 10)
			}
		})
	}
	all.Wait()
	if s := h.Snapshot(); s.Count() != 8000 || s.Sum != 8*4500 {
		t.Errorf("counted %+v", s)
	}
}

func BenchmarkObserve(b *testing.B) {
	h := Durations()
	b.ReportAllocs()
	for b.Loop() {
		h.Observe(1_500_000)
	}
}
