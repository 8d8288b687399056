package handlers

import (
	"net/http"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// respondPlain answers with what somebody sees who need not be signed in.
func respondPlain(c *fiber.Ctx, status int, title string, content templ.Component, json any) error {
	return respond(c, answer{status: status, json: json, fragment: views.In(views.Titled(title), content), page: func() (templ.Component, error) {
		return views.In(views.Plain(title), content), nil
	}})
}

const forgotTitle = "Forgotten your password?"

// forgotBody tells a program what there is to do.
type forgotBody struct {
	Mail   bool     `json:"mail"` // whether mail can be sent: otherwise an admin has to be asked
	Fields []string `json:"fields"`
}

func (s *Server) respondWithForgot(c *fiber.Ctx, status int, f views.Forgot) error {
	f.Mail = s.SendsMail
	body := forgotBody{Mail: s.SendsMail, Fields: []string{}}
	if s.SendsMail {
		body.Fields = []string{"email"}
	}
	return respondPlain(c, status, forgotTitle, views.ForgotForm(f), body)
}

func (s *Server) showForgot(c *fiber.Ctx) error {
	return s.respondWithForgot(c, http.StatusOK, views.Forgot{Done: c.Query("done") != "" && s.SendsMail})
}

// forgot answers in the same way, and after the same work, whether or not the address is anybody's.
func (s *Server) forgot(c *fiber.Ctx) error {
	var form struct {
		Email string `json:"email" form:"email"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	err := s.take(c, forgets, byNetwork(c))
	if err == nil {
		err = s.askReset(c, form.Email)
	}
	if err == nil {
		return answerChange(c, http.StatusAccepted, forgotBody{Mail: true, Fields: []string{"email"}}, "/password/forgot?done=asked")
	}
	if !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	return s.respondWithForgot(c, p.Status, views.Forgot{Email: form.Email, Error: p.Detail, Errors: p.Errors})
}

func (s *Server) askReset(c *fiber.Ctx, email string) error {
	if !s.SendsMail {
		return &chat.Error{Kind: chat.Invalid, Text: "This place sends no mail. Ask an admin of it for a link."}
	}
	return s.Store.AskReset(c.UserContext(), email, clientIP(c))
}

// linkEnded answers somebody whose link does nothing any more; other errors stay.
func linkEnded(c *fiber.Ctx, err error, href, label string) error {
	if chat.KindOf(err) != chat.NotFound || shapeOf(c) == program {
		return err
	}
	p := problemOf(c, err)
	return respondPlain(c, p.Status, "This link has ended", views.LinkEnded(p.Detail, href, label), nil)
}

type resetBody struct {
	User   string   `json:"user"`
	Fields []string `json:"fields"`
}

func respondWithReset(c *fiber.Ctx, status int, r views.Reset) error {
	r.Action = c.Path()
	return respondPlain(c, status, "Choose a new password", views.ResetForm(r), resetBody{r.User.Username, []string{"password"}})
}

func (s *Server) showReset(c *fiber.Ctx) error {
	user, err := s.Store.FindReset(c.UserContext(), c.Params("token"))
	if err != nil {
		return linkEnded(c, err, "/password/forgot", "Ask for another link")
	}
	return respondWithReset(c, http.StatusOK, views.Reset{User: user})
}

// reset signs nobody in: whoever has chosen a new password shows it, and a second factor too where they have one.
func (s *Server) reset(c *fiber.Ctx) error {
	var form struct {
		Password string `json:"password" form:"password"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	token := c.Params("token")
	err := s.Store.ResetPassword(c.UserContext(), token, form.Password, clientIP(c))
	if err == nil {
		return answerChange(c, http.StatusNoContent, nil, "/password/changed")
	}
	if !showsForm(c, err) {
		return linkEnded(c, err, "/password/forgot", "Ask for another link")
	}
	user, findErr := s.Store.FindReset(c.UserContext(), token)
	if findErr != nil {
		return err
	}
	p := s.noted(c, err)
	return respondWithReset(c, p.Status, views.Reset{User: user, Error: p.Detail, Errors: p.Errors})
}

func passwordChanged(c *fiber.Ctx) error {
	return respondPlain(c, http.StatusOK, "Your password is changed", views.ResetDone(), fiber.Map{"sign_in": "/login"})
}

type resetLinkBody struct {
	User      string    `json:"user"`
	URL       string    `json:"url"`
	ExpiresAt timestamp `json:"expires_at"`
}

// makeResetLink shows the link in its answer and nowhere else.
func (s *Server) makeResetLink(c *fiber.Ctx) error {
	username, err := usernameParam(c)
	if err != nil {
		return err
	}
	made, err := s.Store.MakeResetLink(c.UserContext(), actor(c), username)
	if err != nil {
		return s.refuseChange(c, username, accountForm{}, err)
	}
	url := s.LinkBase + views.ResetPath + made.Token
	content := views.ShowResetLink(views.MadeResetLink{Viewing: s.viewing(c), ResetLink: made, URL: url})
	body := resetLinkBody{made.Account.Username, url, timestamp(made.Expires)}
	return s.respondInApp(c, http.StatusCreated, pane{title: made.Account.DisplayName + " (admin)", content: content}, body)
}
