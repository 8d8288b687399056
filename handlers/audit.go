package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

type auditBody struct {
	ID        string           `json:"id"`
	Timestamp timestamp        `json:"timestamp"`
	Actor     string           `json:"actor"`
	Action    chat.AuditAction `json:"action"`
	Subject   *string          `json:"subject"`
	Message   *chat.MessageID  `json:"message"`
	Detail    string           `json:"detail"`
	IP        string           `json:"ip"`
}

func auditJSON(e chat.AuditEvent) auditBody {
	body := auditBody{ID: strconv.FormatUint(e.ID, 10), Timestamp: timestamp(e.At), Actor: e.Actor, Action: e.Action, Detail: e.Detail, IP: e.IP}
	if e.Subject != "" {
		body.Subject = &e.Subject
	}
	if !e.Message.IsZero() {
		body.Message = &e.Message
	}
	return body
}

func (s *Server) listAuditEvents(c *fiber.Ctx) error {
	l := views.AuditLog{Viewing: s.viewing(c), Filter: auditFilter(c)}
	found, err := s.findAuditEvents(c, l.Filter, l.Zone)
	if err != nil && showsForm(c, err) {
		p := s.noted(c, err)
		l.Error, l.Errors = p.Detail, p.Errors
		return s.respondWithAuditLog(c, p.Status, l, nil)
	}
	if err != nil {
		return err
	}
	l.Events, l.Next = found.Items, pageAfter(c, found.Next, "user", "action", "from", "to", "limit")
	return s.respondWithAuditLog(c, http.StatusOK, l, listJSON(found.Items, l.Next, auditJSON))
}

func (s *Server) respondWithAuditLog(c *fiber.Ctx, status int, l views.AuditLog, json any) error {
	return s.respondInApp(c, status, pane{title: "Audit log", content: views.AuditEvents(l)}, json)
}

func auditFilter(c *fiber.Ctx) views.AuditFilter {
	return views.AuditFilter{Person: c.Query("user"), Action: c.Query("action"), From: c.Query("from"), To: c.Query("to")}
}

func (s *Server) findAuditEvents(c *fiber.Ctx, f views.AuditFilter, zone *time.Location) (found chat.Page[chat.AuditEvent], err error) {
	q, err := auditQuery(f, zone)
	if err != nil {
		return found, err
	}
	if q.Limit, err = limitParam(c); err != nil {
		return found, err
	}
	q.After = c.Query("after")
	return s.Store.SearchAudit(c.UserContext(), actor(c), q)
}

func auditQuery(f views.AuditFilter, zone *time.Location) (q chat.AuditQuery, err error) {
	q = chat.AuditQuery{Person: f.Person, Action: chat.AuditAction(f.Action)}
	q.From, q.To, err = span(views.MessageFilter{From: f.From, To: f.To}, zone)
	if rule, ok := errors.AsType[*chat.Error](err); ok {
		rule.Text = "The log can't be searched like this."
	}
	return q, err
}

// showActivity is for everybody: what happened to their own account.
func (s *Server) showActivity(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	found, err := s.Store.Activity(c.UserContext(), actor(c), c.Query("after"), n)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "limit")
	content := views.Activity(views.AuditLog{Viewing: s.viewing(c), Events: found.Items, Next: next})
	return s.respondInApp(c, http.StatusOK, pane{title: "Your account’s activity", content: content}, listJSON(found.Items, next, auditJSON))
}
