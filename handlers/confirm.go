package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

type confirmationBody struct {
	User  string `json:"user"`
	Email string `json:"email"`
}

func respondWithConfirmation(c *fiber.Ctx, status int, f chat.Confirmation, failed string) error {
	return respondPlain(c, status, "Confirm your e-mail address", views.ConfirmForm(f, c.Path(), failed), confirmationBody{f.User.Username, f.Email})
}

func (s *Server) showConfirmation(c *fiber.Ctx) error {
	found, err := s.Store.FindConfirmation(c.UserContext(), c.Params("token"))
	if err != nil {
		return linkEnded(c, err, "/", "Go on to Parley")
	}
	return respondWithConfirmation(c, http.StatusOK, found, "")
}

// confirm needs no session: the link says whose address it is, and is often followed on another device.
func (s *Server) confirm(c *fiber.Ctx) error {
	token := c.Params("token")
	done, err := s.Store.Confirm(c.UserContext(), token, clientIP(c))
	if err == nil {
		s.pages.forget(0)
		return answerChange(c, http.StatusOK, confirmationBody{done.User.Username, done.Email}, "/email/confirmed")
	}
	if !showsForm(c, err) {
		return linkEnded(c, err, "/", "Go on to Parley")
	}
	found, findErr := s.Store.FindConfirmation(c.UserContext(), token)
	if findErr != nil {
		return err
	}
	p := s.noted(c, err)
	return respondWithConfirmation(c, p.Status, found, fullText(p))
}

func emailConfirmed(c *fiber.Ctx) error {
	return respondPlain(c, http.StatusOK, "Your e-mail address is confirmed", views.Confirmed(), fiber.Map{"sign_in": "/login"})
}
