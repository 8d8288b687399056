package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

func (s *Server) showOwnEmail(c *fiber.Ctx) error {
	profile, err := s.Store.Profile(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	return s.respondWithOwnEmail(c, http.StatusOK, views.OwnEmail{User: profile.User, Email: profile.Email, Done: c.Query("done") != ""})
}

func (s *Server) respondWithOwnEmail(c *fiber.Ctx, status int, e views.OwnEmail) error {
	return s.respondInApp(c, status, pane{title: "Your e-mail address", content: views.OwnEmailForm(e)}, ownJSON(e.User))
}

func (s *Server) changeOwnEmail(c *fiber.Ctx) error {
	var form struct {
		Current string `json:"current_password" form:"current_password"`
		Email   string `json:"email" form:"email"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	var user chat.User
	err := s.guessing(c, viewer(c).Username, func() (err error) {
		user, err = s.Store.ChangeEmail(c.UserContext(), actor(c), sessionOf(c), chat.EmailChange(form))
		return err
	})
	if err == nil {
		return answerChange(c, http.StatusOK, ownJSON(user), "/account/email?done=saved")
	}
	if !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	return s.respondWithOwnEmail(c, p.Status, views.OwnEmail{User: viewer(c), Email: form.Email, Error: p.Detail, Errors: p.Errors})
}
