package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// ownEmailBody is somebody's own account with the address that it is to have.
type ownEmailBody struct {
	ownBody
	Unconfirmed *string `json:"unconfirmed_email"`
}

func ownEmailJSON(e chat.OwnEmail) ownEmailBody {
	return ownEmailBody{ownJSON(e.User), optionalText(e.Wanted)}
}

func (s *Server) showOwnEmail(c *fiber.Ctx) error {
	return s.respondWithOwnEmail(c, http.StatusOK, views.OwnEmail{Done: c.Query("done")})
}

// respondWithOwnEmail fills in what is stored, but for an address that was typed and refused.
func (s *Server) respondWithOwnEmail(c *fiber.Ctx, status int, e views.OwnEmail) (err error) {
	if e.OwnEmail, err = s.Store.OwnEmail(c.UserContext(), actor(c)); err != nil {
		return err
	}
	if e.Error == "" {
		e.Email = e.User.Email
	}
	e.Mail = s.SendsMail
	return s.respondInApp(c, status, pane{title: "Your e-mail address", content: views.OwnEmailForm(e)}, ownEmailJSON(e.OwnEmail))
}

func (s *Server) changeOwnEmail(c *fiber.Ctx) error {
	var form struct {
		Current string `json:"current_password" form:"current_password"`
		Email   string `json:"email" form:"email"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	var own chat.OwnEmail
	err := s.guessing(c, viewer(c).Username, func() (err error) {
		if err := s.take(c, addresses, byPerson(c)); err != nil {
			return err
		}
		own, err = s.Store.ChangeEmail(c.UserContext(), actor(c), sessionOf(c), chat.EmailChange(form))
		return err
	})
	if err == nil {
		return answerChange(c, http.StatusOK, ownEmailJSON(own), views.WithQuery("/account/email", "done", emailDone(own)))
	}
	if !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	return s.respondWithOwnEmail(c, p.Status, views.OwnEmail{Email: form.Email, Error: p.Detail, Errors: p.Errors})
}

func emailDone(own chat.OwnEmail) string {
	if own.Wanted != "" {
		return "asked"
	}
	return "saved"
}

// confirmAgain has the mail with the link sent once more.
func (s *Server) confirmAgain(c *fiber.Ctx) error {
	err := s.Store.AskConfirmation(c.UserContext(), actor(c))
	if err == nil {
		return answerDone(c, "/account/email?done=again")
	}
	if !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	own, readErr := s.Store.OwnEmail(c.UserContext(), actor(c))
	if readErr != nil {
		return readErr
	}
	return s.respondWithOwnEmail(c, p.Status, views.OwnEmail{Email: own.User.Email, Error: fullText(p)})
}
