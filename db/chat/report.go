package chat

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"parley/queries"
)

// ReportReason says what is wrong with a message.
type ReportReason string

// The values of ReportReason.
const (
	ReasonSpam       ReportReason = "spam"
	ReasonHarassment ReportReason = "harassment"
	ReasonThreat     ReportReason = "threat"
	ReasonIllegal    ReportReason = "illegal"
	ReasonOther      ReportReason = "other"
)

// ReportState says what became of a report.
type ReportState string

// The values of ReportState. The latter two are the decisions.
const (
	ReportOpen      ReportState = "open"
	ReportUpheld    ReportState = "upheld"    // something was done
	ReportDismissed ReportState = "dismissed" // nothing was to be done
)

// maxReportNote is how many characters a note has at most, the reporter's and the admin's.
const maxReportNote = 1000

// Report is a message that somebody has shown to the admins. Its text as it was then is apart: see OpenReport.
type Report struct {
	ID         uint64
	At         time.Time
	Reporter   string // a username, as Subject and ClosedBy
	Subject    string // who wrote the message
	Message    MessageID
	SentAt     time.Time
	Characters int // the length of the text as it was then
	Reason     ReportReason
	Note       string
	State      ReportState
	ClosedAt   time.Time // zero while it is open
	ClosedBy   string    // "" while it is open
	CloserIn   bool      // whoever closed it is one of the message's two people
	CloseNote  string    // for admins alone
}

func reportOf(row queries.ReportByIDRow) Report {
	r := Report{
		ID: row.ID, At: row.CreatedAt, Reporter: row.Reporter, Subject: row.Subject, Message: MessageID{row.ConversationID, row.Seq},
		SentAt: row.SentAt, Characters: int(row.Characters), Reason: ReportReason(row.Reason), Note: row.Note, State: ReportOpen,
	}
	if !row.IsOpen.Valid {
		closer := uint64(row.CloserID.Int64)
		r.State, r.ClosedAt, r.ClosedBy, r.CloseNote = ReportState(row.Decision), row.ClosedAt.Time, row.Closer, row.DecisionNote
		r.CloserIn = closer == row.ReporterID || closer == row.SubjectID
	}
	return r
}

// ReportDraft is what somebody says of a message that they report.
type ReportDraft struct {
	Reason ReportReason
	Note   string // at most 1,000 characters; may be empty
}

func (d *ReportDraft) check() error {
	f := fields{}
	oneOf(string(ReasonSpam), string(ReasonHarassment), string(ReasonThreat), string(ReasonIllegal), string(ReasonOther))(f, "reason", string(d.Reason))
	d.Note = checkReportNote(f, d.Note)
	return f.err("The message wasn't reported.")
}

func checkReportNote(f fields, note string) string {
	note = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(note))
	switch {
	case !utf8.ValidString(note) || strings.ContainsRune(note, 0):
		f.add("note", "The note holds characters that are no text.")
	case utf8.RuneCountInString(note) > maxReportNote:
		f.add("note", "A note has at most 1000 characters.")
	}
	return note
}

// Report shows a message that the actor can read to the admins, as it is now. replayed says that there is an open report
// of theirs already which says the same; one that says something else is a Conflict. An Invalid error names the fields
// reason and note; it names none where there is nothing to report: the actor's own message, or a deleted one.
func (s *Store) Report(ctx context.Context, actor Actor, id MessageID, d ReportDraft) (r Report, replayed bool, err error) {
	if err := d.check(); err != nil {
		return r, false, err
	}
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		m, err := reportable(ctx, q, actor.User, id)
		if err != nil {
			return err
		}
		number, again, err := s.storeReport(ctx, q, actor, m, d)
		if err != nil {
			return err
		}
		row, err := q.ReportByID(ctx, number)
		r, replayed = reportOf(row), again
		return err
	})
	return r, replayed, fault(err, "")
}

// reportable is the permission.
func reportable(ctx context.Context, q *queries.Queries, viewer User, id MessageID) (m queries.Message, err error) {
	if _, err := q.ConversationByID(ctx, queries.ConversationByIDParams{Viewer: viewer.ID, ID: id.Conversation}); err != nil {
		return m, fault(err, noSuchMessage)
	}
	m, err = q.MessageBySeq(ctx, queries.MessageBySeqParams{ConversationID: id.Conversation, Seq: id.Seq})
	switch {
	case err != nil:
		return m, fault(err, noSuchMessage)
	case m.SenderID == viewer.ID:
		return m, &Error{Kind: Invalid, Text: "You wrote this message yourself, so it can't be reported."}
	case m.DeletedAt.Valid:
		return m, &Error{Kind: Invalid, Text: "This message was deleted, so there is nothing left to report."}
	}
	return m, nil
}

