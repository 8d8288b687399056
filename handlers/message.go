package handlers

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"parley/db/chat"
	"parley/views"
)

type messageBody struct {
	ID        chat.MessageID `json:"id"`
	User      string         `json:"user"`
	Recipient string         `json:"recipient"`
	Timestamp timestamp      `json:"timestamp"`
	Body      string         `json:"body"`
	Rev       uint64         `json:"rev"`
	ClientID  string         `json:"client_id"`
	EditedAt  *timestamp     `json:"edited_at"`
	DeletedAt *timestamp     `json:"deleted_at"`
}

// timestamp is a time in UTC with all six digits of its microseconds, so that texts sort as times do.
type timestamp time.Time

// MarshalText gives the RFC 3339 form.
func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000000Z"), nil
}

func optionalTime(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	return (*timestamp)(&t)
}

func messageJSON(m chat.Message) messageBody {
	return messageBody{
		ID: m.ID, User: m.Sender.Username, Recipient: m.Recipient.Username, Timestamp: timestamp(m.SentAt), Body: m.Body,
		Rev: m.Rev, ClientID: m.ClientID.String(), EditedAt: optionalTime(m.EditedAt), DeletedAt: optionalTime(m.DeletedAt),
	}
}

// sendMessage sends. A browser without JavaScript goes on to the conversation, and gets what it typed back if it was
// refused.
func (s *Server) sendMessage(c *fiber.Ctx) error {
	var form struct {
		Recipient string `json:"recipient" form:"recipient"`
		Body      string `json:"body" form:"body"`
		ClientID  string `json:"client_id" form:"client_id"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	m, replayed, err := s.sendDraft(c, chat.Draft(form))
	if err != nil && shapeOf(c) == page {
		return s.showRefused(c, chat.Draft(form), err)
	}
	if err != nil {
		return err
	}
	s.received(c, m)
	status := http.StatusCreated
	if replayed {
		status = http.StatusOK
	}
	if shapeOf(c) == page {
		return seeOther(c, views.ConversationURL(m.Recipient.Username))
	}
	c.Set(fiber.HeaderLocation, "/messages/"+m.ID.String())
	return respond(c, answer{status: status, json: messageJSON(m), fragment: views.Days(s.viewing(c), []chat.Message{m})})
}

func (s *Server) sendDraft(c *fiber.Ctx, d chat.Draft) (m chat.Message, replayed bool, err error) {
	if err := s.take(c, sends, byPerson(c)); err != nil {
		return m, false, err
	}
	return s.Store.SendMessage(c.UserContext(), viewer(c), d)
}

// showRefused shows the conversation with the text still in the composer. Under a conflict it gets a new client ID,
// so that sending it once more can succeed. Where that fails, the refusal is the answer and the log has both.
func (s *Server) showRefused(c *fiber.Ctx, d chat.Draft, refused error) error {
	p := problemOf(c, refused)
	if p.Status >= http.StatusInternalServerError && p.Status != http.StatusServiceUnavailable || p.Errors["recipient"] != nil {
		return s.failKeeping(c, refused, d.Body)
	}
	composer := views.Composer{Body: d.Body, Error: fullText(p), ClientID: uuid.NewString()}
	announceWait(c, refused)
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		composer.ClientID = d.ClientID
	}
	thread, err := s.openThread(c, d.Recipient)
	if err == nil {
		err = s.showThread(c, p.Status, thread, composer)
	}
	if err != nil {
		return s.failKeeping(c, errors.Join(refused, err), d.Body)
	}
	return nil
}

func (s *Server) showMessage(c *fiber.Ctx) error {
	id, err := messageIDParam(c)
	if err != nil {
		return err
	}
	m, err := s.Store.Message(c.UserContext(), viewer(c), id)
	if err != nil {
		return err
	}
	return respond(c, answer{
		json: messageJSON(m), fragment: views.Days(s.viewing(c), []chat.Message{m}),
		page: s.inApp(c, pane{title: "Message", content: views.OneMessage(s.viewing(c), m)}),
	})
}

type historyBody struct {
	Results  []messageBody `json:"results"`
	Next     *string       `json:"next"`
	Previous *string       `json:"previous"`
	Rev      uint64        `json:"rev"`
}

// listMessages is history, newest first, and catch-up, in the order of rev.
func (s *Server) listMessages(c *fiber.Ctx) error {
	if c.Query("with") == "" {
		return malformed("with", "with names the other person.")
	}
	if shapeOf(c) == page { // a person looks at a program's address: the conversation has the same
		at := views.ConversationURL(c.Query("with"))
		return seeOther(c, views.WithQuery(at, "before", c.Query("before"), "after", c.Query("after")))
	}
	if since := c.Query("since_rev"); since != "" {
		return s.listChanges(c, since)
	}
	q, err := s.threadQuery(c)
	if err != nil {
		return err
	}
	t, err := s.Store.Thread(c.UserContext(), viewer(c), c.Query("with"), q)
	if err != nil {
		return err
	}
	body := historyBody{Rev: t.Conversation.LastRev}
	body.Results = mapSlice(t.Messages, messageJSON)
	slices.Reverse(body.Results)
	if t.HasOlder && len(t.Messages) > 0 {
		body.Next = messagesAt(c, "before", t.Messages[0].ID.String())
	}
	if t.HasNewer && len(t.Messages) > 0 {
		body.Previous = messagesAt(c, "after", t.Messages[len(t.Messages)-1].ID.String())
	}
	return respond(c, answer{json: body, fragment: views.History(views.Thread{Viewing: s.viewing(c), Thread: t})})
}

func (s *Server) listChanges(c *fiber.Ctx, since string) error {
	rev, err := strconv.ParseUint(since, 10, 64)
	if err != nil {
		return malformed("since_rev", "since_rev is a whole number.")
	}
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	changes, err := s.Store.Changes(c.UserContext(), viewer(c), c.Query("with"), rev, n)
	if err != nil {
		return err
	}
	body := historyBody{Results: mapSlice(changes.Messages, messageJSON), Rev: changes.Rev}
	if changes.More {
		body.Next = messagesAt(c, "since_rev", strconv.FormatUint(changes.Rev, 10))
	}
	return respond(c, answer{json: body, fragment: views.Changes(s.viewing(c), changes)})
}

func messagesAt(c *fiber.Ctx, parameter, cursor string) *string {
	at := pageAt(c, "/messages", parameter, cursor, "with", "limit")
	return &at
}
