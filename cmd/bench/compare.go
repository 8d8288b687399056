package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// comparison is one figure of two servers that took turns. The ratio is of what was measured right after each other, so
// that a machine that gets slower meanwhile slows both.
type comparison struct {
	Scenario string  `json:"scenario"`
	Figure   string  `json:"figure"`
	A        float64 `json:"a"` // medians of the rounds
	B        float64 `json:"b"`
	Ratio    float64 `json:"b_to_a"` // the median of the rounds' ratios
	Least    float64 `json:"least"`
	Most     float64 `json:"most"`
}

// restBetween is the rest between two turns, for what a database still writes after the one before.
const restBetween = time.Second

// compare has the two take turns, in the other order every second round.
func (p *program) compare(ctx context.Context, o options, name string, servers [2]*server) error {
	var rounds [2][][]*result
	for round := range o.Rounds {
		for turn := range servers {
			i := (turn + round) % 2
			p.say("%s, round %d of %d: %s", name, round+1, o.Rounds, servers[i].name)
			got, err := p.measure(ctx, o, name, servers[i])
			if err != nil {
				return err
			}
			p.say("  %.0f %s a second, %.0f a CPU-second", got[0].Rate, got[0].Unit, got[0].PerCPU)
			rounds[i] = append(rounds[i], got)
			if err := pause(ctx, restBetween); err != nil {
				return err
			}
		}
	}
	p.comparisons = append(p.comparisons, compareRounds(rounds)...)
	return nil
}

func compareRounds(rounds [2][][]*result) (all []comparison) {
	for part, first := range rounds[0][0] {
		for figure, f := range figuresOf(first) {
			var values [2][]float64
			for i := range rounds {
				for _, round := range rounds[i] {
					values[i] = append(values[i], figuresOf(round[part])[figure].n)
				}
			}
			c := compareValues(values[0], values[1])
			c.Scenario, c.Figure = first.Scenario, f.name
			all = append(all, c)
		}
	}
	return all
}

func compareValues(a, b []float64) comparison {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = ratio(b[i], a[i])
	}
	return comparison{A: median(a), B: median(b), Ratio: median(ratios), Least: slices.Min(ratios), Most: slices.Max(ratios)}
}

// median of an even number is the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[n/2] + sorted[(n-1)/2]) / 2
}

// figure is one number of a result.
type figure struct {
	name string
	n    float64
}

// figuresOf is what of a result is compared. It is the same list for two results of the same scenario.
func figuresOf(r *result) []figure {
	count := max(float64(r.Count), 1)
	all := []figure{
		{r.Unit + " a second", r.Rate},
		{r.Unit + " a CPU-second", r.PerCPU},
		{"Parley's CPU, µs each", r.ParleyCPU / count * 1e6},
		{"database's CPU, µs each", r.DatabaseCPU / count * 1e6},
	}
	for _, s := range r.Stages {
		all = append(all, figure{s.Name + ", p50 ms", s.P50}, figure{s.Name + ", p99 ms", s.P99})
	}
	for _, v := range r.Values {
		all = append(all, figure{v.Name + ", " + v.Unit, v.N})
	}
	return all
}

func printComparisons(w io.Writer, all []comparison) {
	for i, c := range all {
		if i == 0 || c.Scenario != all[i-1].Scenario {
			fmt.Fprintf(w, "\n%-40s %10s %10s %7s   %s\n", c.Scenario, "A", "B", "B to A", "rounds")
		}
		fmt.Fprintf(w, "  %-38s %10.4g %10.4g %7.3f   %.3f to %.3f\n", c.Figure, c.A, c.B, c.Ratio, c.Least, c.Most)
	}
}
