package handlers

import (
	"net/http"
	"strconv"

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
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	found, err := s.Store.AuditEvents(c.UserContext(), actor(c), c.Query("after"), n)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "limit")
	content := views.AuditEvents(views.AuditLog{Viewing: s.viewing(c), Events: found.Items, Next: next})
	return s.respondInApp(c, http.StatusOK, pane{title: "Audit log", content: content}, listJSON(found.Items, next, auditJSON))
}
