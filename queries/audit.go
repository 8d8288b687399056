package queries

import (
	"context"
	"strings"
	"time"
)

// AuditSearch asks for audit events whose ID is at least FromID and below BeforeID, newest first. What is set besides
// narrows it, all together.
type AuditSearch struct {
	FromID, BeforeID uint64
	From, To         time.Time // To is the first moment after
	Actor, Subject   uint64
	Action           string
	Without          []string // actions
	Limit            int
}

// FoundAuditEvent is an audit event with the usernames of its people, "" where there is nobody.
type FoundAuditEvent struct {
	AuditEvent
	Actor, Subject string
}

// index is the one that has just the events that are looked for in the order of their IDs, but for From, To and Without.
// It is named in the statement: servers would rather walk through all events backwards, expecting to come upon enough.
func (s AuditSearch) index() string {
	switch {
	case s.Actor != 0 && s.Action != "":
		return "audit_actor_action"
	case s.Actor != 0:
		return "audit_actor"
	case s.Subject != 0 && s.Action != "":
		return "audit_subject_action"
	case s.Subject != 0:
		return "audit_subject"
	case s.Action != "":
		return "audit_action"
	}
	return "PRIMARY"
}

func (s AuditSearch) where() (conditions string, args []any) {
	all := []string{"e.id >= ?", "e.id < ?"}
	args = []any{s.FromID, s.BeforeID}
	add := func(given bool, condition string, values ...any) {
		if given {
			all, args = append(all, condition), append(args, values...)
		}
	}
	add(s.Actor != 0, "e.actor_id = ?", s.Actor)
	add(s.Subject != 0, "e.subject_id = ?", s.Subject)
	add(s.Action != "", "e.action = ?", s.Action)
	add(!s.From.IsZero(), "e.created_at >= ?", s.From)
	add(!s.To.IsZero(), "e.created_at < ?", s.To)
	for _, action := range s.Without {
		add(true, "e.action <> ?", action)
	}
	return strings.Join(all, " AND "), args
}

// statement is the whole query. Its people are found one by one, in as many rows as the limit leaves.
func (s AuditSearch) statement() (text string, args []any) {
	conditions, args := s.where()
	text = "SELECT e.id, e.created_at, e.actor_id, e.action, e.subject_id, e.conversation_id, e.seq, e.ip, e.detail, COALESCE(a.username, ''), COALESCE(s.username, '') FROM audit_events e FORCE INDEX (" + s.index() +
		") LEFT JOIN users a ON a.id = e.actor_id LEFT JOIN users s ON s.id = e.subject_id WHERE " + conditions + " ORDER BY e.id DESC LIMIT ?"
	return named("SearchAuditEvents", text), append(args, s.Limit)
}

// SearchAuditEvents finds audit events.
func (q *Queries) SearchAuditEvents(ctx context.Context, s AuditSearch) ([]FoundAuditEvent, error) {
	text, args := s.statement()
	rows, err := q.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []FoundAuditEvent
	for rows.Next() {
		var f FoundAuditEvent
		if err := rows.Scan(&f.ID, &f.CreatedAt, &f.ActorID, &f.Action, &f.SubjectID, &f.ConversationID, &f.Seq, &f.Ip, &f.Detail, &f.Actor, &f.Subject); err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return found, rows.Err()
}
