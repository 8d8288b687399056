package hub

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// Every test ends with all that it started: a goroutine left behind is a window that nobody will ever close.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeConn is a connection that notes what is done with it. While it is stuck a write waits for its deadline, as it does
// when the other side takes nothing.
type fakeConn struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when a writer that waits had better look again
	stuck   bool
	broken  bool
	bound   time.Time
	writing int
	overlap bool
	room    int         // how many octets TryWrite still takes
	tried   int         // calls of TryWrite
	wire    []byte      // all that was written
	ended   bool        // a write failed: nothing may follow it
	late    bool        // something did
	reads   []time.Time // the read deadlines that were set
}

func newFakeConn() *fakeConn { return &fakeConn{changed: make(chan struct{})} }

// TryWrite takes what there is room for. At first that is nothing: each frame goes by WriteBy, so that a test sees the
// writer of a slow connection.
func (c *fakeConn) TryWrite(data []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried++
	c.late, c.overlap = c.late || c.ended, c.overlap || c.writing > 0
	if c.broken {
		c.ended = true
		return 0, os.ErrClosed
	}
	n := min(c.room, len(data))
	c.room -= n
	c.wire = append(c.wire, data[:n]...)
	return n, nil
}

func (c *fakeConn) WriteBy(deadline time.Time, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound = deadline
	c.writing++
	c.overlap = c.overlap || c.writing > 1
	defer func() { c.writing-- }()
	for c.stuck && time.Now().Before(c.bound) {
		c.wait()
	}
	c.late = c.late || c.ended
	if c.stuck || c.broken {
		c.ended = true
		return os.ErrDeadlineExceeded
	}
	c.wire = append(c.wire, data...)
	return nil
}

func (c *fakeConn) wait() {
	changed, timer := c.changed, time.NewTimer(time.Until(c.bound))
	defer timer.Stop()
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-changed:
	case <-timer.C:
	}
}

func (c *fakeConn) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *fakeConn) stick()      { c.change(func() { c.stuck = true }) }
func (c *fakeConn) unstick()    { c.change(func() { c.stuck = false }) }
func (c *fakeConn) breakApart() { c.change(func() { c.broken = true }) }

func (c *fakeConn) BoundWrite(t time.Time) { c.change(func() { c.bound = t }) }

func (c *fakeConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads = append(c.reads, t)
	return nil
}

// readDeadline is how long from now the reader waits.
func (c *fakeConn) readDeadline() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Until(c.reads[len(c.reads)-1])
}

// nextFrame takes the first frame of a server's apart, without this package's help. Of one that isn't whole it says so.
func nextFrame(wire []byte) (op byte, data, rest []byte, whole bool) {
	if len(wire) < 2 {
		return 0, nil, nil, false
	}
	head, n := 2, uint64(wire[1])
	switch {
	case n == 126 && len(wire) >= 4:
		head, n = 4, uint64(binary.BigEndian.Uint16(wire[2:]))
	case n == 127 && len(wire) >= 10:
		head, n = 10, binary.BigEndian.Uint64(wire[2:])
	case n > 125:
		return 0, nil, nil, false
	}
	if wire[0]&0xf0 != 0x80 || uint64(len(wire)-head) < n {
		return 0, nil, nil, false
	}
	end := head + int(n)
	return wire[0] & 0x0f, wire[head:end], wire[end:], true
}

// said is what was written, a word a frame: texts as they are, "ping", "pong what", and "close 1008 why"; "torn" is what
// is no whole frame.
func (c *fakeConn) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var words []string
	for rest := c.wire; len(rest) > 0; {
		op, data, after, whole := nextFrame(rest)
		rest = after
		switch {
		case !whole:
			words = append(words, "torn")
		case op == opText:
			words = append(words, string(data))
		case op == opPing:
			words = append(words, "ping")
		case op == opPong:
			words = append(words, "pong "+string(data))
		case op == opClose:
			words = append(words, fmt.Sprintf("close %d %s", binary.BigEndian.Uint16(data), data[2:]))
		}
	}
	return strings.Join(words, ",")
}

func (c *fakeConn) want(t *testing.T, said string) {
	t.Helper()
	if got := c.said(); got != said {
		t.Errorf("the other side heard %.300q, want %.300q", got, said)
	}
}

// open registers and attaches a window of a user.
func open(h *Hub, user uint64, session string) (*Window, *fakeConn) {
	w, conn := NewWindow(user, []byte(session)), newFakeConn()
	h.Add(w)
	w.Attach(conn)
	return w, conn
}

// leave is what a window's handler does at its end.
func leave(h *Hub, w *Window) {
	w.Detach()
	h.Remove(w)
}

