package hub

import (
	"io"
	"sync"
	"time"
)

// Close codes: RFC 6455 section 7.4.1 and the IANA WebSocket Close Code Number Registry.
const (
	CloseRevoked    = 1008 // the session ended, or the other side sent what isn't to be sent here
	CloseTooLarge   = 1009
	CloseRestart    = 1012 // the server restarts
	CloseOverloaded = 1013 // the window takes frames too slowly, or its user has opened too many after it

	closeNormal   = 1000
	closeProtocol = 1002
)

const (
	maxQueue = 256 // frames of about 70 octets: a window that is this far behind had better catch up afresh

	writeTimeout = 10 * time.Second // for one frame
	closeTimeout = time.Second      // for the closing handshake

	// PingEvery is how often Hub.Ping is to be called; a window that misses two answers in a row is dead.
	PingEvery = 30 * time.Second
	// ReadTimeout is how long a window may be silent: two pings, and the way there and back.
	ReadTimeout = 2*PingEvery + 5*time.Second

	attachTimeout = 15 * time.Second
)

// Conn is the part of a WebSocket connection that a Window uses.
type Conn interface {
	// TryWrite sends as much of a frame as goes without waiting, and says how many octets that was.
	TryWrite(frame []byte) (int, error)
	// WriteBy sends all of a frame, or fails at the deadline. One goroutine writes at a time.
	WriteBy(deadline time.Time, frame []byte) error
	// BoundWrite ends a write that is under way at t at the latest. It may be called while another goroutine writes.
	BoundWrite(t time.Time)
	// SetReadDeadline ends a wait for the other side at t. It may be called while another goroutine reads.
	SetReadDeadline(t time.Time) error
}

// Window is one open WebSocket, or one that is about to open: frames pushed before Attach wait for it. A frame
// is written by whoever pushes it, and by a goroutine of the window's only while the other side is slow to take it.
type Window struct {
	user    uint64
	session []byte
	made    time.Time
	ends    time.Time // when its session does; zero: not known
	number  uint64    // which one it is of all that were added to the Hub

	mu      sync.Mutex
	conn    Conn     // nil before Attach
	rest    []byte   // of a frame that is half written: it goes first, whatever else is dropped
	queue   [][]byte // whole frames
	writing bool
	closed  bool
	code    int        // of the closing frame; 0 where the connection ended without one
	until   time.Time  // once closed: when the last write must be done
	idle    *sync.Cond // signalled when writing falls
}

// NewWindow makes a window of a user's session, without a connection yet.
func NewWindow(user uint64, session []byte) *Window {
	w := &Window{user: user, session: session, made: time.Now()}
	w.idle = sync.NewCond(&w.mu)
	return w
}

// EndAt has the window be closed when its session's time is over, at the Ping after that. It is called before the window
// is added; a zero time is none.
func (w *Window) EndAt(t time.Time) { w.ends = t }

// Attach gives the window its connection and starts to write what waits.
func (w *Window) Attach(conn Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
	_ = conn.SetReadDeadline(time.Now().Add(ReadTimeout)) // fails only on a connection that is gone
	if w.closed {
		w.hurry()
	}
	w.startWriting()
}

// Detach ends the window and returns when nothing will use its connection any more. The caller may then let go of it.
func (w *Window) Detach() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.end(nil)
	}
	for w.writing {
		w.idle.Wait()
	}
	w.conn = nil
}

// Close sends the closing frame and gives the other side a second to answer it. What waits to be sent is dropped: the
// page catches up from the database if it may. Only the first Close counts.
func (w *Window) Close(code int, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.close(code, reason)
}

func (w *Window) close(code int, reason string) {
	if w.closed {
		return
	}
	w.code = code
	w.end([][]byte{closing(code, reason)})
	w.startWriting()
}

// end takes no more frames than these last ones.
func (w *Window) end(last [][]byte) {
	w.closed, w.queue = true, last
	w.hurry()
}

// hurry bounds what is left of a closed window. The reader has a deadline rather than a closed connection, so that it can
// still hear the other side's answer to the close frame. A write that is under way gets its bound when the time is over, since it may be about to set a later
// deadline for itself just now.
func (w *Window) hurry() {
	w.until = time.Now().Add(closeTimeout)
	if w.conn == nil {
		return
	}
	_ = w.conn.SetReadDeadline(w.until) // fails only on a connection that is gone
	time.AfterFunc(closeTimeout, w.cut)
}

