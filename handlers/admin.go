package handlers

import (
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// adminOnly hides the admin pages: to anybody else they don't exist.
func adminOnly(c *fiber.Ctx) error {
	if !viewer(c).IsAdmin {
		return fiber.ErrNotFound
	}
	return c.Next()
}

// adminHome leads admins to their pages; a program gets the accounts.
func (s *Server) adminHome(c *fiber.Ctx) error {
	if shapeOf(c) == program {
		return seeOther(c, "/admin/users")
	}
	return s.respondInApp(c, http.StatusOK, pane{title: "Admin", content: views.AdminHome()}, nil)
}

// actor is who is behind a request, as the rules and the audit log know them.
func actor(c *fiber.Ctx) chat.Actor {
	session := sessionOf(c)
	return chat.Actor{User: session.User, IP: clientIP(c), Session: session.Hash}
}

// showsForm says whether an error is shown above the form that it is about, with what was typed still in it.
func showsForm(c *fiber.Ctx, err error) bool {
	if shapeOf(c) == program {
		return false
	}
	refused, ok := errors.AsType[*refusal](err)
	kind := chat.KindOf(err)
	return ok && refused.status == http.StatusTooManyRequests || kind == chat.Invalid || kind == chat.Unavailable
}

// answerChange answers a form that did what it should: a program with the thing as it is now, a browser by sending it on.
func answerChange(c *fiber.Ctx, status int, json any, next string) error {
	if shapeOf(c) == program && status == fiber.StatusNoContent {
		return c.SendStatus(status)
	}
	if shapeOf(c) == program {
		return c.Status(status).JSON(json)
	}
	return seeOther(c, next)
}
