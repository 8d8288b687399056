package handlers

import (
	"context"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"parley/db/meter"
	"parley/views"
)

const (
	sampleEvery = 2 * time.Second
	// keptSamples are ten minutes.
	keptSamples = 300
)

// plots are what the live page shows. read gives a plot's number from what was counted until now, and until the sample
// before, which was that many seconds ago.
var plots = []struct {
	name, title, unit string
	read              func(now, before reading, seconds float64) float64
}{
	{"messages_per_second", "Messages sent", "a second", func(n, b reading, s float64) float64 { return float64(n.stored-b.stored) / s }},
	{"requests_per_second", "Requests", "a second", func(n, b reading, s float64) float64 { return float64(n.took.Minus(b.took).Count()) / s }},
	{"request_p99_milliseconds", "Requests, slowest 1%", "ms", func(n, b reading, _ float64) float64 {
		return n.took.Minus(b.took).Quantile(0.99) / float64(time.Millisecond)
	}},
	{"windows", "Open windows", "", func(n, _ reading, _ float64) float64 { return float64(n.windows) }},
	{"waiting", "Waiting for their turn", "", func(n, _ reading, _ float64) float64 { return float64(n.waiting) }},
	{"database_connections", "Database connections in use", "", func(n, _ reading, _ float64) float64 { return float64(n.inUse) }},
	{fanoutPlot, "Way to Redis, slowest 1%", "ms", func(n, b reading, _ float64) float64 {
		return n.wait.Minus(b.wait).Quantile(0.99) / float64(time.Millisecond)
	}},
	{"cpu_percent", "Processor, of one core", "%", func(n, b reading, s float64) float64 { return 100 * (n.cpu - b.cpu).Seconds() / s }},
	{"memory_megabytes", "Memory", "MB", func(n, _ reading, _ float64) float64 { return float64(n.memory) / 1e6 }},
	{"goroutines", "Goroutines", "", func(n, _ reading, _ float64) float64 { return float64(n.goroutines) }},
}

// fanoutPlot is shown where there may be other nodes.
const fanoutPlot = "fanout_milliseconds"

// reading is what was counted until some moment.
type reading struct {
	at                      time.Time
	stored                  uint64
	took, wait              meter.Snapshot
	windows, waiting, inUse int
	cpu                     time.Duration
	memory                  uint64 // in octets
	goroutines              int
}

func (s *Server) read() reading {
	f := s.figures()
	r := reading{
		at: time.Now(), stored: f.Chat.Stored, wait: f.Fanout.Wait, windows: f.Hub.Windows,
		waiting: f.Chat.SendsWaiting + f.Chat.LookupsWaiting + f.Chat.HashesWaiting, inUse: f.Chat.Pool.InUse,
		cpu: processorTime(), memory: memoryInUse(), goroutines: runtime.NumGoroutine(),
	}
	for _, route := range f.Requests {
		r.took = r.took.Plus(route.Took)
	}
	return r
}

// processorTime is what this process has used of all cores.
func processorTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // fails only for another argument
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// memoryInUse is what is resident, where the system says so (Linux), and else what Go has got from it.
func memoryInUse() uint64 {
	statm, _ := os.ReadFile("/proc/self/statm") // without it there is the other number
	if fields := strings.Fields(string(statm)); len(fields) > 1 {
		if pages, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
			return pages * uint64(os.Getpagesize())
		}
	}
	total := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(total)
	return total[0].Value.Uint64()
}

// samples keeps the latest numbers of each plot.
type samples struct {
	mu   sync.Mutex
	last reading
	ring [keptSamples]sample
	n    int // how many were taken
}

type sample struct {
	at     time.Time
	values [16]float64 // by the order of plots
}

// add takes a sample. The very first reading only says where counting began.
func (s *samples) add(now reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.last
	s.last = now
	seconds := now.at.Sub(before.at).Seconds()
	if before.at.IsZero() || seconds <= 0 {
		return
	}
	next := &s.ring[s.n%keptSamples]
	next.at = now.at
	for i, p := range plots {
		next.values[i] = p.read(now, before, seconds)
	}
	s.n++
}

// all gives what is kept, oldest first.
func (s *samples) all() []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make([]sample, 0, keptSamples)
	for n := max(0, s.n-keptSamples); n < s.n; n++ {
		kept = append(kept, s.ring[n%keptSamples])
	}
	return kept
}

// sample takes samples until ctx ends.
func (s *Server) sample(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		s.samples.add(s.read())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// livePlots puts samples into plots for the page.
func livePlots(kept []sample, several bool) (shown []views.Plot) {
	for i, p := range plots {
		if p.name == fanoutPlot && !several {
			continue
		}
		plot := views.Plot{Name: p.name, Title: p.title, Unit: p.unit}
		for _, one := range kept {
			plot.Values = append(plot.Values, one.values[i])
		}
		shown = append(shown, plot)
	}
	return shown
}
