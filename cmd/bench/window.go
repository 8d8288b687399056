package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// The key is the same for every window: it only has to come back (RFC 6455 section 1.3).
const windowKey = "UGFybGV5IGlzIGEgdGFsaw=="

var windowAccept = func() string {
	sum := sha1.Sum([]byte(windowKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// Opcodes of RFC 6455 section 5.2.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// longestPush is many times what Parley sends: names and numbers.
const longestPush = 4096

// window is one open WebSocket of a person. It is for one goroutine, but close may be called by another.
type window struct {
	conn   net.Conn
	in     *bufio.Reader
	buffer []byte
}

// openWindow returns when the server has answered the handshake. A source other than nil is the address it comes from.
func openWindow(p *person, source net.Addr, bufferSize int) (*window, error) {
	l := link{address: p.at.address, source: source}
	if err := l.dialSized(bufferSize); err != nil {
		return nil, err
	}
	a, err := l.get("/ws", p.headers, "Origin: "+p.at.origin+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+windowKey+"\r\n")
	if err == nil && (a.status != 101 || string(a.accepts) != windowAccept) {
		err = fmt.Errorf("a window was refused: status %d", a.status)
	}
	if err == nil {
		err = l.conn.SetDeadline(time.Time{})
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return &window{conn: l.conn, in: l.in}, nil
}

func (l *link) dialSized(size int) error {
	l.in = bufio.NewReaderSize(nil, size)
	return l.dial()
}

func (w *window) close() { w.conn.Close() }

// next gives the next text, which lasts until the call after. It answers pings on the way.
func (w *window) next() ([]byte, error) {
	for {
		op, data, err := w.frame()
		if err != nil {
			return nil, err
		}
		switch op {
		case opText:
			return data, nil
		case opPing:
			err = w.pong(data)
		case opClose:
			err = closedError(data)
		case opPong:
		default:
			err = fmt.Errorf("the server sent a frame with the opcode %d", op)
		}
		if err != nil {
			return nil, err
		}
	}
}

// closedError is how a server ended a window.
type closedError []byte

func (e closedError) code() int {
	if len(e) < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint16(e))
}

func (e closedError) Error() string {
	return fmt.Sprintf("the server closed a window with %d", e.code())
}

// frame reads one whole frame as a server sends it: without a mask and in one piece.
func (w *window) frame() (op byte, data []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return 0, nil, err
	}
	length := int(head[1])
	if length == 126 {
		var long [2]byte
		if _, err := io.ReadFull(w.in, long[:]); err != nil {
			return 0, nil, err
		}
		length = int(binary.BigEndian.Uint16(long[:]))
	}
	if head[0]&0xf0 != 0x80 || head[1] > 126 || length > longestPush {
		return 0, nil, fmt.Errorf("the server sent a frame that begins with %x", head)
	}
	if cap(w.buffer) < length {
		w.buffer = make([]byte, length)
	}
	data = w.buffer[:length]
	_, err = io.ReadFull(w.in, data)
	return head[0] & 0x0f, data, err
}

// pong answers a ping. Its mask is zero, which leaves the data as they are: a mask guards proxies from scripts of
// other sites (RFC 6455 section 10.3), and there are none here.
func (w *window) pong(data []byte) error {
	frame := append([]byte{0x80 | opPong, 0x80 | byte(len(data)), 0, 0, 0, 0}, data...)
	_, err := w.conn.Write(frame)
	return err
}

// pushedMessage gives the ID in a push that tells of a message, nil in one that tells of something else.
func pushedMessage(push []byte) []byte {
	if !bytes.Contains(push, []byte(`"type":"message"`)) {
		return nil
	}
	return between(push, `"id":"`, `"`)
}

// between gives what stands between the first left and the next right, nil where they aren't there.
func between(text []byte, left, right string) []byte {
	_, rest, found := bytes.Cut(text, []byte(left))
	inner, _, closed := bytes.Cut(rest, []byte(right))
	if !found || !closed {
		return nil
	}
	return inner
}
