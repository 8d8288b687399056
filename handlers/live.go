package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	contrib "github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/handlers/hub"
)

// pushed is what a window hears of an event: names and numbers, never a text. It is put together by hand, as it is on
// every message's way.
func pushed(e chat.Event) []byte {
	text := append(make([]byte, 0, 128), `{"type":"`...)
	text = append(text, e.Type...)
	if !e.ID.IsZero() {
		text = append(text, `","id":"`...)
		text = e.ID.Append(text)
	}
	text = append(text, `","with":`...)
	with, _ := json.Marshal(e.With) // a string can be marshalled
	text = append(text, with...)
	if e.Rev != 0 {
		text = strconv.AppendUint(append(text, `,"rev":`...), e.Rev, 10)
	}
	if e.Seq != 0 {
		text = strconv.AppendUint(append(text, `,"seq":`...), e.Seq, 10)
	}
	return append(text, '}')
}

// deliver takes an event to this node's windows of its user.
func (s *Server) deliver(e chat.Event) {
	s.pages.forget(e.To)
	if e.Type == chat.EventSessionEnded {
		s.Store.SessionEnded(e.To, e.Session)
		s.hub.CloseSession(e.To, e.Session, hub.CloseRevoked, "signed out")
		return
	}
	if e.Type == chat.EventSessionMoved {
		s.Store.SessionEnded(e.To, e.Session)
		s.hub.CloseSession(e.To, e.Session, hub.CloseRestart, "another token") // pages open it again, with theirs
		return
	}
	if e.Type == chat.EventCheck {
		s.checker.check(e.To)
		return
	}
	s.pushTold(e, pushed(e))
}

// handshake lets nothing past that doesn't ask for a WebSocket.
func handshake(c *fiber.Ctx) error {
	if !contrib.IsWebSocketUpgrade(c) {
		return fiber.ErrUpgradeRequired
	}
	return c.Next()
}

// openWindow registers the window before the handshake is answered, and waits until other nodes' events come here too: a
// message that is sent right after the answer is then pushed. The session is looked up once more after that, since it
// may have ended between the first look and the registration, and whoever ended it told only the windows that were
// registered then.
func (s *Server) openWindow(c *fiber.Ctx) error {
	session := sessionOf(c)
	window := hub.NewWindow(session.User.ID, session.Hash)
	if session.Scope != "" {
		window.EndAt(session.ExpiresAt) // the session of a cookie goes on while its page is used
	}
	if !s.hub.Add(window) {
		return fiber.ErrServiceUnavailable
	}
	s.Fanout.Await(c.UserContext(), session.User.ID)
	if err := s.stillOpen(c); err != nil {
		s.hub.Remove(window)
		return err
	}
	c.Locals(windowKey, window)
	err := upgrade(s)(c)
	if err != nil {
		s.hub.Remove(window)
	}
	return err
}

func (s *Server) stillOpen(c *fiber.Ctx) error {
	open, err := s.Store.SessionOpen(c.UserContext(), sessionOf(c))
	if err == nil && !open {
		return errSignedOut
	}
	return err
}

func upgrade(s *Server) fiber.Handler {
	return contrib.New(s.takeOver, contrib.Config{
		Origins:         []string{"*"}, // ownOrigin has looked already, and at more than a fixed list
		ReadBufferSize:  minBuffer,     // neither buffer is ever used
		WriteBufferSize: minBuffer,
		RecoverHandler:  func(*contrib.Conn) { s.windowFailed(recover()) }, // the default one writes the panic to the client
	})
}

const minBuffer = 125

// containWindow keeps a panic to its window.
func (s *Server) containWindow() { s.windowFailed(recover()) }

func (s *Server) windowFailed(p any) {
	if p != nil {
		s.Logger.Error("a window failed", "panic", p, "stack", string(debug.Stack()))
	}
}

// takeOver gets a window's connection out of the server's hands once the handshake is answered. What the request and
// the WebSocket package hold on to, buffers above all, is three times what a window needs, and is free when this
// returns. The wrapper goes back to a pool then: a push through it would reach whoever got it next.
func (s *Server) takeOver(wrapper *contrib.Conn) {
	conn := wrapper.NetConn()
	window := wrapper.Locals(windowKey).(*hub.Window)
	taken := false
	defer func() {
		if !taken {
			s.hub.Remove(window)
			conn.Close()
		}
	}()
	early, err := buffered(conn)
	tcp := conn.(interface{ UnsafeConn() net.Conn }).UnsafeConn()
	raw, rawErr := tcp.(syscall.Conn).SyscallConn()
	if err = errors.Join(err, rawErr); err != nil {
		s.Logger.Debug("a window's connection ended at once", "error", err)
		return
	}
	taken = true
	go s.serveWindow(window, windowConn{tcp, raw}, early)
}

// buffered takes what the other side sent right behind its handshake and the server has read already.
func buffered(conn net.Conn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil { // in the past: nothing further is read
		return nil, err
	}
	early, err := io.ReadAll(conn)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, io.ErrUnexpectedEOF
	}
	return early, conn.SetDeadline(time.Time{})
}

// serveWindow reads until the window ends. It is all that runs for a window at rest.
func (s *Server) serveWindow(window *hub.Window, conn windowConn, early []byte) {
	defer s.containWindow()
	defer conn.Close()
	defer s.hub.Remove(window)
	window.Attach(conn)
	defer window.Detach()
	if len(early) > 0 {
		window.Read(io.MultiReader(bytes.NewReader(early), conn))
	} else {
		window.Read(conn)
	}
}

// windowConn is a TCP connection as the hub writes to it.
type windowConn struct {
	net.Conn
	raw syscall.RawConn
}

// TryWrite implements hub.Conn.
func (c windowConn) TryWrite(frame []byte) (n int, err error) {
	var failed error
	err = c.raw.Write(func(fd uintptr) bool {
		n, failed = syscall.Write(int(fd), frame)
		return true // whether or not there was room: nobody is to wait here
	})
	if failed == syscall.EAGAIN || failed == syscall.EINTR {
		failed = nil
	}
	return max(n, 0), errors.Join(err, failed)
}

// WriteBy implements hub.Conn.
func (c windowConn) WriteBy(deadline time.Time, frame []byte) error {
	_ = c.SetWriteDeadline(deadline) // fails only on a connection that is gone
	_, err := c.Conn.Write(frame)
	_ = c.SetWriteDeadline(time.Time{})
	return err
}

// BoundWrite implements hub.Conn.
func (c windowConn) BoundWrite(t time.Time) {
	_ = c.SetWriteDeadline(t) // fails only on a connection that is gone
}
