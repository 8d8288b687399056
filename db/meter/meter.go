// Package meter counts at the price of an atomic addition or two: what is counted is added up when somebody asks.
package meter

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// Histogram counts whole numbers by their size: nanoseconds, messages. It is safe for concurrent use; a nil one counts
// nothing.
type Histogram struct {
	bounds []uint64
	counts []atomic.Uint64 // one for each bound, and one for what is above all
	sum    atomic.Uint64
}

// NewHistogram makes a Histogram with the upper bounds of its classes, in rising order.
func NewHistogram(bounds ...uint64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Durations makes a Histogram of times from 100 microseconds to 10 seconds, in nanoseconds.
func Durations() *Histogram {
	var bounds []uint64
	for decade := uint64(100_000); decade < 10_000_000_000; decade *= 10 {
		bounds = append(bounds, decade, decade*5/2, decade*5)
	}
	return NewHistogram(append(bounds, 10_000_000_000)...)
}

// Sizes makes a Histogram of group sizes: 1, 2, 4 and so on up to most.
func Sizes(most int) *Histogram {
	bounds := make([]uint64, bits.Len(uint(most)))
	for i := range bounds {
		bounds[i] = 1 << i
	}
	return NewHistogram(bounds...)
}

// Observe counts one number.
func (h *Histogram) Observe(n uint64) {
	if h == nil {
		return
	}
	i := 0
	for i < len(h.bounds) && n > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(n)
}

// ObserveSince counts the time from start to now, 0 where start is later by another machine's clock.
func (h *Histogram) ObserveSince(start time.Time) { h.Observe(uint64(max(0, time.Since(start)))) }

// Snapshot is what a Histogram has counted. Parts of what is counted at this moment may be missing.
func (h *Histogram) Snapshot() Snapshot {
	if h == nil {
		return Snapshot{}
	}
	s := Snapshot{Bounds: h.bounds, Counts: make([]uint64, len(h.counts)), Sum: h.sum.Load()}
	for i := range h.counts {
		s.Counts[i] = h.counts[i].Load()
	}
	return s
}

// Snapshot is a Histogram at one moment. Counts has one number for each bound, of what was above the bound before it and
// not above this one, and one more for what was above all.
type Snapshot struct {
	Bounds []uint64
	Counts []uint64
	Sum    uint64
}

// Count is how many numbers were counted.
func (s Snapshot) Count() (n uint64) {
	for _, c := range s.Counts {
		n += c
	}
	return n
}

// Plus adds what another Histogram with the same bounds has counted.
func (s Snapshot) Plus(other Snapshot) Snapshot {
	if len(s.Counts) == 0 {
		return other
	}
	sum := Snapshot{Bounds: s.Bounds, Counts: slices.Clone(s.Counts), Sum: s.Sum + other.Sum}
	for i, n := range other.Counts {
		sum.Counts[i] += n
	}
	return sum
}

// Minus gives what was counted since an older Snapshot of the same Histogram.
func (s Snapshot) Minus(older Snapshot) Snapshot {
	since := Snapshot{Bounds: s.Bounds, Counts: slices.Clone(s.Counts), Sum: s.Sum - older.Sum}
	for i, n := range older.Counts {
		since.Counts[i] -= n
	}
	return since
}

// Quantile estimates what a share q of the numbers is not above: it takes a class's numbers for evenly spread. What is
// above all bounds counts as the highest one, and 0 stands for nothing counted.
func (s Snapshot) Quantile(q float64) float64 {
	rank, below := q*float64(s.Count()), 0.0
	for i, n := range s.Counts {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		if i == len(s.Bounds) {
			return float64(s.Bounds[i-1])
		}
		least := 0.0
		if i > 0 {
			least = float64(s.Bounds[i-1])
		}
		return least + (float64(s.Bounds[i])-least)*(rank-below)/float64(n)
	}
	return 0
}
