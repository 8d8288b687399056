package handlers

import (
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// factsBody is a message as admins see it without opening it.
type factsBody struct {
	ID         chat.MessageID `json:"id"`
	User       string         `json:"user"`
	Recipient  string         `json:"recipient"`
	Timestamp  timestamp      `json:"timestamp"`
	Characters int            `json:"characters"`
	EditedAt   *timestamp     `json:"edited_at"`
	DeletedAt  *timestamp     `json:"deleted_at"`
}

func factsJSON(m chat.MessageFacts) factsBody {
	return factsBody{
		ID: m.ID, User: m.Sender.Username, Recipient: m.Recipient.Username, Timestamp: timestamp(m.SentAt),
		Characters: m.Characters, EditedAt: optionalTime(m.EditedAt), DeletedAt: optionalTime(m.DeletedAt),
	}
}

type openedBody struct {
	factsBody
	Body string `json:"body"`
}

// foundBody is a page of a search. SearchedTo is set where the search stopped there for want of time, its page not full.
type foundBody struct {
	listBody[factsBody]
	SearchedTo *timestamp `json:"searched_to"`
}

func (s *Server) listAllMessages(c *fiber.Ctx) error {
	filter := views.MessageFilter{Search: c.Query("q"), Person: c.Query("user"), From: c.Query("from"), To: c.Query("to")}
	v := s.viewing(c)
	found, q, err := s.findMessages(c, filter, v.Zone)
	list := views.MessageList{Viewing: v, Filter: filter}
	if err != nil && showsForm(c, err) {
		p := s.noted(c, err)
		list.Error, list.Errors = p.Detail, p.Errors
		return s.respondWithMessages(c, p.Status, list, nil)
	}
	if err != nil {
		return err
	}
	_, list.ByID = q.IDIn()
	list.Messages, list.SearchedTo = found.Items, found.SearchedTo
	list.Next = pageAfter(c, found.Next, "q", "user", "from", "to", "limit")
	return s.respondWithMessages(c, http.StatusOK, list,
		foundBody{listJSON(found.Items, list.Next, factsJSON), optionalTime(found.SearchedTo)})
}

func (s *Server) respondWithMessages(c *fiber.Ctx, status int, l views.MessageList, json any) error {
	return s.respondInApp(c, status, pane{title: "Messages (admin)", content: views.AllMessages(l)}, json)
}

func (s *Server) findMessages(c *fiber.Ctx, f views.MessageFilter, zone *time.Location) (found chat.MessageSearch, q chat.MessageQuery, err error) {
	n, err := limitParam(c)
	if err != nil {
		return found, q, err
	}
	q = chat.MessageQuery{Search: f.Search, Person: f.Person, After: c.Query("after"), Limit: n}
	if q.From, q.To, err = span(f, zone); err != nil {
		return found, q, err
	}
	found, err = s.Store.Messages(c.UserContext(), actor(c), q)
	return found, q, err
}

// span is the time from the start of the first day to the end of the last, in the viewer's zone.
func span(f views.MessageFilter, zone *time.Location) (from, to time.Time, err error) {
	wrong := map[string][]string{}
	from = day(wrong, "from", f.From, zone)
	to = day(wrong, "to", f.To, zone)
	if !to.IsZero() {
		to = to.AddDate(0, 0, 1)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		wrong["to"] = append(wrong["to"], "The last day is before the first.")
	}
	if len(wrong) > 0 {
		return from, to, &chat.Error{Kind: chat.Invalid, Text: "The messages can't be searched like this.", Fields: wrong}
	}
	return from, to, nil
}

// day is when a day begins, the zero time where none is given. Before 1970 and after 9998 there are no messages, and
// times that no column can hold.
func day(wrong map[string][]string, field, text string, zone *time.Location) time.Time {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil || t.Year() < 1970 || t.Year() > 9998 {
		wrong[field] = append(wrong[field], "This is no day. Write it as year, month and day, such as 2026-11-23.")
		return time.Time{}
	}
	return t
}

func (s *Server) showFacts(c *fiber.Ctx) error {
	id, err := messageIDParam(c)
	if err != nil {
		return err
	}
	m, err := s.Store.MessageFacts(c.UserContext(), actor(c), id)
	if err != nil {
		return err
	}
	t, err := s.traceOf(c.UserContext(), m)
	if err != nil {
		return err
	}
	content := views.MessageFacts(s.viewing(c), m, t)
	return s.respondInApp(c, http.StatusOK, pane{title: "Message " + id.String(), content: content}, tracedJSON(m, t))
}

// openBody shows a message's text. It answers a POST with a page and not with a way to one: an address under which the
// text could be looked at again would go round the audit log.
func (s *Server) openBody(c *fiber.Ctx) error {
	id, err := messageIDParam(c)
	if err != nil {
		return err
	}
	m, body, err := s.Store.OpenBody(c.UserContext(), actor(c), id)
	if err != nil {
		return err
	}
	content := views.OpenedMessage(s.viewing(c), m, body)
	return s.respondInApp(c, http.StatusOK, pane{title: "Message " + id.String(), content: content}, openedBody{factsJSON(m), body})
}
