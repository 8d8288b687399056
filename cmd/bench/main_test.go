package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
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
	if _, err := private.Version(t.Context()); err != nil {
		dbtest.Missing(t, err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "figures.json")
	var out, errs bytes.Buffer
	p := program{out: &out, err: &errs}
	err := p.run(t.Context(), []string{"--dir", dir, "--users", "20", "--messages", "100", "--pairs", "4", "--warmup", "200ms", "--duration", "700ms", "--limits", "--json", file})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	var d document
	if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &d) != nil || len(d.Results) != 4 {
		t.Fatalf("%v: %s", err, text)
	}
	r := d.Results[0]
	if r.Faults.any() || r.Count < 20 || r.ParleyCPU <= 0 || r.DatabaseCPU <= 0 || r.PerCPU <= 0 || len(r.Stages) != 4 {
		t.Errorf("%+v", r)
	}
	for _, limit := range d.Results[1:] {
		if limit.Faults.any() || limit.Count < 100 || limit.PerCPU <= 0 {
			t.Errorf("%+v", limit)
		}
	}
	if !strings.Contains(out.String(), "lost 0, doubled 0, wrong 0, failed 0") {
		t.Errorf("the table: %s", &out)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "parley-bench-*")); len(left) > 0 {
		t.Errorf("%v is still there", left)
	}
}
