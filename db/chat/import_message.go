package chat

import (
	"context"
	"database/sql"
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
	return Fault(i.inTx(ctx, func(tx *sql.Tx) error { return writePieces(ctx, tx, pieces) }))
}

// writePieces does what SendMessage does, for many messages: it locks the conversations, which hand out seq and rev,
// adds the messages, and moves the counters and the watermarks on.
func writePieces(ctx context.Context, tx *sql.Tx, pieces []ImportPiece) error {
	open, err := lockConversations(ctx, tx, pieces)
	if err != nil {
		return err
	}
	messages := newInsert("messages (conversation_id, seq, sender_id, client_key, rev, body, created_at)", "")
	members := newInsert("members (user_id, conversation_id, last_read_seq, last_delivered_seq)",
		"last_read_seq = GREATEST(last_read_seq, VALUES(last_read_seq)), last_delivered_seq = GREATEST(last_delivered_seq, VALUES(last_delivered_seq))")
	for _, p := range pieces {
		c := open[pairOf(p)]
		addMembers(members, c, p)
		addMessages(messages, c, p)
	}
	conversations := newInsert("conversations (id, user_lo, user_hi, last_seq, last_rev, last_at)",
		"last_seq = VALUES(last_seq), last_rev = VALUES(last_rev), last_at = VALUES(last_at)")
	for _, c := range open {
		conversations.add(c.ID, c.UserLo, c.UserHi, c.LastSeq, c.LastRev, c.LastAt)
	}
	for _, rows := range []*manyRows{messages, members, conversations} {
		if err := rows.run(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func addMessages(rows *manyRows, c *queries.Conversation, p ImportPiece) {
	for _, line := range p.Lines {
		c.LastSeq++
		c.LastRev++
		c.LastAt = nullTime(after(c.LastAt.Time, line.SentAt))
		rows.add(c.ID, c.LastSeq, line.Sender, line.ClientID[:], c.LastRev, line.Body, c.LastAt)
	}
}

// addMembers comes before addMessages: watermarks are counted from the piece's start.
func addMembers(rows *manyRows, c *queries.Conversation, p ImportPiece) {
	for i, user := range p.Pair {
		if i == 1 && user == p.Pair[0] {
			break // notes
		}
		var read uint64
		if p.Read[i] > 0 {
			read = c.LastSeq + uint64(p.Read[i])
		}
		rows.add(user, c.ID, read, read)
	}
}

// userPair is a conversation's people as its row has them.
type userPair struct{ lo, hi uint64 }

func pairOf(p ImportPiece) userPair {
	return userPair{min(p.Pair[0], p.Pair[1]), max(p.Pair[0], p.Pair[1])}
}

// lockConversations is lockConversation for many pairs. The IDs are read back: not every server hands out consecutive
// ones to the rows of one statement.
func lockConversations(ctx context.Context, tx *sql.Tx, pieces []ImportPiece) (map[userPair]*queries.Conversation, error) {
	insert := newInsert("conversations (user_lo, user_hi)", "id = id")
	seen := map[userPair]bool{}
	for _, p := range pieces {
		if pair := pairOf(p); !seen[pair] {
			seen[pair] = true
			insert.add(pair.lo, pair.hi)
		}
	}
	if err := insert.run(ctx, tx); err != nil {
		return nil, err
	}
	return selectConversations(ctx, tx, insert.values)
}

func selectConversations(ctx context.Context, tx *sql.Tx, pairs []any) (map[userPair]*queries.Conversation, error) {
	const one = "(user_lo = ? AND user_hi = ?)" // every engine finds these by the index, other than a list of (?, ?)
	rows, err := tx.QueryContext(ctx, "SELECT id, user_lo, user_hi, last_seq, last_rev, last_at FROM conversations WHERE "+
		one+strings.Repeat(" OR "+one, len(pairs)/2-1)+" FOR UPDATE", pairs...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[userPair]*queries.Conversation{}
	for rows.Next() {
		var c queries.Conversation
		if err := rows.Scan(&c.ID, &c.UserLo, &c.UserHi, &c.LastSeq, &c.LastRev, &c.LastAt); err != nil {
			return nil, err
		}
		found[userPair{c.UserLo, c.UserHi}] = &c
	}
	return found, rows.Err()
}
