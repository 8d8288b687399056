package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report prints the table and writes the JSON. It gives an error when anything was lost, doubled, wrong or failed.
func (p *program) report(o options) error {
	table := p.out
	if o.JSON == "-" {
		table = p.err
	}
	bad := false
	for _, r := range p.results {
		if len(p.comparisons) == 0 || r.Faults.any() { // otherwise the rounds' ratios are what is asked for
			printResult(table, r)
		}
		bad = bad || r.Faults.any()
	}
	printRatios(table, p.results)
	printComparisons(table, p.comparisons)
	if o.JSON != "" {
		if err := p.writeJSON(o); err != nil {
			return err
		}
	}
	if bad {
		return errFaults
	}
	return nil
}

// document is the JSON output.
type document struct {
	At          time.Time    `json:"at"`
	Go          string       `json:"go"`
	CPUs        int          `json:"cpus"`
	Seed        uint64       `json:"seed"`
	Results     []*result    `json:"results"`
	Comparisons []comparison `json:"comparisons,omitempty"`
}

func (p *program) writeJSON(o options) (err error) {
	d := document{time.Now().UTC(), runtime.Version(), runtime.NumCPU(), o.Seed, p.results, p.comparisons}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if o.JSON == "-" {
		_, err = p.out.Write(text)
		return err
	}
	return os.WriteFile(o.JSON, text, 0o666)
}

func printResult(w io.Writer, r *result) {
	fmt.Fprintf(w, "\n%s (%s)%s\n", r.Scenario, r.Server, listed(r.Settings))
	fmt.Fprintf(w, "  %d %s in %.1f s: %.0f a second\n", r.Count, r.Unit, r.Seconds, r.Rate)
	printCost(w, r)
	if len(r.Stages) > 0 {
		fmt.Fprintf(w, "  %-28s %10s %9s %9s %9s %9s %9s\n", "ms", "number", "p50", "p95", "p99", "p99.9", "max")
	}
	for _, s := range r.Stages {
		fmt.Fprintf(w, "  %-28s %10d %9.2f %9.2f %9.2f %9.2f %9.2f\n", s.Name, s.Count, s.P50, s.P95, s.P99, s.P999, s.Max)
	}
	for _, v := range r.Values {
		fmt.Fprintf(w, "  %-28s %10.4g %s\n", v.Name, v.N, v.Unit)
	}
	f := r.Faults
	fmt.Fprintf(w, "  lost %d, doubled %d, wrong %d, failed %d\n", f.Lost, f.Doubled, f.Wrong, f.Failed)
	for _, text := range append(f.First, r.Notes...) {
		fmt.Fprintf(w, "  - %s\n", text)
	}
}

func printCost(w io.Writer, r *result) {
	both := r.ParleyCPU + r.DatabaseCPU
	if both == 0 || r.Count == 0 {
		fmt.Fprintf(w, "  CPU: load %.2f s; that of the server isn't known (--pid, --database-pid)\n", r.LoadCPU)
		return
	}
	each := func(seconds float64) float64 { return seconds / float64(r.Count) * 1e6 }
	fmt.Fprintf(w, "  %.0f for a CPU-second of Parley and database; µs each: Parley %.0f, database %.0f, together %.0f (load %.0f)\n",
		r.PerCPU, each(r.ParleyCPU), each(r.DatabaseCPU), each(both), each(r.LoadCPU))
}

// listed is settings in the order of their names.
func listed(settings map[string]any) (text string) {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		text += fmt.Sprintf(" %s=%v", name, settings[name])
	}
	return text
}

// printRatios says how much of each limit of this run a scenario reached.
func printRatios(w io.Writer, all []*result) {
	var limits []*result
	for _, r := range all {
		if strings.HasPrefix(r.Scenario, limitPrefix) {
			limits = append(limits, r)
		}
	}
	for _, r := range all {
		if slices.Contains(limits, r) || len(limits) == 0 || r.Count == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s (%s) against\n", r.Scenario, r.Server)
		for _, limit := range limits {
			fmt.Fprintf(w, "  %-28s a second %.4f, a CPU-second %.4f of it\n", limit.Scenario, ratio(r.Rate, limit.Rate), ratio(r.PerCPU, limit.PerCPU))
		}
	}
}
