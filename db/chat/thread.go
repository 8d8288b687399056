package chat

import (
	"context"
	"math"
	"slices"

	"parley/queries"
)

// ThreadQuery asks for a part of a conversation's messages. Without Before and After it is the newest ones.
type ThreadQuery struct {
	Before MessageID // messages older than this one
	After  MessageID // messages newer than this one, those next to it
	Limit  int       // default 10
}

const defaultMessages = 10

// Thread is a conversation with a part of its messages, oldest first. Everything up to the conversation's LastRev
// inside that part is in it, so a reader that holds it catches up by Changes since LastRev.
type Thread struct {
	Conversation Conversation
	Messages     []Message
	HasOlder     bool // there are messages before these; false where there are none of these
	HasNewer     bool // likewise
}

// Thread reads a part of the viewer's conversation with a person.
func (s *Store) Thread(ctx context.Context, viewer User, username string, q ThreadQuery) (Thread, error) {
	// The conversation first: a message that commits between the two reads is then in Messages though LastRev does not
	// count it yet, and is fetched twice. The other way round it would be missed.
	c, err := s.Conversation(ctx, viewer, username)
	if err != nil {
		return Thread{}, err
	}
	if err := q.belongsTo(c); err != nil {
		return Thread{}, err
	}
	t := Thread{Conversation: c}
	limit := clampLimit(q.Limit, defaultMessages)
	if q.After.IsZero() {
		err = s.readBefore(ctx, viewer, &t, q.Before.Seq, limit)
	} else {
		err = s.readAfter(ctx, viewer, &t, q.After.Seq, limit)
	}
	if err != nil {
		return Thread{}, fault(err, "")
	}
	s.traceFetched(viewer, false, t.Messages...)
	return t, fault(s.findLast(ctx, viewer, &t), noSuchMessage)
}

func (q ThreadQuery) belongsTo(c Conversation) error {
	for field, id := range map[string]MessageID{"before": q.Before, "after": q.After} {
		if !id.IsZero() && id.Conversation != c.ID {
			return badCursor(field)
		}
	}
	return nil
}

func (s *Store) readBefore(ctx context.Context, viewer User, t *Thread, seq uint64, limit int) error {
	if seq == 0 {
		seq = math.MaxInt64 // above every seq
	}
	rows, err := s.q.MessagesBefore(ctx, queries.MessagesBeforeParams{ConversationID: t.Conversation.ID, Seq: seq, Limit: int32(limit + 1)})
	if t.HasOlder = len(rows) > limit; t.HasOlder {
		rows = rows[:limit]
	}
	slices.Reverse(rows)
	t.Messages = messagesOf(rows, viewer, t.Conversation.With)
	t.HasNewer = len(rows) > 0 && rows[len(rows)-1].Seq < t.Conversation.LastSeq
	return err
}

func (s *Store) readAfter(ctx context.Context, viewer User, t *Thread, seq uint64, limit int) error {
	rows, err := s.q.MessagesAfter(ctx, queries.MessagesAfterParams{ConversationID: t.Conversation.ID, Seq: seq, Limit: int32(limit + 1)})
	if t.HasNewer = len(rows) > limit; t.HasNewer {
		rows = rows[:limit]
	}
	t.Messages = messagesOf(rows, viewer, t.Conversation.With)
	t.HasOlder = len(rows) > 0 && rows[0].Seq > 1
	return err
}

// findLast fills in the conversation's newest message, which is mostly on the page already.
func (s *Store) findLast(ctx context.Context, viewer User, t *Thread) error {
	c := &t.Conversation
	if c.LastSeq == 0 {
		return nil
	}
	i := slices.IndexFunc(t.Messages, func(m Message) bool { return m.ID.Seq == c.LastSeq })
	if i >= 0 {
		c.LastMessage = &t.Messages[i]
		return nil
	}
	row, err := s.q.MessageBySeq(ctx, queries.MessageBySeqParams{ConversationID: c.ID, Seq: c.LastSeq})
	last := messageOf(row, viewer, c.With)
	c.LastMessage = &last
	return err
}

// Changes is a part of what happened in a conversation after some rev, in the order of rev.
type Changes struct {
	Conversation Conversation
	Messages     []Message
	Rev          uint64 // whoever has these messages knows everything up to here
	More         bool   // there is more after Rev
}

const defaultChanges = 50

// Changes reads what happened in the viewer's conversation with a person after rev: new messages and changed ones.
func (s *Store) Changes(ctx context.Context, viewer User, username string, rev uint64, limit int) (Changes, error) {
	c, err := s.Conversation(ctx, viewer, username)
	if err != nil || c.ID == 0 {
		return Changes{Conversation: c}, err
	}
	limit = clampLimit(limit, defaultChanges)
	rows, err := s.q.MessagesSinceRev(ctx, queries.MessagesSinceRevParams{ConversationID: c.ID, Rev: min(rev, math.MaxInt64), Limit: int32(limit + 1)})
	if err != nil {
		return Changes{}, fault(err, "")
	}
	changes := Changes{Conversation: c, Rev: c.LastRev} // not rev, which a database put back from a copy may not have reached
	if changes.More = len(rows) > limit; changes.More {
		rows = rows[:limit]
	}
	if changes.More {
		changes.Rev = rows[limit-1].Rev
	} else if n := len(rows); n > 0 {
		changes.Rev = max(changes.Rev, rows[n-1].Rev)
	}
	changes.Messages = messagesOf(rows, viewer, c.With)
	s.traceFetched(viewer, false, changes.Messages...)
	return changes, nil
}

func messagesOf(rows []queries.Message, viewer, with User) []Message {
	messages := make([]Message, len(rows))
	for i, row := range rows {
		messages[i] = messageOf(row, viewer, with)
	}
	return messages
}
