package hub

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// The oldest window gives way, whoever else has windows. One that is closing isn't counted and isn't closed once more.
func TestOldestWindowGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		h.Limit(3)
		others, otherConn := open(h, 2, "s")
		var windows []*Window
		var conns []*fakeConn
		for i := range 6 {
			w, conn := open(h, 1, fmt.Sprint(i))
			windows, conns = append(windows, w), append(conns, conn)
		}
		h.Push(1, []byte("hello"))
		synctest.Wait()
		for i, conn := range conns {
			want := "hello"
			if i < 3 {
				want = "close 1013 too many windows"
			}
			conn.want(t, want)
		}
		otherConn.want(t, "")
		for _, w := range append(windows, others) {
			leave(h, w)
		}
		time.Sleep(closeTimeout)
	})
}

// A session that ends by itself, as an access token's does, takes its windows along.
func TestWindowEndsWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := NewWindow(1, []byte("s")), newFakeConn()
		w.EndAt(time.Now().Add(PingEvery + time.Second))
		h.Add(w)
		w.Attach(conn)
		time.Sleep(PingEvery)
		h.Ping()
		synctest.Wait()
		conn.want(t, "ping")
		time.Sleep(PingEvery)
		h.Ping()
		synctest.Wait()
		conn.want(t, "ping,close 1008 signed out")
		leave(h, w)
		time.Sleep(closeTimeout)
	})
}
