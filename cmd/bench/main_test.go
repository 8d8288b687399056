package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"parley/db/dbtest"
	"parley/db/private"
)

func TestMain(m *testing.M) {
	if os.Getenv(asBare) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRealServer builds parley, starts it with a database of its own, measures it for a moment and removes everything.
func TestRealServer(t *testing.T) {
	t.Parallel()
	if _, err := private.Version(t.Context()); err != nil {
		dbtest.Missing(t, err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "figures.json")
	var out, errs bytes.Buffer
	p := program{out: &out, err: &errs}
	err := p.run(t.Context(), []string{
		"--dir", dir, "--users", "140", "--messages", "100", "--warmup", "100ms", "--duration", "500ms", "--limits", "--json", file,
		"--scenario", "pairs,page,history,signins,idle,storm", "--pairs", "4", "--readers", "4", "--conversations", "3000",
		"--depth", "1000", "--windows", "100", "--hold", "0s",
	})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	var d document
	if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &d) != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var names []string
	for _, r := range d.Results {
		names = append(names, r.Scenario)
		slow := r.Scenario == "signins" // a busy machine may take longer for one than it is measured here
		if r.Faults.any() || (r.Count == 0 || r.Rate <= 0) && !slow || r.ParleyCPU+r.DatabaseCPU <= 0 {
			t.Errorf("%+v", r)
		}
	}
	want := []string{"pairs", "page, nothing cached", "page, unchanged", "history, newest", "history, middle", "history, oldest",
		"history, anywhere", "signins", "idle", "storm", limitInserts, limitGrouped, limitFiber}
	if got := slices.DeleteFunc(names, func(name string) bool { return name == "page, unchanged, by its tag" }); !slices.Equal(got, want) {
		t.Errorf("the scenarios are %q", got)
	}
	if !strings.Contains(out.String(), "lost 0, doubled 0, wrong 0, failed 0") {
		t.Errorf("the table: %s", &out)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "parley-bench-*")); len(left) > 0 {
		t.Errorf("%v is still there", left)
	}
}

// A run that met a fault says so with its error, which is the exit code, and in its output.
func TestFaultsFailTheRun(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]bool{"good": false, "broken": true} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			if broken {
				f.onShow = func(body string) string { return body + "!" }
			}
			var out, errs bytes.Buffer
			p := program{out: &out, err: &errs}
			err := p.run(t.Context(), []string{"--url", f.URL, "--password", "p", "--pairs", "2", "--warmup", "50ms", "--duration", "100ms", "--json", "-"})
			if errors.Is(err, errFaults) != broken || !broken && err != nil {
				t.Errorf("%v\n%s", err, &errs)
			}
			var d document
			if err := json.Unmarshal(out.Bytes(), &d); err != nil || len(d.Results) != 1 || d.Results[0].Faults.any() != broken {
				t.Errorf("%v: %s", err, &out)
			}
			if strings.Contains(errs.String(), "wrong 0,") == broken || !strings.Contains(errs.String(), "isn't known (--pid") {
				t.Errorf("the table: %s", &errs)
			}
		})
	}
}

func TestClearSentencesInsteadOfARun(t *testing.T) {
	for want, args := range map[string][]string{
		"--password":          {"--url", "http://127.0.0.1:1"},
		"not \"127.0.0.1:1\"": {"--url", "127.0.0.1:1", "--password", "p"},
		"no --url with it":    {"--url", "http://127.0.0.1:1", "--password", "p", "--compare", os.Args[0]},
		"at least twice":      {"--pairs", "1000"},
		"must be one of":      {"--scenario", "dance"},
		"connection refused":  {"--url", "http://127.0.0.1:1", "--password", "p"},
		"with --database-url": {"--url", newFake(t).URL, "--password", "p", "--scenario", "history"},
	} {
		var out bytes.Buffer
		p := program{out: &out, err: &out}
		if err := p.run(t.Context(), args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q says %v", args, err)
		}
	}
}
