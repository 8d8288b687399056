package metrics

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"parley/db/chat"
	"parley/db/meter"
	"parley/handlers/fanout"
	"parley/handlers/hub"
)

// some has a number of its own in many places.
func some() Figures {
	took, sizes := meter.Durations(), meter.Sizes(4)
	for _, d := range []time.Duration{time.Millisecond, 2 * time.Millisecond, time.Minute} {
		took.Observe(uint64(d))
	}
	sizes.Observe(3)
	return Figures{
		Requests: []Requests{{Method: "GET", Route: "/users/:username", Answered: [6]uint64{0, 0, 7, 0, 2, 0}, Took: took.Snapshot()}},
		Chat:     chat.Stats{Stored: 5, SendGroups: sizes.Snapshot(), LookupGroups: sizes.Snapshot(), SendsWaiting: 6},
		Hub:      hub.Stats{Windows: 3, Pushes: 8, Closed: []hub.Closed{{Code: 1012, Windows: 4}, {Windows: 9}}},
		Fanout:   fanout.Stats{Nodes: true, Published: 10, Wait: took.Snapshot(), Delay: took.Snapshot(), Degraded: true},
	}
}

func shown(t *testing.T, f Figures) string {
	t.Helper()
	answer := httptest.NewRecorder()
	Handler(func() Figures { return f }).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Code != 200 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func TestEachFigureHasItsLine(t *testing.T) {
	text := shown(t, some())
	for _, want := range []string{
		`parley_requests_total{class="2xx",method="GET",route="/users/:username"} 7`,
		`parley_requests_total{class="5xx",method="GET",route="/users/:username"} 0`,
		`parley_request_duration_seconds_bucket{method="GET",route="/users/:username",le="0.001"} 1`,
		`parley_request_duration_seconds_bucket{method="GET",route="/users/:username",le="0.0025"} 2`,
		`parley_request_duration_seconds_bucket{method="GET",route="/users/:username",le="10"} 2`,
		`parley_request_duration_seconds_bucket{method="GET",route="/users/:username",le="+Inf"} 3`,
		`parley_request_duration_seconds_sum{method="GET",route="/users/:username"} 60.003`,
		`parley_sends_total{result="stored"} 5`,
		`parley_send_group_messages_bucket{le="2"} 0`,
		`parley_send_group_messages_bucket{le="4"} 1`,
		`parley_send_group_messages_sum 3`,
		`parley_sends_waiting 6`,
		`parley_windows 3`,
		`parley_windows_closed_total{code="1012"} 4`,
		`parley_windows_closed_total{code="other"} 9`,
		`parley_pushes_total 8`,
		`parley_fanout_published_total 10`,
		`parley_fanout_publish_delay_seconds_count 3`,
		`parley_fanout_degraded 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
}

// Prometheus' own checker of names, units and explanations.
func TestNamesFollowPractice(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(shown(t, some()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "parley_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// A name in the README that isn't there is an alert that never comes.
func TestReadmeNamesAreThere(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, names := shown(t, some()), regexp.MustCompile(`\bparley_\w+`).FindAllString(string(readme), -1)
	if len(names) < 4 {
		t.Errorf("the README has only %v", names)
	}
	for _, name := range names {
		if !strings.Contains(text, "\n"+name+"{") && !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("%s is in the README and nowhere else", name)
		}
	}
}
