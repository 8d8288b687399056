package queries

import (
	"context"
	"time"
)

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
	rows, err := q.db.QueryContext(ctx, named("LockConversations", "SELECT id, user_lo, user_hi, last_seq, last_rev, last_at, blocked FROM conversations FORCE INDEX (conversations_pair) WHERE ")+
		repeated(one, " OR ", len(args)/2)+" FOR UPDATE", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Conversation
	for rows.Next() {
		var c Conversation
		if err := rows.Scan(&c.ID, &c.UserLo, &c.UserHi, &c.LastSeq, &c.LastRev, &c.LastAt, &c.Blocked); err != nil {
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

// ListConversationsParams asks for the viewer's conversations whose last message is older than BeforeAt, or as old and
// the conversation's ID below BeforeID.
type ListConversationsParams struct {
	Viewer   uint64
	BeforeAt time.Time
	BeforeID uint64
	Limit    int
}

// ListedConversation is a conversation in the list, with the other person, as far as the list shows them, and the last
// message.
type ListedConversation struct {
	Conversation Conversation
	LastReadSeq  uint64
	User         User
	Message      Message
}

// listConversations is written by hand since sqlc can't name a derived table's columns. The page is cut before people
// and last messages are looked up, so those cost a page and not a lifetime. It comes in no order: sorting whole rows
// would have the server put every body into a temporary table, which takes longer than all the rest. The joins stand in
// the order in which they are best done, which servers look for at length otherwise.
const listConversations = `SELECT STRAIGHT_JOIN page.id, page.last_seq, page.last_rev, page.last_at, page.last_read_seq,
  u.id, u.username, u.display_name, u.disabled_at, u.photo,
  m.sender_id, m.client_key, m.rev, m.body, m.created_at, m.edited_at, m.deleted_at
FROM (
  SELECT STRAIGHT_JOIN c.id, c.user_lo, c.user_hi, c.last_seq, c.last_rev, c.last_at, mb.last_read_seq
  FROM members mb JOIN conversations c ON c.id = mb.conversation_id
  WHERE mb.user_id = ? AND (c.last_at < ? OR (c.last_at = ? AND c.id < ?))
  ORDER BY c.last_at DESC, c.id DESC LIMIT ?
) page
JOIN users u ON u.id = CASE WHEN page.user_lo = ? THEN page.user_hi ELSE page.user_lo END
JOIN messages m ON m.conversation_id = page.id AND m.seq = page.last_seq`

// ListConversations finds a part of the viewer's conversations, those with the newest messages, in no order.
func (q *Queries) ListConversations(ctx context.Context, p ListConversationsParams) ([]ListedConversation, error) {
	rows, err := q.db.QueryContext(ctx, named("ListConversations", listConversations),
		p.Viewer, p.BeforeAt, p.BeforeAt, p.BeforeID, p.Limit, p.Viewer)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []ListedConversation
	for rows.Next() {
		var l ListedConversation
		c, u, m := &l.Conversation, &l.User, &l.Message
		if err := rows.Scan(&c.ID, &c.LastSeq, &c.LastRev, &c.LastAt, &l.LastReadSeq,
			&u.ID, &u.Username, &u.DisplayName, &u.DisabledAt, &u.Photo,
			&m.SenderID, &m.ClientKey, &m.Rev, &m.Body, &m.CreatedAt, &m.EditedAt, &m.DeletedAt); err != nil {
			return nil, err
		}
		m.ConversationID, m.Seq = c.ID, c.LastSeq
		list = append(list, l)
	}
	return list, rows.Err()
}

// Standing is where a conversation stands for a member.
type Standing struct{ UserID, ConversationID, LastReadSeq, LastRev uint64 }

// Standings finds where conversations stand for those of the given members that there are.
func (q *Queries) Standings(ctx context.Context, members []Member) ([]Standing, error) {
	const one = "(m.user_id = ? AND m.conversation_id = ?)"
	var args []any
	for _, m := range Padded(members) {
		args = append(args, m.UserID, m.ConversationID)
	}
	rows, err := q.db.QueryContext(ctx, named("Standings", "SELECT STRAIGHT_JOIN m.user_id, m.conversation_id, m.last_read_seq, c.last_rev FROM members m FORCE INDEX (PRIMARY) JOIN conversations c ON c.id = m.conversation_id WHERE ")+
		repeated(one, " OR ", len(args)/2), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Standing
	for rows.Next() {
		var s Standing
		if err := rows.Scan(&s.UserID, &s.ConversationID, &s.LastReadSeq, &s.LastRev); err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, rows.Err()
}
