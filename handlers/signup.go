package handlers

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// signUpMode is what the sign-in page says of signing up. It is shown all the same where the database can't say.
func (s *Server) signUpMode(c *fiber.Ctx) chat.SignUp {
	place, err := s.Store.Place(c.UserContext())
	if err != nil {
		return chat.SignUpClosed
	}
	return place.SignUp
}

// signUpBody is what a program learns that may sign up.
type signUpBody struct {
	Name      string      `json:"name"` // of the place
	SignUp    chat.SignUp `json:"sign_up"`
	InvitedBy *userBody   `json:"invited_by"`
}

func signUpJSON(o chat.SignUpOffer) signUpBody {
	body := signUpBody{Name: o.Place.Name, SignUp: o.Place.SignUp}
	if o.InvitedBy.Username != "" {
		user := userJSON(o.InvitedBy)
		body.InvitedBy = &user
	}
	return body
}

func (s *Server) showSignUp(c *fiber.Ctx) error {
	if viewer(c).ID != 0 {
		return seeOther(c, "/conversations")
	}
	invite := inviteIn(c.Query("invite"))
	offer, err := s.Store.MaySignUp(c.UserContext(), invite)
	if chat.KindOf(err) == chat.Forbidden && shapeOf(c) == page {
		return s.refuseSignUp(c, problemOf(c, err).Detail)
	}
	if err != nil {
		return err
	}
	return respondWithSignUp(c, http.StatusOK, views.SignUp{Offer: offer, Invite: invite})
}

func (s *Server) refuseSignUp(c *fiber.Ctx, text string) error {
	place, err := s.Store.Place(c.UserContext())
	if err != nil {
		return err
	}
	c.Status(http.StatusForbidden)
	return render(c, views.SignUpRefused(place, text))
}

// inviteIn gives the token of an invitation, of which somebody may have pasted the whole link.
func inviteIn(text string) string {
	text = strings.TrimSpace(text)
	if link, err := url.Parse(text); err == nil && link.Query().Has("invite") {
		return link.Query().Get("invite")
	}
	return text
}

func respondWithSignUp(c *fiber.Ctx, status int, f views.SignUp) error {
	return respond(c, answer{
		status: status, json: signUpJSON(f.Offer), fragment: views.SignUpForm(f), page: whole(views.SignUpPage(f)),
	})
}

func (s *Server) signUp(c *fiber.Ctx) error {
	var form struct {
		Username    string `json:"username" form:"username"`
		DisplayName string `json:"display_name" form:"display_name"`
		Email       string `json:"email" form:"email"`
		Password    string `json:"password" form:"password"`
		Invite      string `json:"invite" form:"invite"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	typed := chat.NewUser{Username: form.Username, DisplayName: form.DisplayName, Email: form.Email, Password: form.Password}
	var user chat.User
	err := s.take(c, signUps, byNetwork(c))
	if err == nil {
		user, err = s.Store.SignUp(c.UserContext(), actor(c), typed, form.Invite)
	}
	if err == nil {
		return s.answerNewcomer(c, user)
	}
	if shapeOf(c) == program || problemOf(c, err).Status == http.StatusInternalServerError {
		return err
	}
	offer, _ := s.Store.MaySignUp(c.UserContext(), form.Invite) // why not, if not, is what err says
	p := s.noted(c, err)
	return respondWithSignUp(c, p.Status, views.SignUp{Offer: offer, Invite: form.Invite, Typed: typed, Error: p.Detail, Errors: p.Errors})
}

// answerNewcomer signs in whoever has just made their own account, in a browser. A program gets the account and no
// cookie: it signs in as always, by POST /login.
func (s *Server) answerNewcomer(c *fiber.Ctx, user chat.User) error {
	c.Set(fiber.HeaderLocation, "/users/"+url.PathEscape(user.Username))
	if shapeOf(c) == program {
		return c.Status(http.StatusCreated).JSON(userJSON(user))
	}
	return s.startSession(c, user, "/conversations")
}
