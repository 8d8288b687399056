package chat

import (
	"context"
	"fmt"
	"time"

	"parley/queries"
)

// Block is somebody whom a user has blocked, and since when.
type Block struct {
	User User
	At   time.Time
}

// The bits of a conversation's blocked. The table blocks is the truth that they repeat; both are written under the lock
// of the conversation's row, which every send takes and reads, so that a block costs sends no statement, and none that
// commits after it slips past.
const (
	blockedByLo = 1 << iota
	blockedByHi
)

func blockBit(p queries.Pair, user uint64) uint8 {
	if user == p.UserLo {
		return blockedByLo
	}
	return blockedByHi
}

func between(a, b uint64) queries.Pair { return queries.Pair{UserLo: min(a, b), UserHi: max(a, b)} }

// refusal is why a message can't be sent in a conversation, nil if it can. Whoever has blocked the other reads just that.
//
// Whoever was blocked isn't told so. Messengers that can't answer for delivery let such a message seem sent for ever.
// Parley can't: a 2xx means that the message is stored for good, both people see one order of messages without holes, and
// a message that only its sender sees would break both. So the send is refused, by the error that a disabled account
// gives and whatever other reason there comes to be for not taking messages: see notTaking. What the blocked person can
// tell is that the message didn't arrive, which they must be able to rely on; and whoever thinks about it can tell that the
// account isn't disabled, since its page would say so. A message from before the block is still
// answered as a replay, since it was sent.
func refusal(c *queries.Conversation, p *posting) error {
	pair := p.pair()
	if c.Blocked == 0 {
		return nil
	}
	if c.Blocked&blockBit(pair, p.sender.ID) != 0 {
		return fields{"recipient": {fmt.Sprintf("You have blocked %s. To write, unblock them first.", p.recipient.DisplayName)}}.err(messageNotSent)
	}
	return fields{"recipient": {notTaking(p.recipient)}}.err(messageNotSent)
}

const messageNotSent = "The message wasn't sent."

// notTaking is all that anybody is told of why somebody gets no messages: no text tells one reason from another.
func notTaking(recipient User) string {
	return recipient.DisplayName + " can't be written to at the moment."
}

// Block keeps somebody from sending the actor anything, and the actor from sending to them, until Unblock. It hides
// nothing that was said, and nobody is told. Blocking somebody twice is no error. An Invalid error is for blocking oneself.
func (s *Store) Block(ctx context.Context, actor Actor, username string) error {
	return s.setBlocked(ctx, actor, username, true)
}

// Unblock ends what Block began. It is no error where there is no block.
func (s *Store) Unblock(ctx context.Context, actor Actor, username string) error {
	return s.setBlocked(ctx, actor, username, false)
}

func (s *Store) setBlocked(ctx context.Context, actor Actor, username string, blocked bool) error {
	other, err := s.UserByName(ctx, username)
	if err != nil {
		return err
	}
	if other.ID == actor.User.ID {
		return &Error{Kind: Invalid, Text: "You can't block yourself."}
	}
	b := blocking{by: actor.User.ID, other: other.ID, at: s.now()}
	pair := between(b.by, b.other)
	return s.inConversation(ctx, pair, func(ctx context.Context, q *queries.Queries) error {
		if blocked {
			return b.begin(ctx, q, pair)
		}
		return b.end(ctx, q, pair)
	})
}

// inConversation is inTx where that conversation is written, as a send is.
func (s *Store) inConversation(ctx context.Context, p queries.Pair, f func(context.Context, *queries.Queries) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	defer cancel()
	return s.again(ctx, func() error { return s.tryTx(ctx, s.home(p.UserLo, p.UserHi), f) })
}

type blocking struct {
	by, other uint64
	at        time.Time
}

// begin makes the conversation where there is none: its row is what a first message would meet.
func (b blocking) begin(ctx context.Context, q *queries.Queries, pair queries.Pair) error {
	open, err := lockConversations(ctx, q, []queries.Pair{pair})
	if err != nil {
		return err
	}
	if _, err := q.CreateBlock(ctx, queries.CreateBlockParams{UserID: b.by, BlockedID: b.other, CreatedAt: b.at}); err != nil {
		return err
	}
	c := open[pair]
	return q.SetBlocked(ctx, queries.SetBlockedParams{Blocked: c.Blocked | blockBit(pair, b.by), ID: c.ID})
}

func (b blocking) end(ctx context.Context, q *queries.Queries, pair queries.Pair) error {
	open := map[queries.Pair]*queries.Conversation{}
	if _, err := lockThose(ctx, q, []queries.Pair{pair}, open); err != nil {
		return err
	}
	if _, err := q.DeleteBlock(ctx, queries.DeleteBlockParams{UserID: b.by, BlockedID: b.other}); err != nil {
		return err
	}
	c := open[pair]
	if c == nil {
		return nil
	}
	return q.SetBlocked(ctx, queries.SetBlockedParams{Blocked: c.Blocked &^ blockBit(pair, b.by), ID: c.ID})
}

// Blocked says whether either of two people has blocked the other: then neither is to learn anything new of the other.
func (s *Store) Blocked(ctx context.Context, a, b User) (bool, error) {
	bits, err := s.blockedBits(ctx, between(a.ID, b.ID))
	return bits != 0, err
}

// HasBlocked says whether one person has blocked another. Only the first may be told.
func (s *Store) HasBlocked(ctx context.Context, by, other User) (bool, error) {
	pair := between(by.ID, other.ID)
	bits, err := s.blockedBits(ctx, pair)
	return bits&blockBit(pair, by.ID) != 0, err
}

func (s *Store) blockedBits(ctx context.Context, p queries.Pair) (uint8, error) {
	c, err := s.q.ConversationOf(ctx, queries.ConversationOfParams(p))
	if noRow(err) {
		return 0, nil
	}
	return c.Blocked, fault(err, "")
}

// Blocks lists whom the actor has blocked, the newest first, from a cursor on ("" for the newest). A limit of 0 is the
// default.
func (s *Store) Blocks(ctx context.Context, actor Actor, after string, limit int) (Page[Block], error) {
	at, id, err := conversationCursor(after)
	if err != nil {
		return Page[Block]{}, err
	}
	limit = clampLimit(limit, defaultUsers)
	rows, err := s.q.ListBlocks(ctx, queries.ListBlocksParams{UserID: actor.User.ID, BeforeAt: at, BeforeID: id, Limit: int32(limit + 1)})
	if err != nil {
		return Page[Block]{}, fault(err, "")
	}
	blocks := make([]Block, len(rows))
	for i, row := range rows {
		blocks[i] = Block{User: userOf(row.User), At: row.Block.CreatedAt}
	}
	return pageOf(blocks, limit, func(b Block) string {
		return encodeCursor(fmt.Sprintf("%d %d", b.At.UnixMicro(), b.User.ID))
	}), nil
}