func numbers(from, to int) string {
	var words []string
	for i := from; i <= to; i++ {
		words = append(words, fmt.Sprint(i))
	}
	return strings.Join(words, ",")
}

func TestPushGoesToTheUsersWindowsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		a1, one := open(h, 1, "s1")
		a2, two := open(h, 1, "s2")
		b, other := open(h, 2, "s3")
		for i := range 100 {
			h.Push(1, fmt.Append(nil, i))
		}
		h.Push(3, []byte("nobody"))
		synctest.Wait()
		one.want(t, numbers(0, 99))
		two.want(t, numbers(0, 99))
		other.want(t, "")
		if one.overlap || two.overlap {
			t.Error("two goroutines wrote at once")
		}
		for _, w := range []*Window{a1, a2, b} {
			leave(h, w)
		}
	})
}

// What is pushed between the registration and the connection waits for it: nothing falls in between.
func TestPushBeforeAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn := New(), newFakeConn()
		w := NewWindow(1, nil)
		h.Add(w)
		for i := range 5 {
			h.Push(1, fmt.Append(nil, i))
		}
		w.Attach(conn)
		h.Push(1, []byte("5"))
		synctest.Wait()
		conn.want(t, "0,1,2,3,4,5")
		if got := conn.readDeadline(); got != ReadTimeout {
			t.Errorf("the reader waits %s", got)
		}
		leave(h, w)
	})
}

func TestPushOnACloseWindowDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		w.Close(CloseRevoked, "out")
		h.Push(1, []byte("too late"))
		h.Ping()
		synctest.Wait()
		conn.want(t, "close 1008 out")
		leave(h, w)
		h.Push(1, []byte("too late"))
		synctest.Wait()
		conn.want(t, "close 1008 out")
	})
}

// A window that takes nothing holds up nobody, is told once that it is too slow if it wakes up within a second, and what
// waited for it is dropped: it catches up from the database.
func TestOverflowClosesTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		slow, stuck := open(h, 1, "s1")
		quick, fine := open(h, 1, "s2")
		stuck.stick()
		for i := range maxQueue + 2 { // one is being written when the queue fills
			h.Push(1, fmt.Append(nil, i))
			synctest.Wait()
		}
		fine.want(t, numbers(0, maxQueue+1))
		if got := stuck.readDeadline(); got != closeTimeout {
			t.Errorf("the slow window's reader waits %s", got)
		}
		h.Push(1, []byte("more"))
		stuck.unstick()
		synctest.Wait()
		stuck.want(t, "0,close 1013 too slow")
		fine.want(t, numbers(0, maxQueue+1)+",more")
		leave(h, slow)
		leave(h, quick)
	})
}

func TestOverflowEndsAStuckWriteWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		conn.stick()
		for range maxQueue + 2 {
			h.Push(1, []byte("x"))
			synctest.Wait()
		}
		time.Sleep(closeTimeout) // of the bubble's clock
		synctest.Wait()
		conn.want(t, "")
		if got := conn.readDeadline(); got >= 0 {
			t.Errorf("the reader still waits %s", got)
		}
		leave(h, w)
	})
}

// A window that never got its connection may overflow too.
func TestOverflowBeforeAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn := New(), newFakeConn()
		w := NewWindow(1, nil)
		h.Add(w)
		for range maxQueue + 1 {
			h.Push(1, []byte("x"))
		}
		w.Attach(conn)
		synctest.Wait()
		conn.want(t, "close 1013 too slow")
		if got := conn.readDeadline(); got != closeTimeout {
			t.Errorf("the reader waits %s", got)
		}
		leave(h, w)
	})
}

func TestClosesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		h.Push(1, []byte("before"))
		synctest.Wait()
		w.Close(CloseRevoked, "first")
		w.Close(CloseRestart, "second")
		synctest.Wait()
		conn.want(t, "before,close 1008 first")
		if got := conn.readDeadline(); got != closeTimeout {
			t.Errorf("the reader waits %s for the answer", got)
		}
		w.Alive() // the answer to an earlier ping doesn't give it more time
		if got := conn.readDeadline(); got != closeTimeout {
			t.Errorf("the reader now waits %s", got)
		}
		leave(h, w)
	})
}

func TestAttachAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn := New(), newFakeConn()
		w := NewWindow(1, []byte("s"))
		h.Add(w)
		h.Push(1, []byte("before"))
		h.CloseSession(1, []byte("s"), CloseRevoked, "signed out")
		w.Attach(conn)
		synctest.Wait()
		conn.want(t, "close 1008 signed out") // whoever is signed out hears nothing more
		if got := conn.readDeadline(); got != closeTimeout {
			t.Errorf("the reader waits %s", got)
		}
		leave(h, w)
	})
}

