package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// setupBody is what a program learns that may set the place up.
type setupBody struct {
	Name string `json:"name"` // of the place
}

// showSetup shows the page behind the link that the log has while there is no admin. To everybody else, and to everybody
// once there is one, it doesn't exist.
func (s *Server) showSetup(c *fiber.Ctx) error {
	if err := s.Store.CheckSetup(c.UserContext(), c.Params("token")); err != nil {
		return hideSetup(err)
	}
	place, err := s.Store.Place(c.UserContext())
	if err != nil {
		return err
	}
	return respondWithSetup(c, http.StatusOK, views.Setup{Name: place.Name})
}

// hideSetup answers as any address does at which there is nothing.
func hideSetup(err error) error {
	if chat.KindOf(err) == chat.NotFound {
		return fiber.ErrNotFound
	}
	return err
}

func respondWithSetup(c *fiber.Ctx, status int, f views.Setup) error {
	f.Token = c.Params("token")
	return respond(c, answer{
		status: status, json: setupBody{f.Name}, fragment: views.SetupForm(f), page: whole(views.SetupPage(f)),
	})
}

func (s *Server) setUp(c *fiber.Ctx) error {
	var form struct {
		Name        string `json:"name" form:"name"`
		Username    string `json:"username" form:"username"`
		DisplayName string `json:"display_name" form:"display_name"`
		Email       string `json:"email" form:"email"`
		Password    string `json:"password" form:"password"`
	}
	if err := s.Store.CheckSetup(c.UserContext(), c.Params("token")); err != nil {
		return hideSetup(err)
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	typed := chat.NewUser{Username: form.Username, DisplayName: form.DisplayName, Email: form.Email, Password: form.Password}
	user, err := s.Store.SetUp(c.UserContext(), actor(c), c.Params("token"), form.Name, typed)
	if err == nil {
		return s.answerNewcomer(c, user)
	}
	if !showsForm(c, err) {
		return hideSetup(err)
	}
	p := s.noted(c, err)
	return respondWithSetup(c, p.Status, views.Setup{Name: form.Name, Typed: typed, Error: p.Detail, Errors: p.Errors})
}
