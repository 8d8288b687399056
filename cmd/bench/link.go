package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"
)

// answerWithin is how long a request may take before it counts as failed.
const answerWithin = 30 * time.Second

// link is one HTTP/1.1 connection that is kept open. It does little, because whatever bench spends on the machine is
// missing to the server; it understands what Parley sends and fails on everything else. It is for one goroutine.
type link struct {
	address string
	source  net.Addr // nil: whatever the system picks
	conn    net.Conn // nil while there is none
	in      *bufio.Reader
	out     []byte
	body    []byte
}

// answer is a view that lasts until the link's next request.
type answer struct {
	status                         int
	location, tag, cookie, accepts []byte // Location, ETag, Set-Cookie, Sec-WebSocket-Accept
	encoding                       []byte
	body                           []byte

	length int
	last   bool // the server closes the connection after this
}

func (l *link) dial() error {
	dialer := net.Dialer{Timeout: answerWithin, LocalAddr: l.source, KeepAlive: -1, Control: l.latePort}
	conn, err := dialer.Dial("tcp", l.address)
	if err != nil {
		return err
	}
	l.conn = conn
	if l.in == nil {
		l.in = bufio.NewReader(conn)
	}
	l.in.Reset(conn)
	return nil
}

// bindAddressNoPort is IP_BIND_ADDRESS_NO_PORT of Linux (ip(7)).
const bindAddressNoPort = 24

// latePort has the port chosen when the connection is made: at the bind, the system would look for one that is free for
// every destination, which gets slow and fails early with many thousands.
func (l *link) latePort(_, _ string, raw syscall.RawConn) (err error) {
	if l.source == nil {
		return nil
	}
	if told := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindAddressNoPort, 1) }); told != nil {
		return told
	}
	return err
}

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// get fetches path. headers are whole lines, each with its end.
func (l *link) get(path string, headers ...string) (answer, error) {
	l.begin("GET ", path, headers)
	l.out = append(l.out, "\r\n"...)
	return l.do()
}

func (l *link) post(path string, body []byte, headers ...string) (answer, error) {
	l.begin("POST ", path, headers)
	l.out = append(l.out, "Content-Length: "...)
	l.out = strconv.AppendInt(l.out, int64(len(body)), 10)
	l.out = append(l.out, "\r\n\r\n"...)
	l.out = append(l.out, body...)
	return l.do()
}

func (l *link) begin(method, path string, headers []string) {
	l.out = append(append(append(l.out[:0], method...), path...), " HTTP/1.1\r\n"...)
	for _, h := range headers {
		l.out = append(l.out, h...)
	}
}

// do sends what is in out. After an error the connection is closed, and the next request makes a new one.
func (l *link) do() (answer, error) {
	if l.conn == nil {
		if err := l.dial(); err != nil {
			return answer{}, err
		}
	}
	a, err := l.exchange()
	if err != nil || a.last {
		l.close()
	}
	return a, err
}

func (l *link) exchange() (a answer, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return a, err
	}
	if _, err := l.conn.Write(l.out); err != nil {
		return a, err
	}
	if a, err = readHead(l.in); err != nil || a.length == 0 {
		return a, err
	}
	if cap(l.body) < a.length {
		l.body = make([]byte, a.length)
	}
	a.body = l.body[:a.length]
	_, err = io.ReadFull(l.in, a.body)
	return a, err
}

var errNotHTTP = errors.New("the server's answer isn't HTTP/1.1")

func readHead(in *bufio.Reader) (a answer, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return a, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) || len(line) < 12 {
		return a, errNotHTTP
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, errNotHTTP
	}
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return a, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return a, nil
		}
		if err := a.header(line); err != nil {
			return a, err
		}
	}
}

// header takes note of a line. Most lines are none of its business, and told by their length and first letter.
func (a *answer) header(line []byte) (err error) {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return errNotHTTP
	}
	name, value := line[:colon], bytes.TrimSpace(line[colon+1:])
	switch {
	case is(name, "content-length"):
		a.length, err = strconv.Atoi(string(value))
	case is(name, "location"):
		a.location = bytes.Clone(value)
	case is(name, "etag"):
		a.tag = bytes.Clone(value)
	case is(name, "set-cookie"):
		a.cookie = bytes.Clone(value)
	case is(name, "sec-websocket-accept"):
		a.accepts = bytes.Clone(value)
	case is(name, "content-encoding"):
		a.encoding = bytes.Clone(value)
	case is(name, "connection"):
		a.last = is(value, "close")
	case is(name, "transfer-encoding"):
		err = fmt.Errorf("bench can't read an answer with Transfer-Encoding: %s", value)
	}
	return err
}

func is(text []byte, lower string) bool {
	return len(text) == len(lower) && bytes.EqualFold(text, []byte(lower))
}