func TestCloseSessionClosesThatOneAlone(t *testing.T) {
	for session, want := range map[string][]string{
		"s1": {"close 1008 out", "", ""}, "": {"close 1008 out", "close 1008 out", ""}, "s3": {"", "", ""}, "s": {"", "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := New()
			a1, one := open(h, 1, "s1")
			a2, two := open(h, 1, "s2")
			b, other := open(h, 2, "s3")
			h.CloseSession(1, []byte(session), CloseRevoked, "out")
			synctest.Wait()
			for i, conn := range []*fakeConn{one, two, other} {
				conn.want(t, want[i])
			}
			for _, w := range []*Window{a1, a2, b} {
				leave(h, w)
			}
		})
	}
}

// Trap: the connection goes back to a pool when the handler returns, so Detach waits for the writer.
func TestDetachJoinsTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		conn.stick()
		h.Push(1, []byte("stuck"))
		h.Push(1, []byte("waits"))
		synctest.Wait()
		start := time.Now()
		w.Detach()
		if conn.writing != 0 {
			t.Error("the connection is still being written to")
		}
		if took := time.Since(start); took != closeTimeout {
			t.Errorf("it took %s", took)
		}
		conn.unstick()
		h.Push(1, []byte("too late"))
		w.Close(CloseRestart, "too late")
		w.Alive()
		synctest.Wait()
		conn.want(t, "")
		w.Detach() // again is no error
		h.Remove(w)
		h.Remove(w)
	})
}

// The frame that is being written, and the closing one, are still said after the handler's end, if the other side takes
// them; what else waited is dropped.
func TestDetachAfterCloseFinishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		conn.stick()
		h.Push(1, []byte("one"))
		synctest.Wait()
		h.Push(1, []byte("two"))
		w.Close(CloseRestart, "restart")
		synctest.Wait()
		go func() { conn.unstick() }()
		leave(h, w)
		conn.want(t, "one,close 1012 restart")
	})
}

func TestBrokenConnectionWakesItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		conn.breakApart()
		h.Push(1, []byte("x"))
		synctest.Wait()
		if got := conn.readDeadline(); got >= 0 { // in the past
			t.Errorf("the reader waits %s", got)
		}
		h.Push(1, []byte("x"))
		synctest.Wait()
		conn.want(t, "")
		leave(h, w)
	})
}

// A window is asked for a sign of life every half minute; one that gives none is dead after two.
func TestPingAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		for range 3 {
			time.Sleep(PingEvery)
			h.Ping()
			synctest.Wait()
			w.Alive()
			if got := conn.readDeadline(); got != ReadTimeout {
				t.Errorf("after a sign of life the reader waits %s", got)
			}
		}
		conn.want(t, "ping,ping,ping")
		if ReadTimeout <= 2*PingEvery || ReadTimeout >= 3*PingEvery {
			t.Errorf("%s of silence are not two missed pings", ReadTimeout)
		}
		time.Sleep(ReadTimeout)
		if conn.readDeadline() > 0 {
			t.Error("a silent window's reader waits on")
		}
		leave(h, w)
	})
}

// A full queue needs no ping on top: it isn't a reason to close.
func TestPingOnAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		conn.stick()
		for range maxQueue + 1 {
			h.Push(1, []byte("x"))
			synctest.Wait()
		}
		h.Ping()
		conn.unstick()
		synctest.Wait()
		if said := conn.said(); strings.Contains(said, "ping") || strings.Contains(said, "close") || strings.Count(said, "x") != maxQueue+1 {
			t.Errorf("the other side heard %s", said)
		}
		leave(h, w)
	})
}

// A client may vanish between the handshake's answer and the connection: nobody will ever attach or remove its window.
func TestPingSweepsWindowsThatNeverAttached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		attached, conn := open(h, 1, "s")
		h.Add(NewWindow(1, nil))
		h.Add(NewWindow(2, nil))
		time.Sleep(attachTimeout - time.Nanosecond)
		late := NewWindow(3, nil)
		h.Add(late)
		h.Ping()
		if n := h.Count(); n != 4 {
			t.Errorf("%d windows are left while they may still be opening", n)
		}
		time.Sleep(time.Nanosecond)
		h.Ping()
		if n := h.Count(); n != 2 {
			t.Errorf("%d windows are left, want the attached one and the late one", n)
		}
		synctest.Wait()
		conn.want(t, "ping,ping")
		h.Remove(late)
		leave(h, attached)
	})
}

