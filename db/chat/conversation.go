package chat

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/queries"
)

// Conversation is the one thread between two users, as one of them sees it.
type Conversation struct {
	ID          uint64 // 0 before the first message
	With        User   // the other person; the viewer themself for notes. In a list, of others only names and DisabledAt
	LastMessage *Message
	LastSeq     uint64 // the seq of the newest message, 0 before the first
	LastRev     uint64 // the change counter
	LastReadSeq uint64 // the viewer's watermark
	Unread      int    // messages above the watermark, not the viewer's own, not deleted
	Blocked     bool   // by the viewer; not known in a list
	lastAt      time.Time
}

// ConversationQuery asks for a part of the list of conversations.
type ConversationQuery struct {
	After string // a cursor, "" for the first page
	Limit int    // default 20
}

const defaultConversations = 20

// Conversations lists the viewer's conversations, newest activity first.
func (s *Store) Conversations(ctx context.Context, viewer User, q ConversationQuery) (Page[Conversation], error) {
	at, id, err := conversationCursor(q.After)
	if err != nil {
		return Page[Conversation]{}, err
	}
	limit := clampLimit(q.Limit, defaultConversations)
	rows, err := s.q.ListConversations(ctx, queries.ListConversationsParams{
		Viewer: viewer.ID, BeforeAt: at, BeforeID: id, Limit: limit + 1,
	})
	if err != nil {
		return Page[Conversation]{}, fault(err, "")
	}
	list := make([]Conversation, len(rows))
	for i, row := range rows {
		list[i] = listedConversation(viewer, row)
	}
	slices.SortFunc(list, newestFirst)
	page := pageOf(list, limit, func(c Conversation) string {
		return encodeCursor(fmt.Sprintf("%d %d", c.lastAt.UnixMicro(), c.ID))
	})
	return page, fault(s.countUnread(ctx, viewer, page.Items), "")
}

// countUnread asks once about all conversations with something above the watermark.
func (s *Store) countUnread(ctx context.Context, viewer User, list []Conversation) error {
	var parts []queries.Above
	for _, c := range list {
		if c.LastReadSeq < c.LastSeq {
			parts = append(parts, queries.Above{ConversationID: c.ID, Seq: c.LastReadSeq, UpTo: c.LastSeq}) // not what came after the list was read
		}
	}
	if len(parts) == 0 {
		return nil
	}
	unread, err := s.q.CountUnread(ctx, viewer.ID, parts)
	for i := range list {
		list[i].Unread = unread[list[i].ID]
	}
	return err
}

func listedConversation(viewer User, row queries.ListedConversation) Conversation {
	c := Conversation{
		ID: row.Conversation.ID, With: userOf(row.User),
		LastSeq: row.Conversation.LastSeq, LastRev: row.Conversation.LastRev,
		LastReadSeq: row.LastReadSeq, lastAt: row.Conversation.LastAt.Time,
	}
	if c.With.ID == viewer.ID {
		viewer.Photo = c.With.Photo
		c.With = viewer // the list has less of people
	}
	last := messageOf(row.Message, viewer, c.With)
	c.LastMessage = &last
	return c
}

// newestFirst is the order of the list.
func newestFirst(a, b Conversation) int {
	return cmp.Or(b.lastAt.Compare(a.lastAt), cmp.Compare(b.ID, a.ID))
}

// endOfTime is later than every message: the first page of the list starts there.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func conversationCursor(cursor string) (at time.Time, id uint64, err error) {
	if cursor == "" {
		return endOfTime, 0, nil
	}
	plain, err := decodeCursor(cursor)
	if err != nil {
		return at, 0, err
	}
	micros, number, _ := strings.Cut(plain, " ")
	since1970, timeErr := strconv.ParseInt(micros, 10, 64)
	id, idErr := strconv.ParseUint(number, 10, 64)
	at = time.UnixMicro(since1970).UTC()
	if timeErr != nil || idErr != nil || at.Year() < 1 || at.After(endOfTime) { // the database has no such time
		return at, 0, badCursor("after")
	}
	return at, id, nil
}

// Conversation finds the viewer's conversation with a person, without its last message. It exists, empty, before the
// first message.
func (s *Store) Conversation(ctx context.Context, viewer User, username string) (Conversation, error) {
	c, err := s.conversationWith(ctx, viewer, usernameKey(username))
	if noRow(err) {
		c, err = s.conversationWithFormer(ctx, viewer, username)
	}
	return c, fault(err, nobodyCalled(username))
}

func (s *Store) conversationWith(ctx context.Context, viewer User, key []byte) (Conversation, error) {
	row, err := s.q.ConversationWith(ctx, queries.ConversationWithParams{Viewer: viewer.ID, UsernameKey: key})
	if err != nil {
		return Conversation{}, err
	}
	return Conversation{
		ID: uint64(row.ConversationID), With: userOf(row.User), Unread: int(row.Unread),
		LastSeq: uint64(row.LastSeq), LastRev: uint64(row.LastRev), LastReadSeq: uint64(row.LastReadSeq),
		Blocked: uint8(row.Blocked)&blockBit(between(viewer.ID, row.User.ID), viewer.ID) != 0,
	}, nil
}

