package handlers

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"parley/db/chat"
)

const scrapeToken = "a token of Prometheus"

func scrapable(c *Config, _ *chat.Options) { c.MetricsToken = scrapeToken }

var withToken = header("Authorization", "Bearer "+scrapeToken)

// scrape gives each line's number by what stands before it.
func (w *world) scrape() map[string]float64 {
	w.t.Helper()
	return numbers(w.t, w.nobody().get("/metrics", withToken).want(200).body)
}

func numbers(t testing.TB, text []byte) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		n, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		found[line[:i]] = n
	}
	return found
}

// risen is what has changed from one scrape to another, of Parley's own figures.
func risen(before, after map[string]float64) map[string]float64 {
	found := map[string]float64{}
	for name, n := range after {
		if d := n - before[name]; d != 0 && strings.HasPrefix(name, "parley_") {
			found[name] = d
		}
	}
	return found
}

// wantRisen compares all that has changed whose name begins so.
func wantRisen(t testing.TB, got map[string]float64, prefix string, want map[string]float64) {
	t.Helper()
	have := map[string]float64{}
	for name, n := range got {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			have[rest] = n
		}
	}
	if !maps.Equal(have, want) {
		t.Errorf("of %s has changed %v, want %v", prefix, have, want)
	}
}

func TestMetricsAreForTheToken(t *testing.T) {
	w := newWorld(t, scrapable)
	admin := w.admin("root")
	for authorization, status := range map[string]int{
		"Bearer " + scrapeToken: 200, "bearer " + scrapeToken: 200,
		"": 404, "Bearer": 404, "Bearer ": 404, scrapeToken: 404, "Basic " + scrapeToken: 404, "Bearer wrong": 404,
		"Bearer " + scrapeToken + "x": 404, "Bearer " + scrapeToken[1:]: 404, "Bearer  " + scrapeToken: 404,
	} {
		for _, v := range []*visitor{w.nobody(), w.signIn(admin.user)} {
			for _, s := range shapes {
				r := v.get("/metrics", s.ask, header("Authorization", authorization)).want(status)
				checkSecurityHeaders(t, r)
				r.wantHeader("Cache-Control", "no-store")
				if isText := strings.HasPrefix(r.header.Get("Content-Type"), "text/plain; version=0.0.4"); isText != (status == 200) {
					t.Errorf("%q gets %s", authorization, r.header.Get("Content-Type"))
				}
			}
		}
	}
}

// Without a token to ask for, nobody has it.
func TestMetricsWithoutATokenAreNotThere(t *testing.T) {
	w := newWorld(t)
	for _, authorization := range []string{"", "Bearer ", "Bearer", "Bearer x"} {
		r := w.nobody().get("/metrics", asPage, header("Authorization", authorization)).want(404)
		elsewhere := w.nobody().get("/metricss", asPage).want(404)
		if a, b := r.doc().Find("main").Text(), elsewhere.doc().Find("main").Text(); a != b {
			t.Errorf("the answer differs from that of an address that isn't: %s", a)
		}
	}
}

func TestMetricsOnAnAddressOfTheirOwn(t *testing.T) {
	for _, c := range []struct {
		token, authorization, method, path string
		status                             int
	}{
		{"", "", "GET", "/metrics", 200},
		{"", "", "GET", "/", 404},
		{"", "", "POST", "/metrics", 405},
		{scrapeToken, "", "GET", "/metrics", 404},
		{scrapeToken, "Bearer " + scrapeToken, "GET", "/metrics", 200},
	} {
		w := newWorld(t, func(config *Config, _ *chat.Options) { config.MetricsToken = c.token })
		answer, r := httptest.NewRecorder(), httptest.NewRequest(c.method, c.path, nil)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		w.server.Metrics().ServeHTTP(answer, r)
		if answer.Code != c.status {
			t.Errorf("%+v got %d", c, answer.Code)
		}
		if text, _ := io.ReadAll(answer.Body); answer.Code == 200 && numbers(t, text)["go_goroutines"] == 0 {
			t.Errorf("%+v got %.200s", c, text)
		}
	}
}