// cut ends a write that is under way, unless the connection was let go of.
func (w *Window) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil && w.writing {
		w.conn.BoundWrite(time.Now())
	}
}

// attached says whether the window has a connection.
func (w *Window) attached() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn != nil
}

func (w *Window) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// Alive notes a sign of life from the other side, which may now be silent for ReadTimeout again.
func (w *Window) Alive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && w.conn != nil {
		_ = w.conn.SetReadDeadline(time.Now().Add(ReadTimeout)) // fails only on a connection that is gone
	}
}

// push takes a frame that must not change afterwards. It says no where the window is closed, or closes for it.
func (w *Window) push(frame []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	if len(w.queue) >= maxQueue {
		w.close(CloseOverloaded, "too slow")
		return false
	}
	w.send(frame)
	return true
}

// send writes what goes without waiting, and queues the rest.
func (w *Window) send(frame []byte) {
	if w.conn == nil || w.writing || len(w.queue) > 0 {
		w.queue = append(w.queue, frame)
		return
	}
	n, err := w.conn.TryWrite(frame)
	if err != nil {
		w.broken()
		return
	}
	switch {
	case n == 0:
		w.queue = append(w.queue, frame)
	case n < len(frame):
		w.rest = frame[n:]
	}
	w.startWriting()
}

// ping says no where the window got no connection in time. Should one come all the same, it is closed at once.
func (w *Window) ping(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == nil && now.Sub(w.made) >= attachTimeout {
		w.close(CloseRestart, "too late")
		return false
	}
	if !w.ends.IsZero() && !now.Before(w.ends) {
		w.close(CloseRevoked, "signed out")
	}
	if w.conn != nil && !w.closed && len(w.queue) < maxQueue {
		w.send(pingFrame)
	}
	return true
}

func (w *Window) startWriting() {
	if w.conn != nil && !w.writing && (w.rest != nil || len(w.queue) > 0) {
		w.writing = true
		go w.write(w.conn)
	}
}

// write empties the queue, then ends.
func (w *Window) write(conn Conn) {
	for data, deadline, ok := w.next(); ok; data, deadline, ok = w.next() {
		if err := conn.WriteBy(deadline, data); err != nil {
			w.fail()
		}
	}
}

// next takes the first frame that waits, and says by when it must be written. It says no when there is none: the writer
// is to end.
func (w *Window) next() (data []byte, deadline time.Time, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if deadline = time.Now().Add(writeTimeout); w.closed {
		deadline = w.until
	}
	if data, w.rest = w.rest, nil; data != nil {
		return data, deadline, true
	}
	if len(w.queue) == 0 {
		w.queue, w.writing = nil, false
		w.idle.Broadcast()
		return nil, deadline, false
	}
	data, w.queue = w.queue[0], w.queue[1:]
	return data, deadline, true
}

func (w *Window) fail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken()
}

// broken ends a window whose connection takes no more: the reader learns of it at once.
func (w *Window) broken() {
	w.closed, w.rest, w.queue = true, nil, nil
	_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // in the past; fails only on a connection that is gone
}

// Read takes what the other side sends until the window or its connection ends. It answers pings and goodbyes; anything
// but control frames is refused, after which the other side has a moment for its own goodbye.
func (w *Window) Read(r io.Reader) {
	var in incoming
	for {
		n, err := r.Read(in.free())
		in.n += n
		if err != nil || !w.heard(&in) {
			break
		}
	}
	_, _ = io.Copy(io.Discard, r) // until the deadline that closing has set, at the latest
}

// heard says no once there is nothing more to be heard.
func (w *Window) heard(in *incoming) bool {
	for {
		op, payload, ok, wrong := in.next()
		switch {
		case wrong == CloseRevoked:
			w.Close(wrong, "nothing is to be sent here")
			return false
		case wrong != 0:
			w.Close(wrong, "")
			return false
		case !ok:
			return true
		case op == opClose:
			w.Close(goodbye(payload), "")
			w.hangUp()
			return false
		case op == opPing:
			w.push(frame(opPong, payload))
		}
		w.Alive()
	}
}

// hangUp waits no more for the other side, which has said goodbye.
func (w *Window) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // in the past; fails only on a connection that is gone
}
