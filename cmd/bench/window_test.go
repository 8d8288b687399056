package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// windowOn is a window that hears these frames.
func windowOn(t *testing.T, frames []byte) (w *window, server net.Conn) {
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close(); server.Close() })
	_ = server.SetReadDeadline(time.Now().Add(10 * time.Second)) // a pipe takes deadlines
	go func() { _, _ = server.Write(frames) }()                  // the window may close before it has read all
	return &window{conn: client, in: bufio.NewReader(client)}, server
}

func TestWindowAnswersPingsAndReadsLongFrames(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 300)
	frames := append([]byte{0x80 | opPing, 2, 'h', 'i', 0x80 | opText, 126, 1, 44}, long...)
	w, server := windowOn(t, frames)
	pong := make(chan []byte, 1)
	go func() {
		got := make([]byte, 8)
		_, _ = io.ReadFull(server, got) // what is missing shows below
		pong <- got
	}()
	if got, err := w.next(); err != nil || !bytes.Equal(got, long) {
		t.Errorf("%s, %v", got, err)
	}
	if got := <-pong; !bytes.Equal(got, []byte{0x80 | opPong, 0x80 | 2, 0, 0, 0, 0, 'h', 'i'}) {
		t.Errorf("the pong is %x", got)
	}
}

func TestWindowRefusesWhatIsNoFrameOfParleys(t *testing.T) {
	for name, frames := range map[string][]byte{
		"in pieces":     {opText, 1, 'x'},
		"masked":        {0x80 | opText, 0x81, 0, 0, 0, 0, 'x'},
		"compressed":    {0xc0 | opText, 1, 'x'},
		"binary":        {0x80 | 2, 1, 'x'},
		"much too long": {0x80 | opText, 126, 0xff, 0xff},
		"64-bit length": {0x80 | opText, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x'},
	} {
		w, _ := windowOn(t, frames)
		if got, err := w.next(); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	w, _ := windowOn(t, []byte{0x80 | opClose, 2, 0x03, 0xf4})
	var closed closedError
	if _, err := w.next(); !errors.As(err, &closed) || closed.code() != 1012 {
		t.Errorf("%v", err)
	}
}

func TestPushNamesItsMessage(t *testing.T) {
	for push, want := range map[string]string{
		`{"type":"message","id":"7-42","with":"bob","rev":57}`: "7-42",
		`{"rev":57,"with":"bob","id":"7-42","type":"message"}`: "7-42",
		`{"type":"read","with":"bob","seq":3}`:                 "",
		`{"type":"message","with":"bob"}`:                      "",
	} {
		if got := string(pushedMessage([]byte(push))); got != want {
			t.Errorf("%s names %q", push, got)
		}
	}
}
