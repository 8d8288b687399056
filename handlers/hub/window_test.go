package hub

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hello is what is pushed first in these tests, and how long its frame is.
const (
	hello       = "hello"
	helloOctets = 2 + len(hello)
)

// roomFor opens a window whose connection takes some octets at once and then nothing until it is unstuck.
func roomFor(h *Hub, octets int) (*Window, *fakeConn) {
	w, conn := open(h, 1, "s")
	conn.change(func() { conn.room, conn.stuck = octets, true })
	return w, conn
}

// However much of a frame goes at once, the rest follows before anything else.
func TestFramesAreNeverTorn(t *testing.T) {
	for room := range 2*helloOctets + 2 {
		synctest.Test(t, func(t *testing.T) {
			h := New()
			w, conn := roomFor(h, room)
			h.Push(1, []byte(hello))
			h.Push(1, []byte("again"))
			h.Ping()
			synctest.Wait()
			h.Push(1, []byte("and again"))
			conn.unstick()
			synctest.Wait()
			conn.want(t, "hello,again,ping,and again")
			if conn.overlap {
				t.Error("two goroutines wrote at once")
			}
			leave(h, w)
		})
	}
}

// What goes at once costs no goroutine; nor does it again once what was left over is written.
func TestFramesGoAtOnceWhereTheyCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := roomFor(h, helloOctets+1)
		for i := range 4 {
			h.Push(1, []byte(hello))
			if i == 0 && w.writing {
				t.Error("a goroutine writes, but nothing is left over")
			}
		}
		if conn.tried != 2 {
			t.Errorf("%d frames were tried while others waited", conn.tried-2)
		}
		conn.change(func() { conn.stuck, conn.room = false, 1000 })
		synctest.Wait()
		h.Push(1, []byte("quick"))
		if conn.tried != 3 || w.writing {
			t.Error("once all was written, a goroutine still writes")
		}
		conn.want(t, "hello,hello,hello,hello,quick")
		leave(h, w)
	})
}

// A frame that is half written is finished before the closing frame; those behind it are dropped.
func TestClosingWaitsForAHalfWrittenFrame(t *testing.T) {
	for room := range helloOctets + 1 {
		for _, begun := range []bool{false, true} { // whether the writer has the rest already
			synctest.Test(t, func(t *testing.T) {
				h := New()
				w, conn := roomFor(h, room)
				w.mu.Lock()
				w.send(frame(opText, []byte(hello)))
				if begun {
					w.mu.Unlock()
					synctest.Wait()
					w.mu.Lock()
				}
				w.send(frame(opText, []byte("dropped")))
				w.close(CloseRevoked, "out")
				w.mu.Unlock()
				conn.unstick()
				synctest.Wait()
				switch {
				case room == helloOctets && begun, room > 0 && room < helloOctets, room == 0 && begun, room == helloOctets:
					conn.want(t, "hello,close 1008 out")
				default: // not begun: dropped as well
					conn.want(t, "close 1008 out")
				}
				leave(h, w)
			})
		}
	}
}

// A handler's end leaves no half of a frame either, if the other side takes the rest within a second.
func TestDetachFinishesAHalfWrittenFrame(t *testing.T) {
	for room := 1; room < helloOctets; room++ {
		synctest.Test(t, func(t *testing.T) {
			h := New()
			w, conn := roomFor(h, room)
			h.Push(1, []byte(hello))
			h.Push(1, []byte("dropped"))
			go func() {
				time.Sleep(closeTimeout / 2) // of the bubble's clock
				conn.unstick()
			}()
			leave(h, w)
			conn.want(t, hello)
		})
	}
}

// Nothing follows a frame that stays half written: neither a frame nor the closing one could be told from its rest.
func TestNothingFollowsATornFrame(t *testing.T) {
	for name, end := range map[string]func(*Window, *fakeConn){
		"its time is over": func(*Window, *fakeConn) { time.Sleep(writeTimeout) },
		"it breaks":        func(_ *Window, c *fakeConn) { c.breakApart(); c.unstick() },
		"closed":           func(w *Window, _ *fakeConn) { w.Close(CloseRevoked, "out"); time.Sleep(closeTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := New()
				w, conn := roomFor(h, 3)
				h.Push(1, []byte(hello))
				h.Push(1, []byte("again"))
				synctest.Wait()
				end(w, conn)
				synctest.Wait()
				conn.change(func() { conn.stuck, conn.broken, conn.room = false, false, 1000 })
				h.Push(1, []byte("too late"))
				w.Close(CloseRestart, "too late")
				synctest.Wait()
				conn.want(t, "torn")
				if len(conn.wire) != 3 || conn.late {
					t.Errorf("%d octets were written, the last of them late: %t", len(conn.wire), conn.late)
				}
				if got := conn.readDeadline(); got > 0 {
					t.Errorf("the reader still waits %s", got)
				}
				leave(h, w)
			})
		})
	}
}

func TestNothingFollowsAFailureAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		conn.breakApart()
		h.Push(1, []byte(hello))
		if got := conn.readDeadline(); got >= 0 { // in the past
			t.Errorf("the reader waits %s", got)
		}
		h.Push(1, []byte(hello))
		h.Ping()
		w.Close(CloseRestart, "too late")
		synctest.Wait()
		if conn.tried != 1 || conn.late || len(conn.wire) > 0 {
			t.Errorf("it was tried %d times", conn.tried)
		}
		leave(h, w)
	})
}

// The queue has its bound however the frame before it went, and whether it is pushes or answers to pings that fill it.
func TestQueueIsBounded(t *testing.T) {
	pong := func(h *Hub, w *Window) { w.heard(&incoming{data: [131]byte{0x89, 0x80}, n: 6}) }
	push := func(h *Hub, w *Window) { h.Push(1, []byte(hello)) }
	for name, fill := range map[string]func(*Hub, *Window){"pushes": push, "pings": pong} {
		for room := range 3 {
			synctest.Test(t, func(t *testing.T) {
				h := New()
				w, conn := roomFor(h, room)
				h.Push(1, []byte("first"))
				synctest.Wait()
				for i := range maxQueue {
					if fill(h, w); w.closed || len(w.queue) != i+1 {
						t.Fatalf("%s: after %d frames %d wait, closed: %t", name, i+1, len(w.queue), w.closed)
					}
				}
				h.Ping()
				if len(w.queue) != maxQueue || w.closed {
					t.Errorf("%s: after a ping %d wait, closed: %t", name, len(w.queue), w.closed)
				}
				fill(h, w)
				if len(w.queue) != 1 || !w.closed {
					t.Errorf("%s: after one more %d wait, closed: %t", name, len(w.queue), w.closed)
				}
				conn.unstick()
				synctest.Wait()
				conn.want(t, "first,close 1013 too slow")
				leave(h, w)
			})
		}
	}
}

// A connection that takes now more, now less, hears whole frames in their order, for the race detector as well.
func TestFramesKeepTheirOrder(t *testing.T) { synctest.Test(t, framesKeepTheirOrder) }

func framesKeepTheirOrder(t *testing.T) {
	const frames, windows = 2000, 8
	h := New()
	var all sync.WaitGroup
	var conns []*fakeConn
	for range windows {
		w, conn := open(h, 1, "s")
		conns = append(conns, conn)
		defer leave(h, w)
	}
	for _, conn := range conns {
		all.Go(func() {
			for range frames {
				conn.change(func() { conn.room, conn.stuck = rand.N(40), rand.N(3) == 0 })
			}
			conn.change(func() { conn.room, conn.stuck = 1<<20, false })
		})
	}
	all.Go(func() {
		for i := range frames {
			h.Push(1, fmt.Append(nil, i, strings.Repeat(".", rand.N(10))))
		}
	})
	all.Wait()
	synctest.Wait() // every writer is done
	for _, conn := range conns {
		wantOrder(t, conn, frames)
	}
}

// wantOrder expects that a connection has heard all frames, or was told that it is too slow for them.
func wantOrder(t *testing.T, conn *fakeConn, frames int) {
	t.Helper()
	heard := strings.Split(conn.said(), ",")
	last := heard[len(heard)-1]
	slow := strings.HasPrefix(last, "close 1013")
	if slow {
		heard = heard[:len(heard)-1]
	}
	if !slow && (len(heard) != frames || last == "torn") {
		t.Fatalf("a window heard %d frames, the last of them %q", len(heard), last)
	}
	for i, word := range heard {
		if strings.TrimRight(word, ".") != fmt.Sprint(i) {
			t.Fatalf("frame %d is %q", i, word)
		}
	}
	if conn.overlap {
		t.Error("two goroutines wrote at once")
	}
}
