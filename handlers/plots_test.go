package handlers

import (
	"testing"
	"time"

	"parley/db/meter"
)

// resample has the server know a number of samples, and none of before.
func (w *world) resample(count int) {
	w.t.Helper()
	w.server.stopPing()
	w.server.pings.Wait() // now nobody else takes any
	w.server.samples.n, w.server.samples.last = 0, reading{}
	start := time.Now()
	for i := range count + 1 {
		w.server.samples.add(reading{at: start.Add(time.Duration(i) * sampleEvery), stored: uint64(10 * i), windows: i})
	}
}

func TestLivePage(t *testing.T) {
	w := newWorld(t)
	root := w.admin("root")
	w.resample(0)
	root.get("/admin/live", asPage).want(200).wantText("Collecting", "Reload")
	root.get("/admin/live", asJSON).want(200).wantJSON(`{"node":"here","times":[],"figures":{}}`)
	w.resample(keptSamples + 3)
	doc := root.get("/admin/live", asPage).want(200).wantText("5 a second").wantNoText("This node only", "Redis").doc()
	if n := doc.Find("#live svg polyline").Length(); n != len(plots)-1 {
		t.Errorf("there are %d plots", n)
	}
	var body liveBody
	root.get("/admin/live", asJSON).want(200).into(&body)
	windows := body.Figures["windows"]
	if len(body.Times) != keptSamples || len(windows) != keptSamples || windows[0] != 4 || windows[keptSamples-1] != keptSamples+3 || body.Figures["messages_per_second"][7] != 5 {
		t.Errorf("%d times, %d windows from %v to %v, %v messages a second", len(body.Times), len(windows), windows[0], windows[len(windows)-1], body.Figures["messages_per_second"][7])
	}
	if doc := root.get("/admin/live", asFragment).want(200).doc(); doc.Find("#live[hx-get='/admin/live'] polyline").Length() == 0 {
		t.Error("the fragment has no plots to take over")
	}
}

// What the server does shows in the figures.
func TestSamplesFollowWhatHappens(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	before := w.server.read()
	for range 3 {
		alice.post("/messages", asJSON, object(fields{"recipient": "alice", "body": "hi"})).want(201)
	}
	now := w.server.read()
	values := map[string]float64{}
	for _, p := range plots {
		values[p.name] = p.read(now, before, 2)
	}
	if values["messages_per_second"] != 1.5 || values["requests_per_second"] != 1.5 || values["request_p99_milliseconds"] <= 0 {
		t.Errorf("three sends in two seconds: %v", values)
	}
	if values["memory_megabytes"] < 5 || values["goroutines"] < 3 || values["cpu_percent"] < 0 || values["windows"] != 0 {
		t.Errorf("the process: %v", values)
	}
}

// Every plot's number is one that JSON and SVG have, also while nothing happens and after a step of the clock.
func TestSamplesOfNothing(t *testing.T) {
	var s samples
	now := time.Now()
	for _, at := range []time.Time{now, now, now.Add(-time.Hour), now.Add(time.Second)} {
		s.add(reading{at: at, took: meter.Durations().Snapshot()})
	}
	kept := s.all()
	if len(kept) != 1 {
		t.Fatalf("%d samples", len(kept))
	}
	for i := range plots {
		if v := kept[0].values[i]; v != 0 {
			t.Errorf("%s is %v", plots[i].name, v)
		}
	}
	if len(plots) > len(sample{}.values) {
		t.Errorf("there is no room for %d plots", len(plots))
	}
}

func TestSamplesAreTaken(t *testing.T) {
	w := newWorld(t)
	await(t, "a first sample", func() bool { return len(w.server.samples.all()) > 0 })
}

func TestLiveNamesTheNode(t *testing.T) {
	shown := livePlots([]sample{{}}, true)
	alone := livePlots([]sample{{}}, false)
	if len(shown) != len(plots) || len(alone) != len(plots)-1 {
		t.Errorf("%d plots with several nodes, %d with one", len(shown), len(alone))
	}
}
