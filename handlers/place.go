package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

type placeBody struct {
	Name         string            `json:"name"`
	SignUp       chat.SignUp       `json:"sign_up"`
	SecondFactor chat.SecondFactor `json:"second_factor"`
}

func (s *Server) showPlace(c *fiber.Ctx) error {
	place, err := s.Store.Place(c.UserContext())
	if err != nil {
		return err
	}
	return s.respondWithPlace(c, http.StatusOK, views.EditedPlace{Place: place, Done: c.Query("done") != ""})
}

func (s *Server) respondWithPlace(c *fiber.Ctx, status int, e views.EditedPlace) error {
	return s.respondInApp(c, status, pane{title: "Settings (admin)", content: views.EditPlace(e)}, placeBody(e.Place))
}

// placeForm is what changes the place; what isn't sent stays.
type placeForm struct {
	Name         *string `json:"name" form:"name"`
	SignUp       *string `json:"sign_up" form:"sign_up"`
	SecondFactor *string `json:"second_factor" form:"second_factor"`
}

// typed puts what was sent in place of what is set.
func (f placeForm) typed(p chat.Place) chat.Place {
	if f.Name != nil {
		p.Name = *f.Name
	}
	if f.SignUp != nil {
		p.SignUp = chat.SignUp(*f.SignUp)
	}
	if f.SecondFactor != nil {
		p.SecondFactor = chat.SecondFactor(*f.SecondFactor)
	}
	return p
}

func (s *Server) editPlace(c *fiber.Ctx) error {
	var form placeForm
	if err := parse(c, &form); err != nil {
		return err
	}
	place, err := s.Store.EditPlace(c.UserContext(), actor(c), chat.PlaceEdit(form))
	if err == nil {
		return answerChange(c, http.StatusOK, placeBody(place), "/admin/place?done=saved")
	}
	if !showsForm(c, err) {
		return err
	}
	set, readErr := s.Store.Place(c.UserContext())
	if readErr != nil {
		return readErr
	}
	p := s.noted(c, err)
	return s.respondWithPlace(c, p.Status, views.EditedPlace{Place: form.typed(set), Error: p.Detail, Errors: p.Errors})
}