// storeReport leaves it to the unique key that there is one open report. It is tried again by whoever meets that.
func (s *Store) storeReport(ctx context.Context, q *queries.Queries, actor Actor, m queries.Message, d ReportDraft) (number uint64, replayed bool, err error) {
	open, err := q.OpenReportOf(ctx, queries.OpenReportOfParams{ReporterID: actor.User.ID, ConversationID: m.ConversationID, Seq: m.Seq})
	if err == nil {
		if open.Reason == string(d.Reason) && open.Note == d.Note {
			return open.ID, true, nil
		}
		return 0, false, &Error{Kind: Conflict, Text: "You have reported this message already, and the admins haven't decided yet."}
	}
	if !noRow(err) {
		return 0, false, err
	}
	now := s.now()
	id, err := q.CreateReport(ctx, queries.CreateReportParams{
		CreatedAt: now, ReporterID: actor.User.ID, SubjectID: m.SenderID, ConversationID: m.ConversationID, Seq: m.Seq,
		SentAt: m.CreatedAt, Reason: string(d.Reason), Note: d.Note, Body: m.Body,
	})
	if duplicateKey(err) {
		return 0, false, errReported
	}
	if err != nil {
		return 0, false, err
	}
	return uint64(id), false, record(ctx, q, now, actor, deed{
		action: AuditReport, subject: m.SenderID, message: MessageID{m.ConversationID, m.Seq}, detail: string(d.Reason),
	})
}

// errReported says that the same person has reported the same message meanwhile: another try finds that.
var errReported = errors.New("the message was reported just now")

// ReportableMessage is a message for whoever is about to report it, and whether they have an open report of it. Its errors are
// those of Report.
func (s *Store) ReportableMessage(ctx context.Context, actor Actor, id MessageID) (m Message, reported bool, err error) {
	if _, err := reportable(ctx, s.q, actor.User, id); err != nil {
		return m, false, fault(err, "")
	}
	if m, err = s.Message(ctx, actor.User, id); err != nil {
		return m, false, err
	}
	_, err = s.q.OpenReportOf(ctx, queries.OpenReportOfParams{ReporterID: actor.User.ID, ConversationID: id.Conversation, Seq: id.Seq})
	if noRow(err) {
		return m, false, nil
	}
	return m, err == nil, fault(err, "")
}

// defaultReports is about two screens.
const defaultReports = 30

// OwnReports lists what the actor has reported, the newest first, from a cursor on ("" for the newest). A limit of 0 is
// the default. What admins noted for each other isn't in it.
func (s *Store) OwnReports(ctx context.Context, actor Actor, after string, limit int) (Page[Report], error) {
	before, err := auditCursor(after) // a number, too
	if err != nil {
		return Page[Report]{}, err
	}
	limit = clampLimit(limit, defaultReports)
	rows, err := s.q.ListReportsOf(ctx, queries.ListReportsOfParams{ReporterID: actor.User.ID, BeforeID: before, Limit: int32(limit + 1)})
	if err != nil {
		return Page[Report]{}, fault(err, "")
	}
	reports := make([]Report, len(rows))
	for i, row := range rows {
		reports[i] = reportOf(queries.ReportByIDRow(row))
		reports[i].CloseNote = ""
	}
	return pageOf(reports, limit, func(r Report) string { return encodeCursor(strconv.FormatUint(r.ID, 10)) }), nil
}

// Reports lists all reports for an admin: the open ones, then the others, each the newest first.
func (s *Store) Reports(ctx context.Context, actor Actor, after string, limit int) (Page[Report], error) {
	open, before, err := reportCursor(after)
	if err != nil {
		return Page[Report]{}, err
	}
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Page[Report]{}, err
	}
	limit = clampLimit(limit, defaultReports)
	reports, err := s.queue(ctx, open, before, limit+1)
	return pageOf(reports, limit, Report.cursor), fault(err, "")
}

// queue fills up with closed reports what the open ones leave.
func (s *Store) queue(ctx context.Context, open bool, before uint64, want int) (reports []Report, err error) {
	if open {
		rows, err := s.q.ListOpenReports(ctx, queries.ListOpenReportsParams{BeforeID: before, Limit: int32(want)})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			reports = append(reports, reportOf(queries.ReportByIDRow(row)))
		}
		before = math.MaxInt64
	}
	if len(reports) == want {
		return reports, nil
	}
	rows, err := s.q.ListClosedReports(ctx, queries.ListClosedReportsParams{BeforeID: before, Limit: int32(want - len(reports))})
	for _, row := range rows {
		reports = append(reports, reportOf(queries.ReportByIDRow(row)))
	}
	return reports, err
}

func (r Report) cursor() string {
	return encodeCursor(string(map[bool]rune{true: 'o', false: 'c'}[r.State == ReportOpen]) + strconv.FormatUint(r.ID, 10))
}

func reportCursor(cursor string) (open bool, before uint64, err error) {
	if cursor == "" {
		return true, math.MaxInt64, nil
	}
	plain, err := decodeCursor(cursor)
	if err != nil {
		return false, 0, err
	}
	open = strings.HasPrefix(plain, "o")
	before, err = strconv.ParseUint(strings.TrimPrefix(strings.TrimPrefix(plain, "o"), "c"), 10, 63)
	if err != nil {
		return false, 0, badCursor("after")
	}
	return open, before, nil
}

// MostOpenReports is as far as CountOpenReports counts.
const MostOpenReports = 100

// CountOpenReports says how many reports wait for a decision, MostOpenReports at most. It asks for no permission: it is for
// the admin pages, which have their own.
func (s *Store) CountOpenReports(ctx context.Context) (int, error) {
	n, err := s.q.CountOpenReports(ctx, MostOpenReports)
	return int(n), fault(err, "")
}
