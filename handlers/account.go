package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// accountHome leads people to the pages of their account; a program gets the profile.
func (s *Server) accountHome(c *fiber.Ctx) error {
	if shapeOf(c) == program {
		return seeOther(c, "/account/profile")
	}
	return s.respondInApp(c, http.StatusOK, pane{title: "Your account", content: views.AccountHome()}, nil)
}

// ownBody is somebody's own account as they see it.
type ownBody struct {
	userBody
	Email   *string `json:"email"`
	IsAdmin bool    `json:"is_admin"`
}

func ownJSON(u chat.User) ownBody { return ownBody{userJSON(u), optionalText(u.Email), u.IsAdmin} }

// ownProfileBody is that with what they say of themself, and with their time zone, which nobody else sees.
type ownProfileBody struct {
	ownBody
	About    string  `json:"about"`
	TimeZone *string `json:"time_zone"`
}

func ownProfileJSON(p chat.Profile) ownProfileBody {
	return ownProfileBody{ownJSON(p.User), p.About, optionalText(p.TimeZone)}
}

func optionalText(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (s *Server) showOwnProfile(c *fiber.Ctx) error {
	profile, err := s.Store.Profile(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	return s.respondWithOwnProfile(c, http.StatusOK, profile, asOwn(profile, c.Query("done")))
}

// asOwn is a profile whose form holds what is stored.
func asOwn(p chat.Profile, done string) views.OwnProfile {
	return views.OwnProfile{User: p.User, DisplayName: p.DisplayName, About: p.About, TimeZone: p.TimeZone, Done: done}
}

func (s *Server) respondWithOwnProfile(c *fiber.Ctx, status int, stored chat.Profile, p views.OwnProfile) error {
	p.Zones, p.BrowserZone = chat.ZoneNames, s.zoneOf(c).String()
	return s.respondInApp(c, status, pane{title: "Your profile", content: views.OwnProfileForm(p)}, ownProfileJSON(stored))
}

// profileForm is what changes one's own profile; what isn't sent stays.
type profileForm struct {
	DisplayName *string `json:"display_name" form:"display_name"`
	About       *string `json:"about" form:"about"`
	TimeZone    *string `json:"time_zone" form:"time_zone"`
}

// typed puts what was sent in place of what is stored.
func (f profileForm) typed(p views.OwnProfile) views.OwnProfile {
	for _, field := range []struct{ to, sent *string }{{&p.DisplayName, f.DisplayName}, {&p.About, f.About}, {&p.TimeZone, f.TimeZone}} {
		if field.sent != nil {
			*field.to = *field.sent
		}
	}
	return p
}

func (s *Server) editOwnProfile(c *fiber.Ctx) error {
	var form profileForm
	if err := parse(c, &form); err != nil {
		return err
	}
	profile, err := s.Store.EditProfile(c.UserContext(), actor(c), chat.ProfileEdit(form))
	if err == nil {
		s.pages.forget(0) // the name may be on anybody's
		return answerChange(c, http.StatusOK, ownProfileJSON(profile), "/account/profile?done=saved")
	}
	return s.refuseOwnProfile(c, form, err)
}

// refuseOwnProfile shows the profile once more, with what was typed and what is wrong with it.
func (s *Server) refuseOwnProfile(c *fiber.Ctx, form profileForm, refused error) error {
	if !showsForm(c, refused) {
		return refused
	}
	stored, err := s.Store.Profile(c.UserContext(), actor(c))
	if err != nil {
		return refused
	}
	p := s.noted(c, refused)
	shown := form.typed(asOwn(stored, ""))
	shown.Error, shown.Errors = p.Detail, p.Errors
	return s.respondWithOwnProfile(c, p.Status, stored, shown)
}
