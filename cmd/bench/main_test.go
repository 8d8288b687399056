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

// TestRealServer builds parley, starts it with a database of its own, measures it for a moment and removes everything.
func TestRealServer(t *testing.T) {
	if _, err := private.Version(t.Context()); err != nil {
		dbtest.Missing(t, err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "figures.json")
	var out, errs bytes.Buffer
	p := program{out: &out, err: &errs}
	err := p.run(t.Context(), []string{"--dir", dir, "--users", "20", "--messages", "100", "--pairs", "4", "--warmup", "300ms", "--duration", "2s", "--json", file})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	var d document
	if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &d) != nil || len(d.Results) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	r := d.Results[0]
	if r.Faults.any() || r.Count < 20 || r.ParleyCPU <= 0 || r.DatabaseCPU <= 0 || r.PerCPU <= 0 || len(r.Stages) != 4 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(out.String(), "lost 0, doubled 0, wrong 0, failed 0") {
		t.Errorf("the table: %s", &out)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "parley-bench-*")); len(left) > 0 {
		t.Errorf("%v is still there", left)
	}
}
