package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramIsWithinOnePercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var h histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(random.ExpFloat64() * float64(5*time.Millisecond))
		all = append(all, d)
		h.record(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.5, 0.95, 0.99, 0.999, 1} {
		want := all[max(int(q*float64(len(all)))-1, 0)]
		if got := h.quantile(q); got < want || float64(got) > 1.01*float64(want)+1 {
			t.Errorf("the quantile %v is %v, and is to be %v", q, got, want)
		}
	}
	if got := h.quantiles(); got.Count != 20_000 || got.Max != milliseconds(all[len(all)-1]) {
		t.Errorf("got %+v", got)
	}
}

func TestQuantilesOfFewAreTheNextHigher(t *testing.T) {
	var h histogram
	for n := range 10 {
		h.record(time.Duration(n + 1))
	}
	for q, want := range map[float64]time.Duration{0.5: 5, 0.51: 6, 0.95: 10, 0.99: 10, 0: 1} {
		if got := h.quantile(q); got != want {
			t.Errorf("the quantile %v of 1 to 10 is %d, and is to be %d", q, got, want)
		}
	}
}

func TestHistogramAtItsEnds(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	h.record(-time.Second) // a clock that was set back
	h.record(1<<63 - 1)
	if h.quantile(0.5) != 0 || h.quantile(1) != 1<<63-1 {
		t.Errorf("got %v and %v", h.quantile(0.5), h.quantile(1))
	}
	for n := uint64(1); n < 1<<62; n += n/3 + 1 {
		if i := bucketOf(n); highest(i) < n || i > 0 && highest(i-1) >= n {
			t.Errorf("%d is in the bucket %d, from %d to %d", n, i, highest(i-1)+1, highest(i))
		}
	}
}
