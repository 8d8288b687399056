package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Each power of two is cut into this many buckets, so a figure is at most 1/128 too high.
const (
	cutBits = 7
	cuts    = 1 << cutBits
)

// histogram counts durations. Any number of goroutines may record at once; the rest is for after that.
type histogram struct {
	buckets [(64 - cutBits) * cuts]atomic.Uint64
	count   atomic.Uint64
	longest atomic.Int64
}

func (h *histogram) record(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(uint64(d))].Add(1)
	h.count.Add(1)
	for old := h.longest.Load(); int64(d) > old && !h.longest.CompareAndSwap(old, int64(d)); old = h.longest.Load() {
	}
}

// bucketOf counts single nanoseconds up to 2*cuts, then in steps that double with each power of two.
func bucketOf(n uint64) int {
	shift := max(bits.Len64(n)-cutBits-1, 0)
	return shift<<cutBits + int(n>>shift)
}

// highest is the largest number in a bucket.
func highest(bucket int) uint64 {
	if bucket < 2*cuts {
		return uint64(bucket)
	}
	shift := bucket>>cutBits - 1
	return uint64(bucket-shift<<cutBits+1)<<shift - 1
}

// quantile gives the least duration that a share q of all was no longer than; 0 where nothing was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	total := h.count.Load()
	want, seen := uint64(q*float64(total)), uint64(0)
	if float64(want) < q*float64(total) {
		want++
	}
	for i := range h.buckets {
		if seen += h.buckets[i].Load(); seen >= max(want, 1) {
			return min(time.Duration(highest(i)), time.Duration(h.longest.Load()))
		}
	}
	return 0
}

// quantiles are what is told of a histogram, in milliseconds.
type quantiles struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
}

func (h *histogram) quantiles() quantiles {
	at := func(q float64) float64 { return milliseconds(h.quantile(q)) }
	return quantiles{h.count.Load(), at(0.5), at(0.95), at(0.99), at(0.999), milliseconds(time.Duration(h.longest.Load()))}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
