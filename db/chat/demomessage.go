package chat

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"parley/queries"
)

// demoPiece is a run of messages that follow each other in one conversation.
type demoPiece struct {
	pair  [2]uint64 // the two people; twice the same for notes
	lines []demoLine
	read  [2]int // how many of the lines each of the pair has read
}

type demoLine struct {
	sender uint64
	key    uuid.UUID
	body   string
	at     time.Time
}

// A bit, which is committed at once, is about as many messages, in as many conversations at most. Both people of
// these conversations wait for its end if they write just then: below a tenth of a second.
const (
	demoBitMessages = 2000
	demoBitPieces   = 500
)

// makeMessages makes what is missing: first the written conversations that fit, then made-up ones. Where too few people
// have numbers instead of names, the made-up ones are between the people with names, and come first so that a written
// one is the end of each conversation.
func (d *demo) makeMessages(ctx context.Context) error {
	there, err := d.countMessages(ctx)
	if err != nil {
		return err
	}
	missing := d.options.Messages - there
	scripts, before, err := d.missingScripts(ctx, missing)
	if err != nil {
		return err
	}
	people, apart := d.talkers()
	bulk := demoBulk{people: people, messages: missing - piecesLength(scripts), skip: there - before, end: d.now.Add(-demoEnd), key: uuid.New()}
	order := []iter.Seq[demoPiece]{slices.Values(scripts), bulk.pieces}
	if !apart {
		bulk.end = d.now.Add(-demoScriptSpan)
		order = []iter.Seq[demoPiece]{bulk.pieces, slices.Values(scripts)}
	}
	for _, pieces := range order {
		if err := d.write(ctx, pieces, there); err != nil {
			return err
		}
	}
	return nil
}

// talkers gives the people of the made-up conversations, and whether these are apart from those with names.
func (d *demo) talkers() (ids []uint64, apart bool) {
	people, apart := d.result.Numbered, len(d.result.Numbered) >= 2
	if !apart {
		people = slices.Concat(d.result.Named, d.result.Numbered)
	}
	for _, u := range people {
		ids = append(ids, u.ID)
	}
	return ids, apart
}

// missingScripts gives the written conversations that are not there yet and fit into room, and how many messages those
// have that are there. As with every message that is sent again, its client ID says whether it is there.
func (d *demo) missingScripts(ctx context.Context, room int) (missing []demoPiece, there int, _ error) {
	ids := map[string]uint64{}
	for _, u := range d.result.Named {
		ids[u.Username] = u.ID
	}
	for _, script := range demoScripts {
		if ids[script.a] == 0 || ids[script.b] == 0 {
			continue
		}
		piece := script.piece(ids, d.now)
		found, err := d.isThere(ctx, piece)
		switch n := len(piece.lines); {
		case err != nil:
			return nil, 0, err
		case found:
			there += n
		case n <= room:
			missing, room = append(missing, piece), room-n
		}
	}
	return missing, there, nil
}

func (d *demo) isThere(ctx context.Context, p demoPiece) (bool, error) {
	pair := pairOf(p)
	c, err := d.q.ConversationOf(ctx, queries.ConversationOfParams{UserLo: pair.lo, UserHi: pair.hi})
	if err == nil {
		first := p.lines[0]
		_, err = d.q.MessageByClientKey(ctx, queries.MessageByClientKeyParams{ConversationID: c.ID, SenderID: first.sender, ClientKey: first.key[:]})
	}
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// countMessages counts what is there between demo people. What they write to others is not the demo's.
func (d *demo) countMessages(ctx context.Context) (total int, _ error) {
	if d.result.PeopleMade == len(d.people) {
		return 0, nil
	}
	ours := map[uint64]bool{}
	ids := make([]any, len(d.people))
	for i, u := range d.people {
		ours[u.ID], ids[i] = true, u.ID
	}
	for part := range slices.Chunk(ids, demoPeopleBatch) {
		n, err := d.countMessagesOf(ctx, part, ours)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func (d *demo) countMessagesOf(ctx context.Context, ids []any, ours map[uint64]bool) (total int, _ error) {
	rows, err := d.conn.QueryContext(ctx, "SELECT user_hi, last_seq FROM conversations WHERE user_lo IN ("+placeholders(len(ids))+")", ids...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var other uint64
		var messages int
		if err := rows.Scan(&other, &messages); err != nil {
			return 0, err
		}
		if ours[other] {
			total += messages
		}
	}
	return total, rows.Err()
}

// write commits pieces bit by bit.
func (d *demo) write(ctx context.Context, pieces iter.Seq[demoPiece], before int) error {
	var bit []demoPiece
	flush := func() error {
		err := d.inTx(ctx, func(tx *sql.Tx) error { return writePieces(ctx, tx, bit) })
		if err != nil {
			return err
		}
		d.result.MessagesMade += piecesLength(bit)
		d.progress(DemoProgress{"messages", before + d.result.MessagesMade, d.options.Messages})
		bit = bit[:0]
		return nil
	}
	for piece := range pieces {
		bit = append(bit, piece)
		if piecesLength(bit) >= demoBitMessages || len(bit) == demoBitPieces {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(bit) == 0 {
		return nil
	}
	return flush()
}

func piecesLength(pieces []demoPiece) (n int) {
	for _, p := range pieces {
		n += len(p.lines)
	}
	return n
}

// writePieces does what SendMessage does, for many messages: it locks the conversations, which hand out seq and rev,
// adds the messages, and moves the counters and the watermarks on.
func writePieces(ctx context.Context, tx *sql.Tx, pieces []demoPiece) error {
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

func addMessages(rows *manyRows, c *queries.Conversation, p demoPiece) {
	for _, line := range p.lines {
		c.LastSeq++
		c.LastRev++
		c.LastAt = nullTime(after(c.LastAt.Time, line.at))
		rows.add(c.ID, c.LastSeq, line.sender, line.key[:], c.LastRev, line.body, c.LastAt)
	}
}

// addMembers comes before addMessages: watermarks are counted from the piece's start.
func addMembers(rows *manyRows, c *queries.Conversation, p demoPiece) {
	for i, user := range p.pair {
		if i == 1 && user == p.pair[0] {
			break // notes
		}
		var read uint64
		if p.read[i] > 0 {
			read = c.LastSeq + uint64(p.read[i])
		}
		rows.add(user, c.ID, read, read)
	}
}

// userPair is a conversation's people as its row has them.
type userPair struct{ lo, hi uint64 }

func pairOf(p demoPiece) userPair {
	return userPair{min(p.pair[0], p.pair[1]), max(p.pair[0], p.pair[1])}
}

// lockConversations is lockConversation for many pairs. The IDs are read back: not every server hands out consecutive
// ones to the rows of one statement.
func lockConversations(ctx context.Context, tx *sql.Tx, pieces []demoPiece) (map[userPair]*queries.Conversation, error) {
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