// MarkRead raises the viewer's watermark to seq, or to the newest message where seq is beyond it, and has the viewer's
// other windows told. A seq at or below the watermark changes nothing: watermarks never fall. c follows.
func (s *Store) MarkRead(ctx context.Context, viewer User, c *Conversation, seq uint64) error {
	seq = min(seq, c.LastSeq)
	if seq <= c.LastReadSeq {
		return nil
	}
	changed, err := s.q.MarkRead(ctx, queries.MarkReadParams{Seq: seq, UserID: viewer.ID, ConversationID: c.ID})
	if err != nil {
		return fault(err, "")
	}
	if changed > 0 {
		s.traceRead(viewer, c.ID, seq)
		s.notifier.Notify(Event{Type: EventRead, To: viewer.ID, With: c.With.Username, Seq: seq})
	}
	return s.recount(ctx, viewer, c, seq, changed > 0)
}

// recount brings c up to a watermark that was raised to seq, or was higher already. Only the usual case, in which
// everything is read, needs no look at the database.
func (s *Store) recount(ctx context.Context, viewer User, c *Conversation, seq uint64, raised bool) error {
	if raised && seq == c.LastSeq {
		c.LastReadSeq, c.Unread = seq, 0
		return nil
	}
	fresh, err := s.Conversation(ctx, viewer, c.With.Username)
	if err == nil {
		c.LastReadSeq, c.Unread = fresh.LastReadSeq, fresh.Unread
	}
	return err
}

// Standing is where a conversation stands for one of its people. While it is the same, so is all that they see in it.
type Standing struct{ Rev, ReadSeq uint64 }

// Standing is where the conversation stood when it was read.
func (c Conversation) Standing() Standing { return Standing{c.LastRev, c.LastReadSeq} }

// Standing looks up where a conversation stands for the viewer. It is NotFound for strangers.
func (s *Store) Standing(ctx context.Context, viewer User, conversation uint64) (Standing, error) {
	row, found, err := s.standings.get(ctx, standingKey(viewer.ID, conversation))
	if err != nil || !found {
		return Standing{}, fault(orNoRow(err), "There is no such conversation.")
	}
	return Standing{row.LastRev, row.LastReadSeq}, nil
}

func standingKey(user, conversation uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, user), conversation)
}

func (s *Store) findStandings(ctx context.Context, keys [][]byte) ([]queries.Standing, error) {
	members := make([]queries.Member, len(keys))
	for i, k := range keys {
		members[i] = queries.Member{UserID: binary.BigEndian.Uint64(k), ConversationID: binary.BigEndian.Uint64(k[8:])}
	}
	return s.q.Standings(ctx, members)
}

// openConversations locks the group's conversations until the transaction ends, and makes those that have no message
// yet.
func openConversations(ctx context.Context, q *queries.Queries, group []*posting) (map[queries.Pair]*queries.Conversation, error) {
	var pairs []queries.Pair
	seen := map[queries.Pair]bool{}
	for _, p := range group {
		if pair := p.pair(); !seen[pair] {
			seen[pair] = true
			pairs = append(pairs, pair)
		}
	}
	return lockConversations(ctx, q, pairs)
}

// lockConversations locks the pairs' conversations, and makes those that are not there. The IDs of new ones are read
// back: not every server hands out consecutive ones to the rows of one statement.
func lockConversations(ctx context.Context, q *queries.Queries, pairs []queries.Pair) (map[queries.Pair]*queries.Conversation, error) {
	open := map[queries.Pair]*queries.Conversation{}
	missing, err := lockThose(ctx, q, pairs, open)
	if err != nil || len(missing) == 0 {
		return open, err
	}
	if err := q.CreateConversations(ctx, missing); err != nil {
		return nil, err
	}
	unseen, err := lockThose(ctx, q, missing, open)
	if err != nil {
		return nil, err
	}
	if len(unseen) > 0 {
		return nil, errUnseen
	}
	var members []queries.Member
	for _, pair := range missing {
		c := open[pair]
		members = append(members, queries.Member{UserID: c.UserLo, ConversationID: c.ID})
		if c.UserHi != c.UserLo {
			members = append(members, queries.Member{UserID: c.UserHi, ConversationID: c.ID})
		}
	}
	return open, q.CreateMembers(ctx, members)
}

// lockThose adds the conversations that are there to open, and gives the pairs that have none.
func lockThose(ctx context.Context, q *queries.Queries, pairs []queries.Pair, open map[queries.Pair]*queries.Conversation) (missing []queries.Pair, _ error) {
	rows, err := q.LockConversations(ctx, pairs)
	if err != nil {
		return nil, err
	}
	for _, c := range rows {
		open[queries.Pair{UserLo: c.UserLo, UserHi: c.UserHi}] = &c
	}
	for _, pair := range pairs {
		if open[pair] == nil {
			missing = append(missing, pair)
		}
	}
	return missing, nil
}
