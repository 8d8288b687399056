package queries

import "context"

// CreateMessages stores messages as they are given: their seq and rev come from their conversations, which are locked.
func (q *Queries) CreateMessages(ctx context.Context, messages []Message) error {
	rows := insertInto("CreateMessages", "messages", "conversation_id", "seq", "sender_id", "client_key", "rev", "body", "created_at")
	for _, m := range messages {
		rows.add(m.ConversationID, m.Seq, m.SenderID, m.ClientKey, m.Rev, m.Body, m.CreatedAt)
	}
	return rows.run(ctx, q.db)
}

// MessagesByClientKeys finds those of a group of messages that are stored already, by conversation, sender and client
// key.
func (q *Queries) MessagesByClientKeys(ctx context.Context, keys []MessageByClientKeyParams) ([]Message, error) {
	const one = "(conversation_id = ? AND sender_id = ? AND client_key = ?)"
	var args []any
	for _, k := range Padded(keys) {
		args = append(args, k.ConversationID, k.SenderID, k.ClientKey)
	}
	rows, err := q.db.QueryContext(ctx, named("MessagesByClientKeys", "SELECT conversation_id, seq, sender_id, client_key, rev, body, created_at, edited_at, deleted_at FROM messages FORCE INDEX (messages_client) WHERE ")+
		repeated(one, " OR ", len(args)/3), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Message
	for rows.Next() {
		var m Message
		if err := rows.Scan(&m.ConversationID, &m.Seq, &m.SenderID, &m.ClientKey, &m.Rev, &m.Body, &m.CreatedAt, &m.EditedAt, &m.DeletedAt); err != nil {
			return nil, err
		}
		found = append(found, m)
	}
	return found, rows.Err()
}

// Above is a part of a conversation: what lies above seq, up to another.
type Above struct{ ConversationID, Seq, UpTo uint64 }

// CountUnread counts what others than the viewer wrote in each part, without what was deleted; a part with nothing has
// no count.
//
// It is a statement of its own since servers look at what is above a watermark only if they know it beforehand: in a
// subquery of the list they would read each conversation from its first message. The index is named because weighing
// the others takes them longer than counting.
func (q *Queries) CountUnread(ctx context.Context, viewer uint64, parts []Above) (map[uint64]int, error) {
	const one = "(conversation_id = ? AND seq > ? AND seq <= ?)"
	args := []any{viewer}
	for _, p := range Padded(parts) {
		args = append(args, p.ConversationID, p.Seq, p.UpTo)
	}
	rows, err := q.db.QueryContext(ctx, named("CountUnread", "SELECT conversation_id, COUNT(*) FROM messages FORCE INDEX (PRIMARY) WHERE sender_id <> ? AND deleted_at IS NULL AND (")+
		repeated(one, " OR ", len(args)/3)+") GROUP BY conversation_id", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	unread := map[uint64]int{}
	for rows.Next() {
		var id uint64
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		unread[id] = n
	}
	return unread, rows.Err()
}
