package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

func accountHome(c *fiber.Ctx) error { return seeOther(c, "/account/profile") }

// ownBody is somebody's own account as they see it.
type ownBody struct {
	userBody
	Email   *string `json:"email"`
	IsAdmin bool    `json:"is_admin"`
}

func ownJSON(u chat.User) ownBody {
	body := ownBody{userBody: userJSON(u), IsAdmin: u.IsAdmin}
	if u.Email != "" {
		body.Email = &u.Email
	}
	return body
}

func (s *Server) showOwnProfile(c *fiber.Ctx) error {
	user, err := s.Store.Profile(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	return s.respondWithOwnProfile(c, http.StatusOK, views.OwnProfile{User: user, DisplayName: user.DisplayName, Done: c.Query("done") != ""})
}

func (s *Server) respondWithOwnProfile(c *fiber.Ctx, status int, p views.OwnProfile) error {
	return s.respondInApp(c, status, pane{title: "Your profile", content: views.OwnProfileForm(p)}, ownJSON(p.User))
}

func (s *Server) editOwnProfile(c *fiber.Ctx) error {
	var form struct {
		DisplayName *string `json:"display_name" form:"display_name"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	user, err := s.Store.EditProfile(c.UserContext(), actor(c), chat.ProfileEdit(form))
	if err == nil {
		s.pages.forget(0) // the name may be on anybody's
		return answerChange(c, http.StatusOK, ownJSON(user), "/account/profile?done=saved")
	}
	if !showsForm(c, err) {
		return err
	}
	p := problemOf(c, err)
	shown := views.OwnProfile{User: viewer(c), Error: p.Detail, Errors: p.Errors}
	if form.DisplayName != nil {
		shown.DisplayName = *form.DisplayName
	}
	return s.respondWithOwnProfile(c, p.Status, shown)
}
