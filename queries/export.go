package queries

import (
	"context"
	"database/sql"
	"time"
)

// ExportedEvent is a line of the audit log that somebody is in.
type ExportedEvent struct {
	ID             uint64
	CreatedAt      time.Time
	ActorID        uint64
	Action         string
	Subject        string // a username, "" for nobody
	SubjectID      sql.NullInt64
	ConversationID sql.NullInt64
	Seq            sql.NullInt64
	Detail, IP     string
}

// exportEvents is written by hand since sqlc doesn't know a UNION within a join. Each part walks an index of its own.
const exportEvents = `SELECT e.id, e.created_at, e.actor_id, e.action, COALESCE(s.username, ''), e.subject_id, e.conversation_id, e.seq, e.detail, e.ip
FROM (
  (SELECT id FROM audit_events WHERE actor_id = ? AND id > ? ORDER BY id LIMIT ?)
  UNION
  (SELECT id FROM audit_events WHERE subject_id = ? AND id > ? ORDER BY id LIMIT ?)
) page
JOIN audit_events e ON e.id = page.id
LEFT JOIN users s ON s.id = e.subject_id
ORDER BY e.id LIMIT ?`

// ExportEvents finds what somebody did and what was done to them, after an ID, oldest first.
func (q *Queries) ExportEvents(ctx context.Context, user, after uint64, limit int) ([]ExportedEvent, error) {
	rows, err := q.db.QueryContext(ctx, named("ExportEvents", exportEvents), user, after, limit, user, after, limit, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []ExportedEvent
	for rows.Next() {
		var e ExportedEvent
		if err := rows.Scan(&e.ID, &e.CreatedAt, &e.ActorID, &e.Action, &e.Subject, &e.SubjectID, &e.ConversationID, &e.Seq, &e.Detail, &e.IP); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}
