package demo

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"

	"parley/db/chat"
)

// A bit, which is committed at once, is about as many messages, in as many conversations at most. Both people of
// these conversations wait for its end if they write just then: below a tenth of a second.
const (
	bitMessages = 2000
	bitPieces   = 500
)

// makeMessages makes what is missing: first the written conversations that fit, then made-up ones. Where too few people
// have numbers instead of names, the made-up ones are between the people with names, and come first so that a written
// one is the end of each conversation.
func (m *maker) makeMessages(ctx context.Context) error {
	there, err := m.countMessages(ctx)
	if err != nil {
		return err
	}
	missing := m.options.Messages - there
	written, before, err := m.missingScripts(ctx, missing)
	if err != nil {
		return err
	}
	people, apart := m.talkers()
	rest := bulk{people: people, messages: missing - piecesLength(written), skip: there - before, end: m.now.Add(-lastAgo), key: uuid.New()}
	order := []iter.Seq[chat.ImportPiece]{slices.Values(written), rest.pieces}
	if !apart {
		rest.end = m.now.Add(-scriptSpan)
		order = []iter.Seq[chat.ImportPiece]{rest.pieces, slices.Values(written)}
	}
	for _, pieces := range order {
		if err := m.write(ctx, pieces, there); err != nil {
			return err
		}
	}
	return nil
}

// talkers gives the people of the made-up conversations, and whether these are apart from those with names.
func (m *maker) talkers() (ids []uint64, apart bool) {
	people, apart := m.result.Numbered, len(m.result.Numbered) >= 2
	if !apart {
		people = slices.Concat(m.result.Named, m.result.Numbered)
	}
	for _, u := range people {
		ids = append(ids, u.ID)
	}
	return ids, apart
}

// missingScripts gives the written conversations that are not there yet and fit into room, and how many messages those
// have that are there. As with every message that is sent again, its client ID says whether it is there.
func (m *maker) missingScripts(ctx context.Context, room int) (missing []chat.ImportPiece, there int, _ error) {
	ids := map[string]uint64{}
	for _, u := range m.result.Named {
		ids[u.Username] = u.ID
	}
	for _, s := range scripts {
		if ids[s.a] == 0 || ids[s.b] == 0 {
			continue
		}
		piece := s.piece(ids, m.now)
		found, err := m.isThere(ctx, piece)
		switch n := len(piece.Lines); {
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

func (m *maker) isThere(ctx context.Context, p chat.ImportPiece) (found bool, _ error) {
	first := p.Lines[0]
	err := m.conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT * FROM conversations c JOIN messages m ON m.conversation_id = c.id
		WHERE c.user_lo = ? AND c.user_hi = ? AND m.sender_id = ? AND m.client_key = ?)`,
		min(p.Pair[0], p.Pair[1]), max(p.Pair[0], p.Pair[1]), first.Sender, first.ClientID[:]).Scan(&found)
	return found, err
}

// countMessages counts what is there between demo people. What they write to others is not the demo's.
func (m *maker) countMessages(ctx context.Context) (total int, _ error) {
	if m.result.PeopleMade == len(m.people) {
		return 0, nil
	}
	ours := map[uint64]bool{}
	ids := make([]any, len(m.people))
	for i, u := range m.people {
		ours[u.ID], ids[i] = true, u.ID
	}
	for part := range slices.Chunk(ids, peopleBatch) {
		n, err := m.countMessagesOf(ctx, part, ours)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func (m *maker) countMessagesOf(ctx context.Context, ids []any, ours map[uint64]bool) (total int, _ error) {
	rows, err := m.conn.QueryContext(ctx, "SELECT user_hi, last_seq FROM conversations WHERE user_lo IN (?"+strings.Repeat(", ?", len(ids)-1)+")", ids...)
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
func (m *maker) write(ctx context.Context, pieces iter.Seq[chat.ImportPiece], before int) error {
	var bit []chat.ImportPiece
	flush := func() error {
		if err := m.importer.Messages(ctx, bit); err != nil {
			return err
		}
		m.result.MessagesMade += piecesLength(bit)
		m.progress(Progress{"messages", before + m.result.MessagesMade, m.options.Messages})
		bit = bit[:0]
		return nil
	}
	for piece := range pieces {
		bit = append(bit, piece)
		if piecesLength(bit) >= bitMessages || len(bit) == bitPieces {
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

func piecesLength(pieces []chat.ImportPiece) (n int) {
	for _, p := range pieces {
		n += len(p.Lines)
	}
	return n
}
