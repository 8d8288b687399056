// Package metrics shows Prometheus what a node counts. Everything is counted elsewhere, by plain numbers; this package
// reads them when it is asked.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"parley/db/chat"
	"parley/db/meter"
	"parley/handlers/fanout"
	"parley/handlers/hub"
)

// Figures is everything that a node counts, at one moment.
type Figures struct {
	Requests []Requests // a fixed list, whatever is asked for
	Chat     chat.Stats
	Hub      hub.Stats
	Fanout   fanout.Stats
}

// Requests is what was asked of one route.
type Requests struct {
	Method, Route string         // HEAD counts as GET; Route is the pattern, such as /users/:username
	Answered      [6]uint64      // by the status' first digit
	Took          meter.Snapshot // in nanoseconds, until the answer is ready to be written
}

// Handler answers with the figures in one of Prometheus' formats, and with those of the Go runtime and of the process.
func Handler(read func() Figures) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{read}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector reads the figures anew for each scrape.
type collector struct{ read func() Figures }

// Describe implements prometheus.Collector.
func (c collector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range all {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	f := c.read()
	s := sink{to}
	for _, r := range f.Requests {
		s.requests(r)
	}
	s.chat(f.Chat)
	s.pool(f.Chat)
	s.hub(f.Hub)
	s.fanout(f.Fanout)
}
