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
	rows, err := q.db.QueryContext(ctx, named("MessagesByClientKeys", "SELECT conversation_id, seq, sender_id, client_key, rev, body, created_at, edited_at, deleted_at FROM messages WHERE ")+
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
