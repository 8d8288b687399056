package hub

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"
)

// sent is a frame as a client sends it, by RFC 6455 section 5.2: its first octet, and its payload under a mask.
func sent(first byte, payload string) string {
	head := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		head = append(head, 0x80|byte(n))
	case n <= 0xffff:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	return string(head) + masked("\x01\x80\xfe\x00", payload)
}

func masked(mask, payload string) string {
	text := []byte(mask + payload)
	for i := range len(payload) {
		text[4+i] ^= mask[i%4]
	}
	return string(text)
}

const (
	fin          = 0x80
	refused      = "close 1008 nothing is to be sent here"
	tooLarge     = "close 1009 "
	protocol     = "close 1002 "
	longestInput = 125
)

func code(n uint16) string { return string(binary.BigEndian.AppendUint16(nil, n)) }

// inputs is what clients may send, and what they hear of it.
func inputs() map[string][2]string {
	most := strings.Repeat("x", longestInput)
	all := map[string][2]string{
		"nothing":                    {"", ""},
		"half a header":              {"\x89", ""},
		"a header without its mask":  {"\x89\x80", ""},
		"half a mask":                {"\x89\x80\x01\x02", ""},
		"half a ping":                {sent(fin|opPing, "hello")[:9], ""},
		"a ping":                     {sent(fin|opPing, ""), "pong "},
		"a ping with a text":         {sent(fin|opPing, "hello"), "pong hello"},
		"the longest ping":           {sent(fin|opPing, most), "pong " + most},
		"a ping without real mask":   {"\x89\x82\x00\x00\x00\x00hi", "pong hi"},
		"a ping under full mask":     {"\x89\x82" + masked("\xff\xff\xff\xff", "hi"), "pong hi"},
		"a pong":                     {sent(fin|opPong, "hello"), ""},
		"the longest pong":           {sent(fin|opPong, most), ""},
		"several":                    {sent(fin|opPing, "1") + sent(fin|opPong, "2") + sent(fin|opPing, "") + sent(fin|opPing, most), "pong 1,pong ,pong " + most},
		"a ping and half of another": {sent(fin|opPing, "1") + sent(fin|opPing, "2")[:3], "pong 1"},
		"a ping and a goodbye":       {sent(fin|opPing, "1") + sent(fin|opClose, code(1001)+"bye"), "pong 1,close 1001 "},
		"something after a goodbye":  {sent(fin|opClose, code(1000)) + sent(fin|opPing, "1"), "close 1000 "},
		"a goodbye without a code":   {sent(fin|opClose, ""), "close 1000 "},
		"half a code":                {sent(fin|opClose, "\x03"), protocol},
		"the longest goodbye":        {sent(fin|opClose, code(1000)+"x"+strings.Repeat("ö", 61)), "close 1000 "},
		"a goodbye that isn't text":  {sent(fin|opClose, code(1000)+"\xff"), protocol},
		"a text":                     {sent(fin|opText, "hi"), refused},
		"an empty text":              {sent(fin|opText, ""), refused},
		"octets":                     {sent(fin|2, "\x00\xff"), refused},
		"a text of 125":              {sent(fin|opText, most), refused},
		"a text of 126":              {sent(fin|opText, most+"x"), refused},
		"a text of 512":              {sent(fin|opText, strings.Repeat("x", 512)), refused},
		"a text of 513":              {sent(fin|opText, strings.Repeat("x", 513)), tooLarge},
		"a text of 65535":            {sent(fin|opText, strings.Repeat("x", 65535)), tooLarge},
		"a text of 65536":            {sent(fin|opText, strings.Repeat("x", 65536)), tooLarge},
		"a text of 2^63":             {"\x81\xff\x80" + strings.Repeat("\x00", 11), tooLarge},
		"a short text's long form":   {"\x81\xfe\x00\x01" + masked("mask", "x"), refused},
		"the first of two fragments": {sent(opText, "hi"), refused},
		"a fragment of nothing":      {sent(fin, "hi"), refused},
		"something after a text":     {sent(fin|opText, "hi") + sent(fin|opPing, "1"), refused},
		"a ping, then a text":        {sent(fin|opPing, "1") + sent(fin|opText, "hi"), "pong 1," + refused},
		"a ping in two fragments":    {sent(opPing, "1"), protocol},
		"a goodbye in two fragments": {sent(opClose, code(1000)), protocol},
		"a ping of 126":              {"\x89\xfe\x00\x7e" + masked("mask", most+"x"), protocol},
		"a short ping's long form":   {"\x89\xfe\x00\x01" + masked("mask", "x"), protocol},
		"a ping of 2^16":             {"\x89\xff\x00\x00\x00\x00\x00\x01\x00\x00", protocol},
		"a ping without a mask":      {"\x89\x02hi", protocol},
		"a text without a mask":      {"\x81\x02hi", protocol},
	}
	for bit := byte(0x10); bit < 0x80; bit <<= 1 {
		for _, op := range []byte{opText, opClose, opPing, opPong} {
			all[fmt.Sprintf("opcode %d with the reserved bit %x", op, bit)] = [2]string{sent(fin|bit|op, ""), protocol}
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		all[fmt.Sprintf("the reserved opcode %d", op)] = [2]string{sent(fin|op, ""), protocol}
	}
	for _, n := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		all[fmt.Sprintf("the code %d", n)] = [2]string{sent(fin|opClose, code(n)), fmt.Sprintf("close %d ", n)}
	}
	for _, n := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65535} {
		all[fmt.Sprintf("the code %d", n)] = [2]string{sent(fin|opClose, code(n)), protocol}
	}
	return all
}