// A connection that comes after the sweep is closed: the hub has forgotten the window, so nothing would reach it.
func TestAttachAfterTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn := New(), newFakeConn()
		w := NewWindow(1, []byte("s"))
		h.Add(w)
		time.Sleep(attachTimeout) // the bubble's clock
		h.Ping()
		if n := h.Count(); n != 0 {
			t.Errorf("%d windows are left", n)
		}
		w.Attach(conn)
		synctest.Wait()
		conn.want(t, "close 1012 too late")
		leave(h, w)
	})
}

// A window whose handshake is never finished doesn't hold up a shut-down.
func TestCloseAllDoesNotWaitForTheUnattached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn := New(), newFakeConn()
		w := NewWindow(1, []byte("s"))
		h.Add(w)
		start := time.Now()
		if err := h.CloseAll(t.Context(), CloseRestart, "restart"); err != nil || time.Since(start) > 0 {
			t.Errorf("CloseAll gave %v after %s", err, time.Since(start))
		}
		w.Attach(conn)
		synctest.Wait()
		conn.want(t, "close 1012 restart")
		leave(h, w)
	})
}

// A write that is stuck, with ten seconds of its own left, ends a second after the Close.
func TestCloseEndsAStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		conn.stick()
		h.Push(1, []byte("one"))
		synctest.Wait()
		w.Close(CloseRevoked, "signed out")
		start := time.Now()
		leave(h, w)
		if took := time.Since(start); took != closeTimeout {
			t.Errorf("the window ended after %s", took)
		}
	})
}

func TestCount(t *testing.T) {
	h := New()
	var windows []*Window
	for i := range 6 {
		w := NewWindow(uint64(i%2), nil)
		windows = append(windows, w)
		if !h.Add(w) || h.Count() != i+1 {
			t.Fatalf("after %d windows there are %d", i+1, h.Count())
		}
	}
	for i, w := range windows {
		h.Remove(w)
		h.Remove(w)
		if n := h.Count(); n != 5-i {
			t.Errorf("after removing %d there are %d", i+1, n)
		}
	}
	h.Remove(NewWindow(7, nil)) // a stranger
	if len(h.windows) != 0 {
		t.Errorf("users without windows are left: %v", h.windows)
	}
}

func TestCloseAllWaitsForTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		a, one := open(h, 1, "s1")
		b, two := open(h, 2, "s2")
		done := make(chan error, 1)
		go func() { done <- h.CloseAll(t.Context(), CloseRestart, "restart") }()
		synctest.Wait()
		one.want(t, "close 1012 restart")
		two.want(t, "close 1012 restart")
		if h.Add(NewWindow(3, nil)) {
			t.Error("a window was let in")
		}
		leave(h, a)
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("it returned %v with a window open", err)
		default:
		}
		leave(h, b)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseAllOfNothing(t *testing.T) {
	if err := New().CloseAll(t.Context(), CloseRestart, "restart"); err != nil {
		t.Error(err)
	}
}

func TestCloseAllGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, _ := open(h, 1, "s")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := h.CloseAll(ctx, CloseRestart, "restart"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it returned %v", err)
		}
		leave(h, w)
	})
}

// Everything at once, for the race detector; what each connection heard is in order and without a hole.
func TestEverythingAtOnce(t *testing.T) {
	const users, windows, frames = 4, 5, 200
	h := New()
	var all, pushing sync.WaitGroup
	conns := make([][]*fakeConn, users)
	stop := make(chan struct{})
	for user := range users {
		for i := range windows {
			w, conn := open(h, uint64(user), fmt.Sprint(i))
			conns[user] = append(conns[user], conn)
			all.Go(func() { <-stop; leave(h, w) })
		}
		pushing.Go(func() {
			for i := range frames {
				h.Push(uint64(user), fmt.Append(nil, i))
			}
		})
		all.Go(func() { // others come and go meanwhile
			for i := range 50 {
				w, _ := open(h, uint64(user), "passing")
				w.Alive()
				if i%3 == 0 {
					w.Close(CloseRevoked, "out")
				}
				leave(h, w)
			}
		})
		all.Go(func() {
			for range 50 {
				h.CloseSession(uint64(user), []byte("passing"), CloseRevoked, "out")
				h.Ping()
				h.Count()
			}
		})
	}
	pushing.Wait()
	for user := range users {
		for _, conn := range conns[user] {
			awaitFrames(t, conn, frames)
		}
	}
	close(stop)
	all.Wait()
	if n := h.Count(); n != 0 {
		t.Errorf("%d windows are left", n)
	}
	if err := h.CloseAll(t.Context(), CloseRestart, "restart"); err != nil {
		t.Error(err)
	}
}

