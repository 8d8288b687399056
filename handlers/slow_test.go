package handlers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"parley/db/chat"
	"parley/handlers/hub"
)

// openSmall opens a window of which the kernel keeps little.
func (v *visitor) openSmall(addr string) *window {
	v.t.Helper()
	small := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2048) // only makes the test fail
		})
	}}
	dialer := websocket.Dialer{NetDialContext: small.DialContext}
	conn, answer, err := dialer.DialContext(context.Background(), "ws://"+addr+"/ws", v.handshakeHeader(addr))
	if err != nil {
		v.t.Fatalf("opening a window: %v (%+v)", err, answer)
	}
	v.t.Cleanup(func() { conn.Close() })
	return &window{v.t, conn}
}

// A window that reads nothing until the kernel and its queue are full is closed with 1013. What it had heard by then is
// whole and in order, the frame that was half written too, and the others hear all.
func TestSlowWindowIsToldSo(t *testing.T) {
	w := newWorld(t)
	addr := w.listenBehind(func(l net.Listener) net.Listener { return smallBuffers{l} })
	alice, bob := w.person("alice"), w.person("bob")
	slow, quick, bobs := alice.openSmall(addr), alice.open(addr), bob.open(addr)
	w.awaitWindows(3)
	const frames = 270 // more than the queue's 256 and the few that the kernel takes
	long := strings.Repeat("x", 8000)
	frame := func(i int) string {
		return fmt.Sprintf(`{"type":"message","id":"1-%d","with":"%s","rev":%d}`, i, long, i)
	}
	for i := 1; i <= frames; i++ {
		id := chat.MessageID{Conversation: 1, Seq: uint64(i)}
		for _, user := range []uint64{alice.user.ID, bob.user.ID} {
			w.nodes.Notify(chat.Event{Type: chat.EventMessage, To: user, With: long, ID: id, Rev: uint64(i)})
		}
		if quick.next() != frame(i) || bobs.next() != frame(i) {
			t.Fatalf("a window that reads doesn't hear frame %d as it was", i)
		}
	}
	_ = slow.conn.SetReadDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
	heard := 0
	for {
		_, text, err := slow.conn.ReadMessage()
		if end, ok := errors.AsType[*websocket.CloseError](err); ok {
			if end.Code != hub.CloseOverloaded {
				t.Errorf("closed with %v", end)
			}
			break
		}
		if err != nil {
			t.Fatalf("after %d frames: %v", heard, err)
		}
		if heard++; string(text) != frame(heard) {
			t.Fatalf("frame %d is %.60q", heard, text)
		}
	}
	t.Logf("the slow window heard %d frames of %d", heard, frames)
	if heard == 0 || heard > frames-256 {
		t.Errorf("the slow window heard %d frames: it wasn't slow", heard)
	}
	w.awaitWindows(2)
	quick.want(alice.canary())
	bobs.want(bob.canary())
}