// heardFrom has a window read, and gives what it answers.
func heardFrom(t *testing.T, r io.Reader) (said string) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		w, conn := open(h, 1, "s")
		conn.room = 1 << 20
		w.Read(r)
		synctest.Wait()
		said = conn.said()
		leave(h, w)
	})
	return said
}

func TestIncoming(t *testing.T) {
	for name, c := range inputs() {
		if got := heardFrom(t, strings.NewReader(c[0])); got != c[1] {
			t.Errorf("%s: it says %.300q, want %.300q", name, got, c[1])
		}
		if got := heardFrom(t, iotest.OneByteReader(strings.NewReader(c[0]))); got != c[1] {
			t.Errorf("%s, octet by octet: it says %.300q, want %.300q", name, got, c[1])
		}
		for i := 1; i < min(len(c[0]), 300); i++ {
			if got := heardFrom(t, io.MultiReader(strings.NewReader(c[0][:i]), strings.NewReader(c[0][i:]))); got != c[1] {
				t.Errorf("%s, in two parts, the first of %d octets: it says %.300q, want %.300q", name, i, got, c[1])
			}
		}
	}
}

// Any frame that comes is a sign of life, but none that is refused.
func TestIncomingIsASignOfLife(t *testing.T) {
	for input, alive := range map[string]bool{sent(fin|opPong, ""): true, sent(fin|opPing, ""): true, "\x89": false, sent(fin|opText, ""): false} {
		synctest.Test(t, func(t *testing.T) {
			h := New()
			w, conn := open(h, 1, "s")
			time.Sleep(time.Minute) // of the bubble's clock
			w.Read(strings.NewReader(input))
			if got := conn.readDeadline() == ReadTimeout; got != alive {
				t.Errorf("after %q the reader waits %s", input, conn.readDeadline())
			}
			leave(h, w)
		})
	}
}

// wire is a connection on which everything has been sent already.
type wire struct {
	net.Conn
	in io.Reader
}

func (w wire) Read(p []byte) (int, error)     { return w.in.Read(p) }
func (wire) Write(p []byte) (int, error)      { return len(p), nil }
func (wire) Close() error                     { return nil }
func (wire) SetDeadline(time.Time) error      { return nil }
func (wire) SetReadDeadline(time.Time) error  { return nil }
func (wire) SetWriteDeadline(time.Time) error { return nil }
func (wire) Header() http.Header              { return http.Header{} }
func (wire) WriteHeader(int)                  {}
func (w wire) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w, bufio.NewReadWriter(bufio.NewReaderSize(w, 4096), bufio.NewWriter(io.Discard)), nil
}

// theirs is what the well-known package makes of what a client sends: a word for each frame until the first that is not
// a control frame, and what it says of that.
func theirs(t *testing.T, input []byte) (words []string) {
	r := &http.Request{Method: http.MethodGet, Host: "h", URL: &url.URL{Path: "/"}, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}}
	conn, err := (&websocket.Upgrader{}).Upgrade(wire{in: bytes.NewReader(input)}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	note := func(what string) func(string) error {
		return func(data string) error {
			words = append(words, what+data)
			return nil
		}
	}
	conn.SetPingHandler(note("ping "))
	conn.SetPongHandler(note("pong "))
	conn.SetCloseHandler(func(code int, _ string) error { return note("close ")(fmt.Sprint(code)) })
	_, _, err = conn.NextReader()
	_, closed := errors.AsType[*websocket.CloseError](err)
	switch {
	case err == nil:
		return append(words, "data")
	case closed, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return words
	}
	return append(words, err.Error())
}

// ours is the same of this package, which reads some octets at a time.
func ours(input []byte, step int) (words []string) {
	var in incoming
	for {
		n := copy(in.free()[:min(step, len(in.free()))], input)
		in.n, input = in.n+n, input[n:]
		for {
			op, payload, ok, wrong := in.next()
			if wrong != 0 {
				return append(words, fmt.Sprint(wrong))
			}
			if !ok {
				break
			}
			if op == opClose {
				return append(words, fmt.Sprint("close ", goodbye(payload)))
			}
			words = append(words, map[byte]string{opPing: "ping ", opPong: "pong "}[op]+string(payload))
		}
		if n == 0 {
			return words
		}
	}
}

