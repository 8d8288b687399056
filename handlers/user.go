package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

type userBody struct {
	Username    string  `json:"username"`
	DisplayName string  `json:"display_name"`
	Photo       *string `json:"photo"` // its address
}

func userJSON(u chat.User) userBody {
	body := userBody{Username: u.Username, DisplayName: u.DisplayName}
	if u.Photo != "" {
		photo := views.PhotoURL(u.Photo, views.PhotoLarge)
		body.Photo = &photo
	}
	return body
}

// profileBody is somebody as the viewer sees them.
type profileBody struct {
	userBody
	About   string `json:"about"`
	Blocked bool   `json:"blocked"` // by the viewer
}

// listBody is a page of any list.
type listBody[T any] struct {
	Results []T     `json:"results"`
	Next    *string `json:"next"`
}

// listJSON turns a page of the rules' things into one of the contract's.
func listJSON[T, B any](items []T, next string, body func(T) B) listBody[B] {
	list := listBody[B]{Results: mapSlice(items, body)}
	if next != "" {
		list.Next = &next
	}
	return list
}

func mapSlice[T, B any](items []T, f func(T) B) []B {
	mapped := make([]B, len(items))
	for i, item := range items {
		mapped[i] = f(item)
	}
	return mapped
}

func (s *Server) listUsers(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	q := chat.UserQuery{Search: c.Query("q"), After: c.Query("after"), Limit: n}
	if q.Search != "" {
		if err := s.take(c, searches, byPerson(c)); err != nil {
			return s.searchRefused(c, q.Search, err)
		}
	}
	found, err := s.Store.Users(c.UserContext(), viewer(c), q)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "q", "limit")
	d := views.Directory{Viewing: s.viewing(c), Search: q.Search, Users: found.Items, Next: next}
	return s.respondInApp(c, http.StatusOK, pane{title: "People", content: views.DirectoryPane(d)}, listJSON(found.Items, next, userJSON))
}

// searchRefused gives the search back with what was typed.
func (s *Server) searchRefused(c *fiber.Ctx, typed string, err error) error {
	if shapeOf(c) == program {
		return err
	}
	p := s.noted(c, err)
	d := views.Directory{Viewing: s.viewing(c), Search: typed, Error: p.Detail}
	return s.respondInApp(c, p.Status, pane{title: "People", content: views.DirectoryPane(d)}, nil)
}

func (s *Server) showUser(c *fiber.Ctx) error {
	username, err := usernameParam(c)
	if err != nil {
		return err
	}
	profile, err := s.Store.ProfileOf(c.UserContext(), username)
	if err != nil {
		return err
	}
	blocked, err := s.Store.HasBlocked(c.UserContext(), viewer(c), profile.User)
	if err != nil {
		return err
	}
	return s.respondInApp(c, http.StatusOK, pane{title: profile.DisplayName, content: views.Profile(s.viewing(c), profile, blocked)}, profileBody{userJSON(profile.User), profile.About, blocked})
}
