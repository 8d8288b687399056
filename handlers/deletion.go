package handlers

import (
	"net/http"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// reachBody is how much somebody has here.
type reachBody struct {
	Conversations int `json:"conversations"`
	Messages      int `json:"messages"`
}

func (s *Server) showDeletion(c *fiber.Ctx) error {
	return s.respondWithDeletion(c, http.StatusOK, views.Deletion{})
}

func (s *Server) respondWithDeletion(c *fiber.Ctx, status int, d views.Deletion) error {
	reach, err := s.Store.ExportReach(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	d.User, d.Reach = viewer(c), reach
	return s.respondInApp(c, status, pane{title: "Delete your account", content: views.DeletionForm(d)}, reachBody(reach))
}

// deletionForm has no default for the messages: it is for the person to say.
type deletionForm struct {
	Messages string `json:"messages" form:"messages"`
	Username string `json:"username" form:"username"`
	Password string `json:"current_password" form:"current_password"`
}

func (s *Server) deleteOwnAccount(c *fiber.Ctx) error {
	var form deletionForm
	if err := parse(c, &form); err != nil {
		return err
	}
	err := s.guessing(c, viewer(c).Username, func() error { return s.deleteAs(c, form) })
	if err == nil {
		s.pages.forget(0)
		return s.leave(c)
	}
	if !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	return s.respondWithDeletion(c, p.Status, views.Deletion{Username: form.Username, Messages: form.Messages, Error: p.Detail, Errors: p.Errors})
}

func (s *Server) deleteAs(c *fiber.Ctx, form deletionForm) error {
	if form.Messages != "keep" && form.Messages != "erase" {
		const text = "Say what is to become of what you wrote: keep or erase."
		return &chat.Error{Kind: chat.Invalid, Text: "Nothing was deleted.", Fields: map[string][]string{"messages": {text}}}
	}
	d := chat.Deletion{Username: form.Username, Password: form.Password, EraseMessages: form.Messages == "erase"}
	return s.Store.DeleteAccount(c.UserContext(), actor(c), d)
}

// leave takes the cookie back. Its session has ended already.
func (s *Server) leave(c *fiber.Ctx) error {
	options := s.sessions.options
	c.Response().Header.Del(fiber.HeaderSetCookie)
	if sessionOf(c).Scope == "" {
		c.Cookie(&fiber.Cookie{Name: s.sessions.name, Path: options.Path, MaxAge: -1, HTTPOnly: true, SameSite: fiber.CookieSameSiteLaxMode, Secure: options.Secure})
	}
	if shapeOf(c) == program {
		return c.SendStatus(http.StatusNoContent)
	}
	return seeOther(c, "/farewell")
}

// farewell is the same for everybody: whoever is sent there has no account any more.
func farewell(c *fiber.Ctx) error {
	return respond(c, answer{json: struct{}{}, fragment: views.FarewellText(), page: func() (templ.Component, error) { return views.Farewell(), nil }})
}
