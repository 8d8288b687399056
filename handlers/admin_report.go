package handlers

import (
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// reportBody is a report as admins see it, without the text.
type reportBody struct {
	ownReportBody
	Reporter       string    `json:"reporter"`
	SentAt         timestamp `json:"sent_at"`
	Characters     int       `json:"characters"`
	CloserInvolved bool      `json:"closer_involved"` // whoever closed it is one of the message's two people
	ClosingNote    string    `json:"closing_note"`
}

func reportJSON(r chat.Report) reportBody {
	return reportBody{ownReportJSON(r), r.Reporter, timestamp(r.SentAt), r.Characters, r.CloserIn, r.CloseNote}
}

type openedReportBody struct {
	reportBody
	Body string `json:"body"`
}

// countReports has the admin pages' tabs say how many reports wait.
func (s *Server) countReports(c *fiber.Ctx) error {
	if shapeOf(c) == program {
		return c.Next()
	}
	n, err := s.Store.CountOpenReports(c.UserContext())
	if err != nil {
		return err
	}
	c.SetUserContext(views.WaitingReports(c.UserContext(), n))
	return c.Next()
}

func (s *Server) listReports(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	found, err := s.Store.Reports(c.UserContext(), actor(c), c.Query("after"), n)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "limit")
	content := views.Reports(views.ReportList{Viewing: s.viewing(c), Reports: found.Items, Next: next})
	return s.respondInApp(c, http.StatusOK, pane{title: "Reports (admin)", content: content}, listJSON(found.Items, next, reportJSON))
}

func reportParam(c *fiber.Ctx) (uint64, error) {
	number, err := strconv.ParseUint(c.Params("number"), 10, 63)
	if err != nil {
		return 0, fiber.ErrNotFound
	}
	return number, nil
}

func (s *Server) showReport(c *fiber.Ctx) error {
	return s.respondWithReport(c, http.StatusOK, views.ShownReport{Done: c.Query("done") != ""})
}

func (s *Server) respondWithReport(c *fiber.Ctx, status int, r views.ShownReport) error {
	number, err := reportParam(c)
	if err != nil {
		return err
	}
	if r.Report, err = s.Store.FindReport(c.UserContext(), actor(c), number); err != nil {
		return err
	}
	r.Viewing = s.viewing(c)
	return s.respondInApp(c, status, pane{title: "Report " + c.Params("number"), content: views.ShowReport(r)}, reportJSON(r.Report))
}

// openReport answers a POST with a page, as openBody does.
func (s *Server) openReport(c *fiber.Ctx) error {
	number, err := reportParam(c)
	if err != nil {
		return err
	}
	report, body, err := s.Store.OpenReport(c.UserContext(), actor(c), number)
	if err != nil {
		return err
	}
	content := views.ShowReport(views.ShownReport{Viewing: s.viewing(c), Report: report, Opened: true, Body: body})
	return s.respondInApp(c, http.StatusOK, pane{title: "Report " + c.Params("number"), content: content}, openedReportBody{reportJSON(report), body})
}

func (s *Server) closeReport(c *fiber.Ctx) error {
	number, err := reportParam(c)
	if err != nil {
		return err
	}
	var form struct {
		Decision string `json:"decision" form:"decision"`
		Note     string `json:"note" form:"note"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	decision := chat.Decision{State: chat.ReportState(form.Decision), Note: form.Note}
	report, err := s.Store.CloseReport(c.UserContext(), actor(c), number, decision)
	if kind := chat.KindOf(err); err != nil && (showsForm(c, err) || kind == chat.Conflict && shapeOf(c) != program) {
		p := s.noted(c, err)
		return s.respondWithReport(c, p.Status, views.ShownReport{Typed: decision, Error: p.Detail, Errors: p.Errors})
	}
	if err != nil {
		return err
	}
	return answerChange(c, http.StatusOK, reportJSON(report), "/admin/reports/"+c.Params("number")+"?done=closed")
}
