package main

import (
	"context"
	"time"
)

// signingIn is how many sign in at the same time where there is no rate: twice as many as Parley works at.
const signingIn = 8

// measureSignIns has people sign in.
func measureSignIns(ctx context.Context, o options, s *server) ([]*result, error) {
	workers := signingIn
	if o.Rate > 0 {
		workers = 8 * signingIn // who waits must not keep others from coming
	}
	links, next := make([]link, workers), make([]int, workers)
	for i := range links {
		links[i].address, next[i] = s.address, i
		defer links[i].close()
	}
	l := newLoad(o)
	m, err := l.run(ctx, s.used, workers, func(w int, _ time.Time) error {
		name := numbered(next[w] % o.numbered())
		next[w] += workers
		_, err := signIn(&links[w], s.place, name, s.password)
		return err
	})
	r := l.result("signins", "sign-ins", "signed in", m)
	r.Settings["at once"] = workers
	return []*result{r}, err
}
