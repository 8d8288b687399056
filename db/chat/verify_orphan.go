package chat

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"parley/queries"
)

// sessions finds those of nobody's. They are worse than litter: whoever gets that ID would be signed in there.
func (v *verifier) sessions(ctx context.Context) error {
	v.result.Sessions = int(v.totals.Sessions)
	return inPieces(v.sizes.rows, func(after queries.VerifySessionsRow) ([]queries.VerifySessionsRow, error) {
		return v.q.VerifySessions(ctx, queries.VerifySessionsParams{After: after.UserID, Limit: v.sizes.rows})
	}, func(row queries.VerifySessionsRow) error {
		return v.sessionsOf(ctx, row)
	}, func(int) {})
}

func (v *verifier) sessionsOf(ctx context.Context, row queries.VerifySessionsRow) error {
	p := Problem{Check: CheckSessionOrphan, User: row.UserID, Repairable: true, Detail: several(row.Sessions, "session") + " of somebody who has no account"}
	return v.settle(ctx, []Problem{p}, func(ctx context.Context, tx *sql.Tx) ([]Problem, error) {
		n, err := v.q.WithTx(tx).RepairSessions(ctx, row.UserID)
		return repairedIf(n > 0, p), err
	})
}

// auditEvents finds those about what isn't there. They are never repaired: the log is evidence.
func (v *verifier) auditEvents(ctx context.Context) error {
	v.begin("audit events", v.totals.AuditEvents)
	return inPieces(v.sizes.rows, func(after queries.VerifyAuditEventsRow) ([]queries.VerifyAuditEventsRow, error) {
		return v.q.VerifyAuditEvents(ctx, queries.VerifyAuditEventsParams{After: after.AuditEvent.ID, Limit: v.sizes.rows})
	}, func(row queries.VerifyAuditEventsRow) error {
		v.auditEvent(row)
		return nil
	}, func(n int) {
		v.result.AuditEvents += n
		v.advance(n)
	})
}

func (v *verifier) auditEvent(row queries.VerifyAuditEventsRow) {
	e := row.AuditEvent
	var gone []string
	if e.ActorID != 0 && !row.Actor.Valid {
		gone = append(gone, fmt.Sprintf("by account %d", e.ActorID))
	}
	if e.SubjectID.Valid && !row.Subject.Valid {
		gone = append(gone, fmt.Sprintf("about account %d", e.SubjectID.Int64))
	}
	if e.ConversationID.Valid && !row.Message.Valid {
		gone = append(gone, fmt.Sprintf("about message %d-%d", e.ConversationID.Int64, e.Seq.Int64))
	}
	if len(gone) > 0 {
		v.report(Problem{Check: CheckAuditOrphan, User: e.ActorID, Conversation: uint64(e.ConversationID.Int64), Seq: uint64(e.Seq.Int64), Detail: fmt.Sprintf(
			"audit event %d is %s, of which there is nothing: put that back from a backup", e.ID, strings.Join(gone, " and "))})
	}
}
