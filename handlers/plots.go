package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/views"
)

// liveBody is the last minutes for programs: numbers by plot, as many as there are times.
type liveBody struct {
	Node    string               `json:"node"`
	Times   []timestamp          `json:"times"`
	Figures map[string][]float64 `json:"figures"`
}

// showLive shows the last minutes of this node, as plots.
func (s *Server) showLive(c *fiber.Ctx) error {
	kept := s.samples.all()
	live := views.Live{
		Viewing: s.viewing(c), Node: s.Node, Several: s.Fanout.Stats().Nodes, Every: sampleEvery, Most: keptSamples,
	}
	if len(kept) > 0 {
		live.Plots = livePlots(kept, live.Several)
	}
	body := liveBody{Node: s.Node, Times: mapSlice(kept, func(one sample) timestamp { return timestamp(one.at) }), Figures: map[string][]float64{}}
	for _, p := range live.Plots {
		body.Figures[p.Name] = p.Values
	}
	return s.respondInApp(c, http.StatusOK, pane{title: "Live", content: views.LivePlots(live)}, body)
}
