package main

import "testing"

func TestRatiosAreThoseOfRounds(t *testing.T) {
	round := func(rate float64) []*result {
		r := &result{Scenario: "pairs", Unit: "messages", Rate: rate, Stages: []stage{{"POST answered", quantiles{P50: 100 / rate}}}}
		return []*result{r}
	}
	// A machine that is ten times slower in the second round: B is twice as fast all the same.
	rounds := [2][][]*result{{round(100), round(10), round(90)}, {round(200), round(20), round(180)}}
	found := false
	for _, c := range compareRounds(rounds) {
		switch c.Figure {
		case "messages a second":
			found = c.A == 90 && c.B == 180 && c.Ratio == 2 && c.Least == 2 && c.Most == 2
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
