package chat

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"parley/queries"
)

// ImportPiece is a run of messages that follow each other in one conversation.
type ImportPiece struct {
	Pair  [2]uint64 // the IDs of two people who are there; twice the same for notes
	Lines []ImportLine
	Read  [2]int // how many of the lines each of the pair has read
}

// ImportLine is a message to be imported.
type ImportLine struct {
	Sender   uint64 // one of the pair
	ClientID uuid.UUID
	Body     string
	SentAt   time.Time // moved on where it is no later than the message before
}

var errPiece = errors.New("chat: a piece to be imported has no lines, a line that is empty or by a stranger, or readers of more than it has")

// check is about what would break the promises to those who read. How long a body may be is none of its business:
// that bounds what people send from now on.
func (p ImportPiece) check() error {
	for _, line := range p.Lines {
		if line.Sender != p.Pair[0] && line.Sender != p.Pair[1] || line.Body == "" || strings.TrimSpace(line.Body) != line.Body {
			return errPiece
		}
	}
	if n := len(p.Lines); n == 0 || min(p.Read[0], p.Read[1]) < 0 || max(p.Read[0], p.Read[1]) > n {
		return errPiece
	}
	return nil
}

// Messages adds the pieces to the ends of their conversations, in this order, and makes the conversations that are not
// there yet. seq, rev and the watermarks go on from where they are; who has read nothing of a piece keeps theirs. All of
// it is one transaction, and both people of each conversation wait for its end if they write just then: some thousand
// messages take below a tenth of a second.
//
// The caller answers for it that the people are there and that no body holds more than text. Nobody is notified.
// Messages that were imported before are not looked for: given again under the same client IDs they are refused by the
// database, and nothing of that call is stored. After another error it is not known whether the messages were stored.
func (i *Importer) Messages(ctx context.Context, pieces []ImportPiece) error {
	if len(pieces) == 0 {
		return nil
	}
	for _, p := range pieces {
		if err := p.check(); err != nil {
			return err
		}
	}
	return Fault(i.inTx(ctx, func(q *queries.Queries) error { return writePieces(ctx, q, pieces) }))
}

// writePieces does what SendMessage does, for many messages: it locks the conversations, which hand out seq and rev,
// adds the messages, and moves the counters and the watermarks on.
func writePieces(ctx context.Context, q *queries.Queries, pieces []ImportPiece) error {
	open, err := lockConversations(ctx, q, pairsOf(pieces))
	if err != nil {
		return err
	}
	var messages []queries.Message
	var members []queries.Member
	for _, p := range pieces {
		c := open[pairOf(p)]
		members = appendMembers(members, c, p)
		messages = appendMessages(messages, c, p)
	}
	var conversations []queries.Conversation
	for _, c := range open {
		conversations = append(conversations, *c)
	}
	if err := q.CreateMessages(ctx, messages); err != nil {
		return err
	}
	if err := q.CreateMembers(ctx, members); err != nil {
		return err
	}
	return q.AdvanceConversations(ctx, conversations)
}

func appendMessages(rows []queries.Message, c *queries.Conversation, p ImportPiece) []queries.Message {
	for _, line := range p.Lines {
		c.LastSeq++
		c.LastRev++
		c.LastAt = nullTime(after(c.LastAt.Time, line.SentAt))
		rows = append(rows, queries.Message{
			ConversationID: c.ID, Seq: c.LastSeq, SenderID: line.Sender, ClientKey: line.ClientID[:],
			Rev: c.LastRev, Body: line.Body, CreatedAt: c.LastAt.Time,
		})
	}
	return rows
}

// appendMembers comes before appendMessages: watermarks are counted from the piece's start.
func appendMembers(rows []queries.Member, c *queries.Conversation, p ImportPiece) []queries.Member {
	for i, user := range p.Pair {
		if i == 1 && user == p.Pair[0] {
			break // notes
		}
		var read uint64
		if p.Read[i] > 0 {
			read = c.LastSeq + uint64(p.Read[i])
		}
		rows = append(rows, queries.Member{UserID: user, ConversationID: c.ID, LastReadSeq: read, LastDeliveredSeq: read})
	}
	return rows
}

func pairOf(p ImportPiece) queries.Pair {
	return queries.Pair{UserLo: min(p.Pair[0], p.Pair[1]), UserHi: max(p.Pair[0], p.Pair[1])}
}

func pairsOf(pieces []ImportPiece) []queries.Pair {
	var pairs []queries.Pair
	seen := map[queries.Pair]bool{}
	for _, p := range pieces {
		if pair := pairOf(p); !seen[pair] {
			seen[pair] = true
			pairs = append(pairs, pair)
		}
	}
	return pairs
}
