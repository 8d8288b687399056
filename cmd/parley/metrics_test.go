package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"parley/db/dbtest"
)

func TestMetricsOnTheirOwnAddress(t *testing.T) {
	dsn, _ := dbtest.NewDSN(t)
	addr := freeAddr(t)
	r := start(t, "--database-url", dsn, "--metrics-addr", addr)
	text := scrape(t, addr)
	for _, want := range []string{"\nparley_windows 0\n", "\nprocess_open_fds ", `route="/readyz"`} {
		if !strings.Contains(text, want) {
			t.Errorf("without %s: %.300s", want, text)
		}
	}
	if elsewhere, err := http.Get(r.url("/metrics")); err != nil || elsewhere.StatusCode != http.StatusNotFound {
		t.Errorf("the main address answers %+v, %v", elsewhere, err)
	}
	if err := r.stop(); err != nil {
		t.Errorf("parley ended with %v", err)
	}
}

// scrape gives the figures of the server that has them at addr.
func scrape(t testing.TB, addr string) string {
	t.Helper()
	answer, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the figures: %d %v %.300s", answer.StatusCode, err, text)
	}
	return string(text)
}

// figure gives the value of a figure that has no labels.
func figure(t testing.TB, figures, name string) float64 {
	t.Helper()
	for line := range strings.Lines(figures) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return number
		}
	}
	t.Fatalf("no figure %s", name)
	return 0
}

func TestMetricsAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dsn, _ := dbtest.NewDSN(t)
	out, err := command(t, "", "--database-url", dsn, "--addr=127.0.0.1:0", "--metrics-addr", taken.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "--metrics-addr") {
		t.Errorf("says %v %s", err, out)
	}
}
