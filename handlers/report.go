package handlers

import (
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// ownReportBody is a report as whoever made it sees it.
type ownReportBody struct {
	ID        string            `json:"id"`
	Timestamp timestamp         `json:"timestamp"`
	Message   chat.MessageID    `json:"message"`
	User      string            `json:"user"` // who wrote the message
	Reason    chat.ReportReason `json:"reason"`
	Note      string            `json:"note"`
	State     chat.ReportState  `json:"state"`
	ClosedAt  *timestamp        `json:"closed_at"`
	ClosedBy  *string           `json:"closed_by"`
}

func ownReportJSON(r chat.Report) ownReportBody {
	body := ownReportBody{
		ID: strconv.FormatUint(r.ID, 10), Timestamp: timestamp(r.At), Message: r.Message, User: r.Subject,
		Reason: r.Reason, Note: r.Note, State: r.State, ClosedAt: optionalTime(r.ClosedAt),
	}
	if r.ClosedBy != "" {
		body.ClosedBy = &r.ClosedBy
	}
	return body
}

// newReport shows the form. What it takes is all that there is to tell a program.
func (s *Server) newReport(c *fiber.Ctx) error {
	return s.respondWithReportForm(c, http.StatusOK, views.NewReport{})
}

func (s *Server) respondWithReportForm(c *fiber.Ctx, status int, n views.NewReport) (err error) {
	id, err := messageIDParam(c)
	if err != nil {
		return err
	}
	if n.Message, n.Reported, err = s.Store.ReportableMessage(c.UserContext(), actor(c), id); err != nil {
		return err
	}
	n.Viewing = s.viewing(c)
	return s.respondInApp(c, status, pane{title: "Report a message", content: views.ReportForm(n)}, fiber.Map{"fields": []string{"reason", "note"}})
}

func (s *Server) reportMessage(c *fiber.Ctx) error {
	id, err := messageIDParam(c)
	if err != nil {
		return err
	}
	var form struct {
		Reason string `json:"reason" form:"reason"`
		Note   string `json:"note" form:"note"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	draft := chat.ReportDraft{Reason: chat.ReportReason(form.Reason), Note: form.Note}
	report, replayed, err := s.report(c, id, draft)
	if kind := chat.KindOf(err); err != nil && (showsForm(c, err) || kind == chat.Conflict && shapeOf(c) != program) {
		p := s.noted(c, err)
		return s.respondWithReportForm(c, p.Status, views.NewReport{Typed: draft, Error: p.Detail, Errors: p.Errors})
	}
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if replayed {
		status = http.StatusOK
	}
	return answerChange(c, status, ownReportJSON(report), "/account/reports?done=reported")
}

func (s *Server) report(c *fiber.Ctx, id chat.MessageID, draft chat.ReportDraft) (r chat.Report, replayed bool, _ error) {
	if err := s.take(c, reports, byPerson(c)); err != nil {
		return r, false, err
	}
	return s.Store.Report(c.UserContext(), actor(c), id, draft)
}

func (s *Server) listOwnReports(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	found, err := s.Store.OwnReports(c.UserContext(), actor(c), c.Query("after"), n)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "limit")
	content := views.OwnReports(views.ReportList{Viewing: s.viewing(c), Reports: found.Items, Next: next, Done: c.Query("done") != ""})
	return s.respondInApp(c, http.StatusOK, pane{title: "Your reports", content: content}, listJSON(found.Items, next, ownReportJSON))
}
