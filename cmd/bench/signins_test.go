package main

import (
	"testing"
	"time"
)

func TestSignInWithoutACookieIsWrong(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 200} {
		f := newFake(t)
		f.onLogin = func() bool { return false }
		o := options{Users: 100, Rate: rate, Arrivals: "even", Duration: 200 * time.Millisecond}
		all, err := measureSignIns(t.Context(), o, f.asServer())
		if err != nil {
			t.Fatal(err)
		}
		if r := all[0]; r.Count != 0 || r.Faults.Wrong == 0 {
			t.Errorf("%+v", r)
		}
		f.onLogin = func() bool { return true }
		if all, err = measureSignIns(t.Context(), o, f.asServer()); err != nil || all[0].Stages[0].Count == 0 || all[0].Faults.any() {
			t.Errorf("%+v, %v", all[0], err)
		}
	}
}
