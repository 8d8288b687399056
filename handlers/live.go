package handlers

import (
	"encoding/json"
	"runtime/debug"
	"time"

	contrib "github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/handlers/hub"

	"github.com/fasthttp/websocket"
)

// frameBody is what a window hears: names and numbers, never a text.
type frameBody struct {
	Type chat.EventType  `json:"type"`
	ID   *chat.MessageID `json:"id,omitempty"`
	With string          `json:"with"`
	Rev  uint64          `json:"rev,omitempty"`
	Seq  uint64          `json:"seq,omitempty"`
}

// deliver takes an event to this node's windows of its user.
func (s *Server) deliver(e chat.Event) {
	if e.Type == chat.EventSessionEnded {
		s.hub.CloseSession(e.To, e.Session, hub.CloseRevoked, "signed out")
		return
	}
	if e.Type == chat.EventCheck {
		s.check(e.To)
		return
	}
	body := frameBody{Type: e.Type, With: e.With, Rev: e.Rev, Seq: e.Seq}
	if !e.ID.IsZero() {
		body.ID = &e.ID
	}
	frame, err := json.Marshal(body)
	if err != nil {
		s.Logger.Error("an event can't be encoded", "type", e.Type, "error", err)
		return
	}
	s.hub.Push(e.To, frame)
}

// A client sends nothing but answers to pings, so its frames are small.
const (
	maxClientFrame = 512
	windowBuffer   = 1024
)

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
	fresh, err := s.sessions.New(plainRequest(c), s.sessions.name)
	if err == nil && fresh.IsNew {
		return errSignedOut
	}
	return err
}

func upgrade(s *Server) fiber.Handler {
	return contrib.New(s.serveWindow, contrib.Config{
		Origins:         []string{"*"}, // ownOrigin has looked already, and at more than a fixed list
		ReadBufferSize:  windowBuffer,
		WriteBufferSize: windowBuffer,
		RecoverHandler:  s.containWindow, // the default one writes the panic to the client
	})
}

// containWindow keeps a panic to its window.
func (s *Server) containWindow(*contrib.Conn) {
	if p := recover(); p != nil {
		s.Logger.Error("a window failed", "panic", p, "stack", string(debug.Stack()))
	}
}

// serveWindow reads until the window ends. It keeps the inner connection alone: the wrapper goes back to a pool when
// this returns, and a push through it would reach whoever got it next.
func (s *Server) serveWindow(wrapper *contrib.Conn) {
	window, ok := wrapper.Locals(windowKey).(*hub.Window)
	if !ok {
		return
	}
	defer s.hub.Remove(window)
	conn := wrapper.Conn
	conn.SetReadLimit(maxClientFrame)
	conn.SetPongHandler(func(string) error { window.Alive(); return nil })
	window.Attach(windowConn{conn})
	defer window.Detach()
	if _, _, err := conn.NextReader(); err == nil {
		window.Close(hub.CloseRevoked, "nothing is to be sent here")
		_, _, _ = conn.NextReader() // the other side's answer to that, or the end of waiting for it
	}
}

// windowConn is a WebSocket connection as the hub writes to it.
type windowConn struct{ *websocket.Conn }

// Write implements hub.Conn.
func (c windowConn) Write(op int, data []byte, deadline time.Time) error {
	if op == websocket.TextMessage {
		_ = c.SetWriteDeadline(deadline) // only notes it
		return c.WriteMessage(op, data)
	}
	return c.WriteControl(op, data, deadline)
}

// BoundWrite implements hub.Conn.
func (c windowConn) BoundWrite(t time.Time) {
	_ = c.NetConn().SetWriteDeadline(t) // fails only on a connection that is gone
}