// agree compares the last words; those before are the same. Nothing is said while more has to come.
func agree(our, their string) bool {
	switch our {
	case their:
		return true
	case "": // how long it is decides how it is refused
		return their == "websocket: continuation after FIN"
	case "1008", "1009": // refused by the header, without waiting for all of it
		return their == "data" || their == "" || their == "websocket: continuation after FIN" || their == websocket.ErrReadLimit.Error()
	case "1002":
		return strings.HasPrefix(their, "websocket: ")
	case "close 1002": // half a code is none to them
		return strings.HasPrefix(their, "websocket: bad close code") || strings.HasPrefix(their, "websocket: invalid utf8") || their == "close 1005"
	case "close 1000":
		return their == "close 1005" // no code
	case "close 1014": // of IANA's registry, later than their list
		return their == "websocket: bad close code 1014"
	}
	return false
}

// FuzzIncoming holds this package's reading of frames against another's.
func FuzzIncoming(f *testing.F) {
	for _, c := range inputs() {
		f.Add([]byte(c[0]), uint8(0))
		f.Add([]byte(c[0]), uint8(1))
		f.Add([]byte(sent(fin|opPing, "first")+c[0]+sent(fin|opPing, "last")), uint8(7))
	}
	f.Fuzz(func(t *testing.T, input []byte, step uint8) {
		our, their := ours(input, 1+int(step)), theirs(t, input)
		for len(our) > 0 && len(their) > 0 && our[0] == their[0] {
			our, their = our[1:], their[1:]
		}
		if len(our) > 1 || len(their) > 1 || !agree(strings.Join(our, ""), strings.Join(their, "")) {
			t.Errorf("%q ends with %q, elsewhere with %q", input, our, their)
		}
	})
}

// pipeConn is a Conn over an in-memory connection, on which nothing goes at once.
type pipeConn struct{ net.Conn }

func (pipeConn) TryWrite([]byte) (int, error) { return 0, nil }

func (c pipeConn) WriteBy(deadline time.Time, data []byte) error {
	_ = c.SetWriteDeadline(deadline) // fails only on a connection that is gone
	_, err := c.Write(data)
	return err
}

func (c pipeConn) BoundWrite(t time.Time) { _ = c.SetWriteDeadline(t) } // as above

// dialled is the well-known package's client at the other end of a window; over waits for the window's end.
func dialled(t *testing.T, h *Hub) (client *websocket.Conn, over func()) {
	t.Helper()
	near, far := net.Pipe()
	w, ended := NewWindow(1, []byte("s")), make(chan struct{})
	h.Add(w)
	go func() {
		defer close(ended)
		defer near.Close()
		defer leave(h, w)
		r, err := http.ReadRequest(bufio.NewReader(near))
		if err != nil {
			t.Error(err)
			return
		}
		key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 4.2.2
		fmt.Fprintf(near, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(key[:]))
		w.Attach(pipeConn{near})
		w.Read(near)
	}()
	t.Cleanup(func() { far.Close(); <-ended })
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return far, nil }, HandshakeTimeout: 10 * time.Second}
	client, _, err := dialer.Dial("ws://h/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = far.SetDeadline(time.Now().Add(10 * time.Second)) // a pipe's is always set
	return client, func() { <-ended }
}

// Another's client reads what this package writes, in each form of the length, and is understood.
func TestFramesAreReadElsewhere(t *testing.T) {
	h := New()
	client, over := dialled(t, h)
	var pongs []string
	client.SetPongHandler(func(data string) error {
		pongs = append(pongs, data)
		return nil
	})
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 100_000} {
		text := strings.Repeat("x", n)
		h.Push(1, []byte(text))
		if kind, got, err := client.ReadMessage(); err != nil || kind != websocket.TextMessage || string(got) != text {
			t.Fatalf("of %d octets it read %d, kind %d, %v", n, len(got), kind, err)
		}
		if n > longestInput {
			continue
		}
		if err := client.WriteControl(websocket.PingMessage, []byte(text), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	h.Push(1, []byte("after the pongs"))
	if _, got, err := client.ReadMessage(); err != nil || string(got) != "after the pongs" {
		t.Fatalf("it read %q, %v", got, err)
	}
	if !slices.Equal(pongs, []string{"", "x", strings.Repeat("x", longestInput)}) {
		t.Errorf("its pings were answered by %q", pongs)
	}
	h.CloseSession(1, nil, CloseRevoked, "signed out")
	_, _, err := client.ReadMessage()
	if end, ok := errors.AsType[*websocket.CloseError](err); !ok || end.Code != CloseRevoked || end.Text != "signed out" {
		t.Errorf("it ended with %v", err)
	}
	over()
}
