package main

import (
	"fmt"
	"sync"
	"time"
)

// result is what one scenario gave.
type result struct {
	Scenario string         `json:"scenario"`
	Server   string         `json:"server"`
	Settings map[string]any `json:"settings"`
	Unit     string         `json:"unit"` // what is counted
	Count    uint64         `json:"count"`
	Seconds  float64        `json:"seconds"`
	Rate     float64        `json:"per_second"`

	// CPU time in the measured span, in seconds. All zero where the processes aren't known.
	ParleyCPU   float64 `json:"cpu_parley_s"`
	DatabaseCPU float64 `json:"cpu_database_s"`
	LoadCPU     float64 `json:"cpu_load_s"`
	// PerCPU is how many for one CPU-second of Parley and its database together.
	PerCPU float64 `json:"per_cpu_second"`

	Stages []stage  `json:"stages"`
	Values []value  `json:"values,omitempty"`
	Faults faults   `json:"faults"`
	Notes  []string `json:"notes,omitempty"`
}

// stage is how long something took, counted from when it was to begin.
type stage struct {
	Name string `json:"name"`
	quantiles
}

// value is a figure that only some scenarios have.
type value struct {
	Name string  `json:"name"`
	N    float64 `json:"value"`
	Unit string  `json:"unit"`
}

// faults are what must not happen.
type faults struct {
	Lost    uint64   `json:"lost"`    // acknowledged, but not in the conversation
	Doubled uint64   `json:"doubled"` // more than once in the conversation
	Wrong   uint64   `json:"wrong"`   // an answer or a push that isn't what it has to be
	Failed  uint64   `json:"failed"`  // no answer in time, or an error
	First   []string `json:"first,omitempty"`
}

func (f faults) any() bool { return f.Lost+f.Doubled+f.Wrong+f.Failed > 0 }

// faultLog collects faults from many goroutines.
type faultLog struct {
	mu sync.Mutex
	faults
}

// told is how many faults are told in words.
const told = 5

func (l *faultLog) note(kind *uint64, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*kind++
	if len(l.First) < told {
		l.First = append(l.First, fmt.Sprintf(format, args...))
	}
}

func (l *faultLog) wrong(format string, args ...any)  { l.note(&l.Wrong, format, args...) }
func (l *faultLog) failed(format string, args ...any) { l.note(&l.Failed, format, args...) }

func (l *faultLog) so() faults {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faults
}

// count fills in what follows from how many there were, how long it took, and what it cost.
func (r *result) count(n uint64, took time.Duration, cost usage) {
	r.Count, r.Seconds = n, took.Seconds()
	r.Rate = ratio(float64(n), took.Seconds())
	r.ParleyCPU, r.DatabaseCPU, r.LoadCPU = cost.parley.Seconds(), cost.database.Seconds(), cost.load.Seconds()
	r.PerCPU = ratio(float64(n), r.ParleyCPU+r.DatabaseCPU)
}

// ratio is 0 where there is none: JSON knows no other number for it.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// lateness tells how late bench itself was in an open model. It is part of all the other times, so where it is large,
// those are bench's and not the server's.
func (r *result) lateness(late *clock) {
	if late.count.Load() > 0 {
		r.stage("bench's own lateness", &late.histogram)
	}
}

func (r *result) stage(name string, h *histogram) {
	r.Stages = append(r.Stages, stage{name, h.quantiles()})
}
