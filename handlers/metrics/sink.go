package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/db/chat"
	"parley/db/meter"
	"parley/handlers/fanout"
	"parley/handlers/hub"
)

// sink takes figures over into Prometheus' metrics. The descriptions fit, so that none of these can fail.
type sink struct{ to chan<- prometheus.Metric }

func (s sink) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sink) gauge(d *prometheus.Desc, n int, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

// histogram takes one whose numbers are that many to Prometheus' unit: 1e9 nanoseconds to a second.
func (s sink) histogram(d *prometheus.Desc, h meter.Snapshot, perUnit float64, labels ...string) {
	if len(h.Counts) == 0 {
		return
	}
	buckets, below := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, bound := range h.Bounds {
		below += h.Counts[i]
		buckets[float64(bound)/perUnit] = below
	}
	s.to <- prometheus.MustNewConstHistogram(d, h.Count(), float64(h.Sum)/perUnit, buckets, labels...)
}

const perSecond = float64(time.Second)

// requests shows the classes without any too: a rate needs to see a counter before it rises.
func (s sink) requests(r Requests) {
	for digit := 1; digit < len(r.Answered); digit++ {
		s.counter(requestsTotal, r.Answered[digit], r.Method, r.Route, strconv.Itoa(digit)+"xx")
	}
	s.histogram(requestSeconds, r.Took, perSecond, r.Method, r.Route)
}

func (s sink) chat(c chat.Stats) {
	s.counter(sendsTotal, c.Stored, "stored")
	s.counter(sendsTotal, c.Replayed, "replayed")
	s.counter(sendsTotal, c.Refused, "refused")
	s.counter(sendsTotal, c.Unavailable, "unavailable")
	s.counter(sendsTotal, c.Failed, "failed")
	s.histogram(sendGroup, c.SendGroups, 1)
	s.gauge(sendsWaiting, c.SendsWaiting)
	s.histogram(lookupGroup, c.LookupGroups, 1)
	s.gauge(lookupWaiting, c.LookupsWaiting)
	s.counter(fetchesTotal, c.FromMemory, "memory")
	s.counter(fetchesTotal, c.FromDatabase, "database")
	s.gauge(hashing, c.Hashing)
	s.gauge(hashingPlaces, c.HashingPlaces)
	s.gauge(hashingWaiting, c.HashesWaiting)
}

func (s sink) pool(c chat.Stats) {
	s.gauge(poolConnections, c.Pool.InUse, "in_use")
	s.gauge(poolConnections, c.Pool.Idle, "idle")
	s.gauge(poolMax, c.Pool.MaxOpenConnections)
	s.counter(poolWaits, uint64(c.Pool.WaitCount))
	s.to <- prometheus.MustNewConstMetric(poolWaitSeconds, prometheus.CounterValue, c.Pool.WaitDuration.Seconds())
}

func (s sink) hub(h hub.Stats) {
	s.gauge(windowsOpen, h.Windows)
	s.counter(pushesTotal, h.Pushes)
	for _, closed := range h.Closed {
		code := strconv.Itoa(closed.Code)
		if closed.Code == 0 {
			code = "other"
		}
		s.counter(windowsClosed, closed.Windows, code)
	}
}

// fanout says nothing of a node that is alone.
func (s sink) fanout(f fanout.Stats) {
	if !f.Nodes {
		return
	}
	s.counter(fanoutPublished, f.Published)
	s.counter(fanoutDropped, f.Lost)
	s.counter(fanoutReceived, f.Heard)
	s.gauge(fanoutWaiting, f.Waiting)
	s.histogram(fanoutWait, f.Wait, perSecond)
	s.histogram(fanoutDelay, f.Delay, perSecond)
	degraded := 0
	if f.Degraded {
		degraded = 1
	}
	s.gauge(fanoutDegraded, degraded)
}
