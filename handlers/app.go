package handlers

import (
	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// pane is the main part of a signed-in page.
type pane struct {
	title   string
	current string // the username whose conversation is open, if one is
	content templ.Component
}

// respondInApp answers with a pane: alone as a fragment, beside the list of conversations as a page.
func (s *Server) respondInApp(c *fiber.Ctx, status int, p pane, json any) error {
	return respond(c, answer{
		status: status, json: json, fragment: views.In(views.Titled(p.title), p.content), page: s.inApp(c, p),
	})
}

// inApp makes the page around a pane.
func (s *Server) inApp(c *fiber.Ctx, p pane) func() (templ.Component, error) {
	return func() (templ.Component, error) {
		list, err := s.conversationList(c, chat.ConversationQuery{}, p.current)
		frame := views.Frame{Viewing: s.viewing(c), Title: p.title, Conversations: list}
		return views.In(views.App(frame), p.content), err
	}
}
