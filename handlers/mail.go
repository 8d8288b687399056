package handlers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// mailBody is a mail in the queue, as admins see it: neither its text nor its link.
type mailBody struct {
	ID        string        `json:"id"`
	Kind      chat.MailKind `json:"kind"`
	User      *string       `json:"user"`
	To        string        `json:"to"`
	State     string        `json:"state"` // waiting, sending or stuck
	Attempts  int           `json:"attempts"`
	Error     *string       `json:"error"`
	CreatedAt timestamp     `json:"created_at"`
	DueAt     *timestamp    `json:"due_at"`
}

func mailJSON(m chat.QueuedMail) mailBody {
	body := mailBody{
		ID: strconv.FormatUint(m.ID, 10), Kind: m.Kind, To: m.To, State: "waiting", Attempts: m.Attempts,
		CreatedAt: timestamp(m.QueuedAt), DueAt: optionalTime(m.DueAt),
	}
	if m.Username != "" {
		body.User = &m.Username
	}
	if m.Error != "" {
		body.Error = &m.Error
	}
	switch {
	case m.Stuck():
		body.State = "stuck"
	case m.LeasedUntil.After(time.Now()):
		body.State = "sending"
	}
	return body
}

type mailListBody struct {
	listBody[mailBody]
	Waiting int  `json:"waiting"`
	Stuck   int  `json:"stuck"`
	SMTP    bool `json:"smtp"` // mail goes out; otherwise it goes into the log
}

func (s *Server) listMail(c *fiber.Ctx) error {
	return s.respondWithMail(c, http.StatusOK, views.MailQueue{Done: c.Query("done")})
}

func (s *Server) respondWithMail(c *fiber.Ctx, status int, q views.MailQueue) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	if q.MailList, err = s.Store.Mails(c.UserContext(), actor(c), c.Query("after"), n); err != nil {
		return err
	}
	q.Viewing, q.SMTP, q.Next = s.viewing(c), s.SendsMail, pageAt(c, "/admin/mail", "after", q.Page.Next, "limit")
	body := mailListBody{listJSON(q.Items, q.Next, mailJSON), q.Waiting, q.Stuck, s.SendsMail}
	return s.respondInApp(c, status, pane{title: "Mail (admin)", content: views.AdminMail(q)}, body)
}

func (s *Server) retryMail(c *fiber.Ctx) error { return s.changeMail(c, "retried", s.Store.RetryMail) }

func (s *Server) dropMail(c *fiber.Ctx) error { return s.changeMail(c, "dropped", s.Store.DropMail) }

func (s *Server) changeMail(c *fiber.Ctx, done string, change func(context.Context, chat.Actor, uint64) error) error {
	id, err := strconv.ParseUint(c.Params("id"), 10, 63)
	if err != nil {
		return fiber.ErrNotFound
	}
	err = change(c.UserContext(), actor(c), id)
	if err == nil {
		return answerChange(c, http.StatusNoContent, nil, "/admin/mail?done="+done)
	}
	if !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	if listErr := s.respondWithMail(c, p.Status, views.MailQueue{Error: p.Detail}); listErr != nil {
		return errors.Join(err, listErr)
	}
	return nil
}
