package hub

import (
	"sync"
	"time"
)

// Close codes: RFC 6455 section 7.4.1 and the IANA WebSocket Close Code Number Registry.
const (
	CloseRevoked    = 1008 // the session ended, or the client broke the protocol
	CloseRestart    = 1012 // the server restarts
	CloseOverloaded = 1013 // the window takes frames too slowly
)

// Opcodes of RFC 6455 section 5.2, as connections take them.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
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
	// Write sends one whole frame. One goroutine writes at a time.
	Write(op int, data []byte, deadline time.Time) error
	// BoundWrite ends a write that is under way at t at the latest. It may be called while another goroutine writes.
	BoundWrite(t time.Time)
	// SetReadDeadline ends a wait for the other side at t. It may be called while another goroutine reads.
	SetReadDeadline(t time.Time) error
}

type frame struct {
	op   int
	data []byte
}

// Window is one open WebSocket, or one that is about to open: frames pushed before Attach wait for it. It has a
// goroutine only while frames are being written.
type Window struct {
	user    uint64
	session []byte
	made    time.Time

	mu      sync.Mutex
	conn    Conn // nil before Attach
	queue   []frame
	writing bool
	closed  bool
	until   time.Time  // once closed: when the last write must be done
	idle    *sync.Cond // signalled when writing falls
}

// NewWindow makes a window of a user's session, without a connection yet.
func NewWindow(user uint64, session []byte) *Window {
	w := &Window{user: user, session: session, made: time.Now()}
	w.idle = sync.NewCond(&w.mu)
	return w
}

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
	w.end([]frame{{opClose, closeFrame(code, reason)}})
	w.startWriting()
}

// end takes no more frames than these last ones.
func (w *Window) end(last []frame) {
	w.closed, w.queue = true, last
	w.hurry()
}

// hurry bounds what is left of a closed window. Closing the connection would not wake its reader under fasthttp, a
// deadline does. A write that is under way gets its bound when the time is over, since it may be about to set a later
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

// attached says whether the window ever got a connection.
func (w *Window) attached() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn != nil
}

// Alive notes a sign of life from the other side, which may now be silent for ReadTimeout again.
func (w *Window) Alive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && w.conn != nil {
		_ = w.conn.SetReadDeadline(time.Now().Add(ReadTimeout)) // fails only on a connection that is gone
	}
}

func (w *Window) push(data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if len(w.queue) >= maxQueue {
		w.close(CloseOverloaded, "too slow")
		return
	}
	w.queue = append(w.queue, frame{opText, data})
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
	if w.conn != nil && !w.closed && len(w.queue) < maxQueue {
		w.queue = append(w.queue, frame{op: opPing})
		w.startWriting()
	}
	return true
}

func (w *Window) startWriting() {
	if w.conn != nil && !w.writing && len(w.queue) > 0 {
		w.writing = true
		go w.write(w.conn)
	}
}

// write empties the queue, then ends.
func (w *Window) write(conn Conn) {
	for f, deadline, ok := w.next(); ok; f, deadline, ok = w.next() {
		if err := conn.Write(f.op, f.data, deadline); err != nil {
			w.broken(conn)
		}
	}
}

// next takes the first frame that waits, and says by when it must be written. It says no when there is none: the writer
// is to end.
func (w *Window) next() (_ frame, deadline time.Time, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue, w.writing = nil, false
		w.idle.Broadcast()
		return frame{}, deadline, false
	}
	f := w.queue[0]
	w.queue = w.queue[1:]
	if deadline = time.Now().Add(writeTimeout); w.closed {
		deadline = w.until
	}
	return f, deadline, true
}

// broken ends a window whose connection takes no more: the reader learns of it at once.
func (w *Window) broken(conn Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.queue = true, nil
	_ = conn.SetReadDeadline(time.Unix(1, 0)) // in the past; fails only on a connection that is gone
}

// closeFrame is the body of a closing frame: RFC 6455 section 5.5.1.
func closeFrame(code int, reason string) []byte {
	return append([]byte{byte(code >> 8), byte(code)}, reason...)
}
