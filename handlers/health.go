package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/handlers/fanout"
	"parley/views"
)

// alive says that the process answers.
func alive(c *fiber.Ctx) error { return c.SendString("ok\n") }

// readiness is what a proxy, or whoever watches, is told of this node.
type readiness struct {
	Status string `json:"status"` // ok, degraded or stopping
	Detail string `json:"detail,omitempty"`
}

var (
	readyOK       = readiness{Status: "ok"}
	readyDegraded = readiness{"degraded", "other nodes can't be told or heard, so what is written there arrives within 10 s instead of at once"}
	readyMissing  = readiness{"degraded", "another node can't be heard, so what is written there arrives within 10 s instead of at once"}
	readyStopping = readiness{"stopping", "use another node"}
)

// ready says whether requests are to be sent here: not while the database is away, and not any more once this node is
// about to stop. A node that can't tell the others still serves. Were it not ready, all of them would be out at once.
func (s *Server) ready(c *fiber.Ctx) error {
	if s.draining.Load() {
		c.Set(fiber.HeaderRetryAfter, "1")
		return sayReady(c, http.StatusServiceUnavailable, readyStopping)
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), 2*time.Second)
	defer cancel()
	if err := s.Store.Ready(ctx); err != nil {
		return err
	}
	switch err := s.Fanout.Ready(); {
	case errors.Is(err, fanout.ErrPeerSilent):
		return sayReady(c, http.StatusOK, readyMissing)
	case err != nil:
		return sayReady(c, http.StatusOK, readyDegraded)
	}
	return sayReady(c, http.StatusOK, readyOK)
}

func sayReady(c *fiber.Ctx, status int, r readiness) error {
	c.Status(status)
	if shapeOf(c) == program {
		return c.JSON(r)
	}
	text := r.Status
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return c.SendString(text + "\n")
}

// leaving has clients and proxies open a new connection for their next request once this node is about to stop: then none
// waits on a connection that is about to close. The handshake of a WebSocket has a Connection of its own.
func (s *Server) leaving(c *fiber.Ctx) error {
	if s.draining.Load() && c.Path() != "/ws" {
		c.Set(fiber.HeaderConnection, "close")
	}
	return c.Next()
}

// noticed puts onto the admin pages what admins should know of this node.
func (s *Server) noticed(c *fiber.Ctx) error {
	switch err := s.Fanout.Ready(); {
	case errors.Is(err, fanout.ErrPeerSilent):
		c.SetUserContext(views.Degraded(c.UserContext(), views.NodeSilent))
	case err != nil:
		c.SetUserContext(views.Degraded(c.UserContext(), views.RedisAway))
	}
	return c.Next()
}
