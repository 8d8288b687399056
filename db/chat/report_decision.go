package chat

import (
	"context"
	"fmt"

	"parley/queries"
)

const noSuchReport = "There is no report with this number."

// FindReport finds one report for an admin, without the text.
func (s *Store) FindReport(ctx context.Context, actor Actor, number uint64) (Report, error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Report{}, err
	}
	row, err := s.q.ReportByID(ctx, number)
	return reportOf(row), fault(err, noSuchReport)
}

// OpenReport gives the reported text too, as it was when it was reported. That it was opened, by whom and from where, is
// in the audit log before anybody sees it, as it is where OpenBody opens the message.
func (s *Store) OpenReport(ctx context.Context, actor Actor, number uint64) (r Report, body string, err error) {
	err = s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		row, err := t.q.ReportByID(ctx, number)
		if err != nil {
			return fault(err, noSuchReport)
		}
		r = reportOf(row)
		if body, err = t.q.ReportBody(ctx, number); err != nil {
			return err
		}
		return t.logReport(ctx, AuditOpenBody, row, fmt.Sprintf("report %d", number))
	})
	if err != nil {
		return Report{}, "", err
	}
	return r, body, nil
}

func (t adminTx) logReport(ctx context.Context, action AuditAction, row queries.ReportByIDRow, detail string) error {
	return record(ctx, t.q, t.at, t.actor, deed{action: action, subject: row.SubjectID, message: MessageID{row.ConversationID, row.Seq}, detail: detail})
}

// Decision ends a report.
type Decision struct {
	State ReportState // ReportUpheld or ReportDismissed
	Note  string      // for admins alone; at most 1,000 characters
}

func (d *Decision) check() error {
	f := fields{}
	oneOf(string(ReportUpheld), string(ReportDismissed))(f, "decision", string(d.State))
	d.Note = checkReportNote(f, d.Note)
	return f.err("The report wasn't closed.")
}

// CloseReport decides a report. Any admin may, a message's own people too; who it was stays to be seen. A report that
// somebody has closed already is a Conflict, unless it was the actor in the same way. An Invalid error names the fields
// decision and note.
func (s *Store) CloseReport(ctx context.Context, actor Actor, number uint64, d Decision) (r Report, err error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Report{}, err
	}
	if err := d.check(); err != nil {
		return Report{}, err
	}
	err = s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		if err := t.closeReport(ctx, number, d); err != nil {
			return err
		}
		row, err := t.q.ReportByID(ctx, number)
		r = reportOf(row)
		return err
	})
	return r, err
}

// closeReport finds its own work after a commit whose answer was lost.
func (t adminTx) closeReport(ctx context.Context, number uint64, d Decision) error {
	held, err := t.q.LockReport(ctx, number)
	if err != nil {
		return fault(err, noSuchReport)
	}
	if !held.IsOpen.Valid {
		if uint64(held.CloserID.Int64) == t.actor.User.ID && held.Decision == string(d.State) && held.DecisionNote == d.Note {
			return nil
		}
		return &Error{Kind: Conflict, Text: "This report was closed already. Your decision wasn't stored."}
	}
	if err := t.q.CloseReport(ctx, queries.CloseReportParams{
		ClosedAt: nullTime(t.at), CloserID: nullID(t.actor.User.ID), Decision: string(d.State), DecisionNote: d.Note, ID: number,
	}); err != nil {
		return err
	}
	row, err := t.q.ReportByID(ctx, number)
	if err != nil {
		return err
	}
	return t.logReport(ctx, AuditCloseReport, row, fmt.Sprintf("report %d: %s", number, d.State))
}
