package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"parley/db/dbtest"
)

func TestMetricsOnTheirOwnAddress(t *testing.T) {
	dsn, _ := dbtest.NewDSN(t)
	addr := freeAddr(t)
	r := start(t, "--database-url", dsn, "--metrics-addr", addr)
	answer, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	for _, want := range []string{"\nparley_windows 0\n", "\nprocess_open_fds ", `route="/readyz"`} {
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("%d, %v, without %s: %.300s", answer.StatusCode, err, want, text)
		}
	}
	if elsewhere, err := http.Get(r.url("/metrics")); err != nil || elsewhere.StatusCode != http.StatusNotFound {
		t.Errorf("the main address answers %+v, %v", elsewhere, err)
	}
	if err := r.stop(); err != nil {
		t.Errorf("parley ended with %v", err)
	}
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
