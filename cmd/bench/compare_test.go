package main

import "testing"

func TestRatiosAreThoseOfRounds(t *testing.T) {
	round := func(rate float64) []*result {
		r := &result{Scenario: "pairs", Unit: "messages", Rate: rate, Stages: []stage{{"POST answered", quantiles{P50: 100 / rate}}}}
		return []*result{r}
	}
	// A machine that is ten times slower in the second round says the same as in the others. The medians by themselves
	// are of different rounds, so their ratio would say something else.
	rounds := [2][][]*result{{round(100), round(10), round(90)}, {round(200), round(30), round(100)}}
	found := false
	for _, c := range compareRounds(rounds) {
		switch c.Figure {
		case "messages a second":
			found = c.A == 90 && c.B == 100 && c.Ratio == 2 && c.Least == 100.0/90 && c.Most == 3
		case "POST answered, p50 ms":
			if c.Ratio != 0.5 {
				t.Errorf("%+v", c)
			}
		}
	}
	if !found {
		t.Errorf("%+v", compareRounds(rounds))
	}
}

func TestMedian(t *testing.T) {
	if median([]float64{3, 1, 2}) != 2 || median([]float64{4, 1, 2, 3}) != 2.5 {
		t.Error("the median is something else")
	}
}
