package main

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"parley/db/dbtest"
)

// Told to stop, parley says so to proxies, serves on for a while, and then ends well.
func TestDrainServesOnWhileProxiesLookElsewhere(t *testing.T) {
	dsn, _ := dbtest.NewDSN(t)
	server := start(t, "--database-url", dsn, "--drain-for", "2s")
	began := time.Now()
	ended := make(chan error)
	go func() { ended <- server.stop() }()
	await(t, "/readyz to say 503", func() bool { return statusOf(t, server.url("/readyz")) == http.StatusServiceUnavailable })
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
	if got := statusOf(t, server.url("/login")); got != http.StatusOK {
		t.Errorf("/login is answered with %d meanwhile", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("parley ended with %v\n%s", err, server.log)
	}
	if took := time.Since(began); took < 2*time.Second || took > 5*time.Second {
		t.Errorf("it ended after %s, want about 2 s", took)
	}
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// Whoever asks a second time doesn't want to wait.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	dsn, _ := dbtest.NewDSN(t)
	server := start(t, "--database-url", dsn, "--drain-for", "1m")
	ended := make(chan error)
	go func() { ended <- server.cmd.Wait() }()
	interrupt := func() {
		if err := server.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	interrupt()
	await(t, "/readyz to say 503", func() bool { return statusOf(t, server.url("/readyz")) == http.StatusServiceUnavailable })
	interrupt()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
}
