package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestStormIsOverWhenAllAreBack(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	all, err := measureStorm(t.Context(), options{Windows: 50, Users: 100}, f.asServer())
	if err != nil {
		t.Fatal(err)
	}
	r := all[0]
	if r.Faults.any() || r.Count != 50 || r.Stages[0].Count != 50 || r.Stages[1].Count != 50 {
		t.Errorf("%+v", r)
	}
	// A page waits 0.3 to 2 s before it opens its window again.
	if first := r.Stages[0]; first.P50 < 300 || r.Seconds < 1 || first.P50 > first.Max {
		t.Errorf("%+v in %v s", first, r.Seconds)
	}
}

func TestIdleWindowThatClosesIsAFault(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	n := 0
	f.onWindow = func(conn net.Conn) {
		if n++; n == 5 {
			_, _ = conn.Write([]byte{0x80 | opClose, 2, 1013 >> 8, 1013 & 0xff}) // it comes after the answer to the handshake
		}
	}
	all, err := measureIdle(t.Context(), options{Windows: 20, Users: 100, Hold: time.Second}, f.asServer())
	if err != nil {
		t.Fatal(err)
	}
	if r := all[0]; r.Faults.Failed == 0 || !strings.Contains(strings.Join(r.Faults.First, ""), "closed by itself") || r.Count != 20 {
		t.Errorf("%+v", r)
	}
}
