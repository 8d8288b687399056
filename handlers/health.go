package handlers

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
)

// alive says that the process answers.
func alive(c *fiber.Ctx) error { return c.SendString("ok\n") }

// ready says that requests can be served: the database answers and other nodes can be told.
func (s *Server) ready(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), 2*time.Second)
	defer cancel()
	if err := s.Store.Ready(ctx); err != nil {
		return err
	}
	if err := s.Fanout.Ready(); err != nil {
		return err
	}
	return c.SendString("ok\n")
}