func TestMetricsOfASend(t *testing.T) {
	w := newWorld(t, scrapable)
	alice, bob := w.person("alice"), w.person("bob")
	before := w.scrape()
	send := object(fields{"recipient": "bob", "body": "hi", "client_id": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"})
	alice.post("/messages", asJSON, send).want(201)
	alice.post("/messages", asJSON, send).want(200)
	alice.post("/messages", asJSON, object(fields{"recipient": "bob", "body": ""})).want(422)
	bob.get("/messages/1-1", asFragment).want(200)
	bob.get("/messages/1-9", asFragment).want(404)
	got := risen(before, w.scrape())
	wantRisen(t, got, "parley_sends_total", map[string]float64{`{result="stored"}`: 1, `{result="replayed"}`: 1, `{result="refused"}`: 1})
	wantRisen(t, got, "parley_send_group_messages_sum", map[string]float64{"": 2})
	wantRisen(t, got, "parley_send_group_messages_count", map[string]float64{"": 2})
	wantRisen(t, got, "parley_message_fetches_total", map[string]float64{`{source="memory"}`: 1, `{source="database"}`: 1})
	wantRisen(t, got, "parley_requests_total", map[string]float64{
		`{class="2xx",method="POST",route="/messages"}`: 2, `{class="4xx",method="POST",route="/messages"}`: 1,
		`{class="2xx",method="GET",route="/messages/:id"}`: 1, `{class="4xx",method="GET",route="/messages/:id"}`: 1,
		`{class="2xx",method="GET",route="/metrics"}`: 1, // the scrape before
	})
	wantRisen(t, got, "parley_request_duration_seconds_count", map[string]float64{
		`{method="POST",route="/messages"}`: 3, `{method="GET",route="/messages/:id"}`: 2, `{method="GET",route="/metrics"}`: 1,
	})
	if sum := got[`parley_request_duration_seconds_sum{method="POST",route="/messages"}`]; sum <= 0 || sum > patience.Seconds() {
		t.Errorf("three requests took %v s", sum)
	}
	if n := got["parley_lookup_group_keys_sum"]; n < 3 || n > 8 { // both people's sessions and the recipient, each remembered for a while
		t.Errorf("five requests had %v look-ups", n)
	}
}

func TestMetricsWithoutTheDatabase(t *testing.T) {
	w := newWorld(t, scrapable)
	alice := w.person("alice")
	w.db.Close()
	before := w.scrape()
	alice.post("/messages", asJSON, object(fields{"recipient": "bob", "body": "hi"})).want(500)
	wantRisen(t, risen(before, w.scrape()), "parley_requests_total", map[string]float64{
		`{class="5xx",method="other",route="other"}`:  1, // it failed where the session is looked up
		`{class="2xx",method="GET",route="/metrics"}`: 1,
	})
}

func TestMetricsOfWindows(t *testing.T) {
	w := newWorld(t, scrapable)
	alice := w.person("alice")
	addr := w.listen()
	before := w.scrape()
	one, two := alice.open(addr), alice.open(addr)
	alice.send("alice", "a note")
	one.next()
	two.next()
	got := risen(before, w.scrape())
	wantRisen(t, got, "parley_windows", map[string]float64{"": 2})
	wantRisen(t, got, "parley_pushes_total", map[string]float64{"": 2})
	wantRisen(t, got, "parley_requests_total", map[string]float64{
		`{class="1xx",method="GET",route="/ws"}`: 2, `{class="2xx",method="GET",route="/metrics"}`: 1,
	})
	_ = one.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""))
	two.conn.NetConn().Close()
	await(t, "the windows to end", func() bool { return w.server.Windows() == 0 })
	wantRisen(t, risen(before, w.scrape()), "parley_windows_closed_total", map[string]float64{`{code="1001"}`: 1, `{code="1006"}`: 1})
}

// However odd the addresses, methods and statuses are, there is a fixed number of lines.
func TestMetricsHaveABoundedNumberOfLines(t *testing.T) {
	w := newWorld(t, scrapable)
	alice := w.person("alice")
	before := slices.Sorted(maps.Keys(w.scrape()))
	for i := range 200 {
		for _, path := range []string{"/users/u%d", "/nothing%d", "/messages/%d-1", "/conversations/x%d?q=%[1]d", "/static/%d.css", "/admin/users/%d"} {
			v := alice
			if i%2 == 0 {
				v = w.nobody()
			}
			v.do([]string{"GET", "HEAD", "DELETE", "OPTIONS", "PUT"}[i%5], fmt.Sprintf(path, i), asJSON)
		}
	}
	after := slices.Sorted(maps.Keys(w.scrape()))
	if !slices.Equal(before, after) {
		t.Errorf("there were %d lines, now %d", len(before), len(after))
	}
	if len(before) > 3000 { // with each route come some fourteen
		t.Errorf("%d lines in all", len(before))
	}
}

// What stands in the metrics is nobody's name, and every line of them says what it is.
func TestMetricsSayWhatTheyAre(t *testing.T) {
	w := newWorld(t, scrapable)
	w.person("zoe-in-no-metrics").get("/users/zoe-in-no-metrics").want(200)
	text := string(w.nobody().get("/metrics", withToken).want(200).wantNoText("zoe-in").body)
	for name := range numbers(t, []byte(text)) {
		family, _, _ := strings.Cut(name, "{")
		if !strings.HasPrefix(family, "parley_") {
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(family, suffix); ok && strings.Contains(text, "# TYPE "+base+" histogram") {
				family = base
			}
		}
		if !strings.Contains(text, "# HELP "+family+" ") || !strings.Contains(text, "# TYPE "+family+" ") {
			t.Errorf("nothing explains %s", name)
		}
	}
	for _, name := range []string{"go_goroutines ", "process_open_fds ", "process_cpu_seconds_total ", "parley_database_connections_max ", fmt.Sprintf("parley_password_hashes_max %d", w.store.Stats().HashingPlaces)} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
	if strings.Contains(text, "parley_fanout") {
		t.Error("a node that is alone tells of others")
	}
}

// What counting costs a request.
func BenchmarkMeasured(b *testing.B) {
	w := newWorld(b)
	route := w.server.app.Stack()[0][len(w.server.app.Stack()[0])-1]
	b.ReportAllocs()
	for b.Loop() {
		counts := w.server.requests.ofRoute[route]
		counts.took.Observe(1_500_000)
		counts.answered[2].Add(1)
	}
}

func BenchmarkScrape(b *testing.B) {
	w := newWorld(b)
	handler := w.server.Metrics()
	b.ReportAllocs()
	for b.Loop() {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
}