// awaitFrames polls until a connection has heard all frames, or was told that it is too slow for them.
func awaitFrames(t *testing.T, conn *fakeConn, frames int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		heard := slices.DeleteFunc(strings.Split(conn.said(), ","), func(word string) bool { return word == "ping" })
		if len(heard) == 0 {
			continue // nothing but pings yet
		}
		if last := heard[len(heard)-1]; strings.HasPrefix(last, "close 1013") {
			heard = heard[:len(heard)-1]
			if want := strings.Split(numbers(0, frames-1), ",")[:len(heard)]; !slices.Equal(heard, want) {
				t.Errorf("a slow window heard %v", heard)
			}
			return
		}
		if strings.Join(heard, ",") == numbers(0, frames-1) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a window heard %v", heard)
		}
	}
}

// Closing everything while windows come and go leaves none, and closes no channel twice.
func TestCloseAllWhileWindowsComeAndGo(t *testing.T) {
	for range 50 {
		h := New()
		var all sync.WaitGroup
		for user := range 8 {
			all.Go(func() {
				for {
					w := NewWindow(uint64(user), nil)
					if !h.Add(w) {
						return
					}
					w.Attach(newFakeConn())
					leave(h, w)
				}
			})
		}
		if err := h.CloseAll(t.Context(), CloseRestart, "restart"); err != nil {
			t.Error(err)
		}
		all.Wait()
		if n := h.Count(); n != 0 {
			t.Errorf("%d windows are left", n)
		}
	}
}

func BenchmarkPush(b *testing.B) {
	h := New()
	var windows []*Window
	for range 10 {
		w, conn := open(h, 1, "s")
		conn.broken = true // takes no memory for what it hears
		windows = append(windows, w)
	}
	for b.Loop() {
		h.Push(1, []byte("x"))
	}
	for _, w := range windows {
		leave(h, w)
	}
}

// Whoever watches hears of a user's first window and of the end of the last, once each.
func TestWatchHearsOfUsersNotOfWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		var heard []string
		h.Watch(func(user uint64) { heard = append(heard, fmt.Sprint("+", user)) }, func(user uint64) { heard = append(heard, fmt.Sprint("-", user)) })
		a1, _ := open(h, 1, "s1")
		a2, _ := open(h, 1, "s2")
		b, _ := open(h, 2, "s3")
		if users := slices.Sorted(slices.Values(h.Users())); !slices.Equal(users, []uint64{1, 2}) {
			t.Errorf("windows are open of %v", users)
		}
		leave(h, a1)
		leave(h, b)
		leave(h, a2)
		h.Remove(a2) // again
		a3, _ := open(h, 1, "s1")
		leave(h, a3)
		if want := []string{"+1", "+2", "-2", "-1", "+1", "-1"}; !slices.Equal(heard, want) {
			t.Errorf("heard %v, want %v", heard, want)
		}
	})
}

// Many windows are closed over two seconds, each once, and none may open meanwhile.
func TestCloseEvenly(t *testing.T) {
	for n, over := range map[int]time.Duration{0: 0, 10: closeStep, 500: 500 * time.Millisecond, 5000: closeWithin} {
		synctest.Test(t, func(t *testing.T) {
			h := New()
			var all []*Window
			var conns []*fakeConn
			for range n {
				w, conn := open(h, 1, "s")
				all, conns = append(all, w), append(conns, conn)
			}
			start := time.Now()
			done := make(chan error)
			go func() { done <- h.CloseEvenly(t.Context(), CloseRestart, "restart") }()
			time.Sleep(over / 2) // of the bubble's clock
			synctest.Wait()
			closed := 0
			for _, conn := range conns {
				if conn.said() == "close 1012 restart" {
					closed++
				}
			}
			if n > 10 && (closed < n*4/10 || closed > n*6/10) {
				t.Errorf("of %d windows %d are closed after half of the time", n, closed)
			}
			if n > 0 && h.Add(NewWindow(2, nil)) {
				t.Error("a window opened")
			}
			time.Sleep(over/2 + 2*closeStep)
			synctest.Wait()
			for _, conn := range conns {
				conn.want(t, "close 1012 restart")
			}
			for _, w := range all {
				leave(h, w)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > over+2*closeStep {
				t.Errorf("closing %d windows took %s", n, took)
			}
		})
	}
}

// When the time is over the rest is closed at once.
func TestCloseEvenlyEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		var all []*Window
		for range 3000 {
			w, _ := open(h, 1, "s")
			all = append(all, w)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := h.CloseEvenly(ctx, CloseRestart, "restart"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(start); took > 200*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		for _, w := range all {
			leave(h, w)
		}
	})
}
