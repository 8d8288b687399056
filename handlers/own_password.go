package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

func (s *Server) showOwnPassword(c *fiber.Ctx) error {
	return s.respondWithOwnPassword(c, http.StatusOK, views.OwnPassword{Done: c.Query("done") != ""})
}

// respondWithOwnPassword answers with the form. What it takes is all that there is to tell a program.
func (s *Server) respondWithOwnPassword(c *fiber.Ctx, status int, p views.OwnPassword) error {
	p.User = viewer(c)
	return s.respondInApp(c, status, pane{title: "Your password", content: views.OwnPasswordForm(p)},
		fiber.Map{"fields": []string{"current_password", "password"}})
}

// changeOwnPassword sends the session's new token with the answer; the old one is worth nothing from then on.
func (s *Server) changeOwnPassword(c *fiber.Ctx) error {
	var form struct {
		Current  string `json:"current_password" form:"current_password"`
		Password string `json:"password" form:"password"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	var token string
	var session chat.Session
	err := s.guessing(c, viewer(c).Username, func() (err error) {
		token, session, err = s.Store.ChangePassword(c.UserContext(), actor(c), sessionOf(c), chat.PasswordChange(form))
		return err
	})
	if err == nil {
		moved := s.sessions.moved(token, session)
		if err := s.saveSession(c, moved); err != nil {
			return err
		}
		c.Locals(sessionKey, moved)
		return answerDone(c, "/account/password?done=saved")
	}
	if !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	return s.respondWithOwnPassword(c, p.Status, views.OwnPassword{Error: p.Detail, Errors: p.Errors})
}
