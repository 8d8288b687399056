package handlers

import (
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

func (s *Server) showOwnPassword(c *fiber.Ctx) error {
	return s.respondWithOwnPassword(c, http.StatusOK, views.OwnPassword{Done: c.Query("done") != ""})
}

// respondWithOwnPassword answers with the form. What it takes is all that there is to tell a program.
func (s *Server) respondWithOwnPassword(c *fiber.Ctx, status int, p views.OwnPassword) error {
	tokens, err := s.Store.Tokens(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	p.User = viewer(c)
	for _, t := range tokens {
		if !t.Expired(time.Now()) {
			p.Tokens++
		}
	}
	return s.respondInApp(c, status, pane{title: "Your password", content: views.OwnPasswordForm(p)},
		fiber.Map{"fields": []string{"current_password", "password", "revoke_tokens"}})
}

// changeOwnPassword sends the session's new token with the answer; the old one is worth nothing from then on.
func (s *Server) changeOwnPassword(c *fiber.Ctx) error {
	var form struct {
		Current  string `json:"current_password" form:"current_password"`
		Password string `json:"password" form:"password"`
		Revoke   bool   `json:"revoke_tokens" form:"revoke_tokens"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	change := chat.PasswordChange{Current: form.Current, Password: form.Password, RevokeTokens: form.Revoke}
	var token string
	var session chat.Session
	err := s.guessing(c, viewer(c).Username, func() (err error) {
		token, session, err = s.Store.ChangePassword(c.UserContext(), actor(c), sessionOf(c), change)
		return err
	})
	if err == nil && token != "" {
		return s.goOnUnder(c, token, session)
	}
	if err == nil { // a program has no cookie
		return answerDone(c, "/account/password?done=saved")
	}
	if !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	return s.respondWithOwnPassword(c, p.Status, views.OwnPassword{Revoke: form.Revoke, Error: p.Detail, Errors: p.Errors})
}

// goOnUnder gives the browser its session's new token. It is the only one that is known from then on.
func (s *Server) goOnUnder(c *fiber.Ctx, token string, session chat.Session) error {
	moved := s.sessions.moved(token, session)
	w := cookieWriter{header: http.Header{}}
	if err := moved.Save(plainRequest(c), w); err != nil {
		return err
	}
	s.rememberBrowser(c, w, session.User, "")
	w.send(c)
	c.Locals(sessionKey, moved)
	return answerDone(c, "/account/password?done=saved")
}
