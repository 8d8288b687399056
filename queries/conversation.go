package queries

import "context"

// Pair is a conversation's two people, in the order of their IDs; twice the same for notes to oneself.
type Pair struct{ UserLo, UserHi uint64 }

// CreateConversations makes the conversations that are not there yet.
func (q *Queries) CreateConversations(ctx context.Context, pairs []Pair) error {
	rows := insertInto("CreateConversations", "conversations", "user_lo", "user_hi").onDuplicate("id = id")
	for _, p := range pairs {
		rows.add(p.UserLo, p.UserHi)
	}
	return rows.run(ctx, q.db)
}

// LockConversations finds those of the pairs' conversations that are there, and locks them until the transaction ends.
// They are locked in the order of the index, so that two groups never wait for each other in a circle.
func (q *Queries) LockConversations(ctx context.Context, pairs []Pair) ([]Conversation, error) {
	const one = "(user_lo = ? AND user_hi = ?)" // every engine finds these by the index, other than a list of (?, ?)
	var args []any
	for _, p := range Padded(pairs) {
		args = append(args, p.UserLo, p.UserHi)
	}
	rows, err := q.db.QueryContext(ctx, named("LockConversations", "SELECT id, user_lo, user_hi, last_seq, last_rev, last_at FROM conversations FORCE INDEX (conversations_pair) WHERE ")+
		repeated(one, " OR ", len(args)/2)+" FOR UPDATE", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Conversation
	for rows.Next() {
		var c Conversation
		if err := rows.Scan(&c.ID, &c.UserLo, &c.UserHi, &c.LastSeq, &c.LastRev, &c.LastAt); err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, rows.Err()
}

// AdvanceConversations stores the counters of conversations that are locked.
func (q *Queries) AdvanceConversations(ctx context.Context, conversations []Conversation) error {
	rows := insertInto("AdvanceConversations", "conversations", "id", "user_lo", "user_hi", "last_seq", "last_rev", "last_at").
		onDuplicate("last_seq = VALUES(last_seq), last_rev = VALUES(last_rev), last_at = VALUES(last_at)")
	for _, c := range Padded(conversations) {
		rows.add(c.ID, c.UserLo, c.UserHi, c.LastSeq, c.LastRev, c.LastAt)
	}
	return rows.run(ctx, q.db)
}

// CreateMembers makes the rows of two people in their conversations, or raises the watermarks of those that are there:
// they never fall.
func (q *Queries) CreateMembers(ctx context.Context, members []Member) error {
	rows := insertInto("CreateMembers", "members", "user_id", "conversation_id", "last_read_seq", "last_delivered_seq").
		onDuplicate("last_read_seq = GREATEST(last_read_seq, VALUES(last_read_seq)), last_delivered_seq = GREATEST(last_delivered_seq, VALUES(last_delivered_seq))")
	for _, m := range members {
		rows.add(m.UserID, m.ConversationID, m.LastReadSeq, m.LastDeliveredSeq)
	}
	return rows.run(ctx, q.db)
}
