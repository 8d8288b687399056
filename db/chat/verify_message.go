package chat

import (
	"context"
	"database/sql"
	"hash/maphash"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// verifyMessages is read row by row, which sqlc's queries can't, in the order in which the table lies on the disk. Of a
// body the first character is enough: bodies are trimmed, so the one of an empty body is none or white space.
const verifyMessages = `SELECT conversation_id, seq, sender_id, client_key, rev, created_at, deleted_at IS NOT NULL, LEFT(body, 1)
	FROM messages WHERE conversation_id >= ? AND conversation_id <= ? ORDER BY conversation_id, seq`

// messageRow is valid until the next row is read.
type messageRow struct {
	conversation, seq, sender uint64
	clientKey                 sql.RawBytes
	rev                       uint64
	createdAt                 time.Time
	deleted                   bool
	start                     sql.RawBytes
}

// progressRows is after how many messages progress is told of.
const progressRows = 10_000

// readMessages goes through the messages of all conversations between two IDs, and gives each to whom in list its
// conversation is. Both are in the order of conversations, so one pass does; what has no conversation in list is
// an orphan.
func (v *verifier) readMessages(ctx context.Context, tx *sql.Tx, from, to uint64, list []*examined, progress func(int)) error {
	rows, err := tx.QueryContext(ctx, verifyMessages, from, to)
	if err != nil {
		return err
	}
	defer rows.Close()
	var m messageRow
	current, n := &examined{}, 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(&m.conversation, &m.seq, &m.sender, &m.clientKey, &m.rev, &m.createdAt, &m.deleted, &m.start); err != nil {
			return err
		}
		if n == 0 || m.conversation != current.ID {
			v.close(current)
			current, list = find(list, m.conversation)
		}
		current.add(&m, &v.keys)
		if n%progressRows == progressRows-1 {
			progress(progressRows)
		}
	}
	v.close(current)
	progress(n % progressRows)
	return rows.Err()
}

// find gives the conversation with an ID, or an orphan, and the part of the list behind it.
func find(list []*examined, id uint64) (*examined, []*examined) {
	for len(list) > 0 && list[0].ID < id {
		list = list[1:]
	}
	if len(list) > 0 && list[0].ID == id {
		return list[0], list[1:]
	}
	e := &examined{orphan: true}
	e.ID = id
	return e, list
}

// close ends a conversation's messages.
func (v *verifier) close(e *examined) {
	e.keysInDoubt = v.keys.repeated()
	v.keys.reset()
	if e.orphan {
		v.result.Messages += int(e.count)
		v.report(Problem{Check: CheckMessageOrphan, Conversation: e.ID, Seq: e.firstSeq, Detail: several(e.count, "message") +
			" can't be reached, as the conversation isn't there; a new one under its number would show them to others: put its row in conversations back from a backup"})
	}
}

// tally is what a conversation's messages add up to.
type tally struct {
	count             uint64
	firstSeq, lastSeq uint64
	lastRev           uint64 // the highest
	lastAt            time.Time
	holes, repeats    places
	lowRevs, early    places
	strangers, blank  places
	revsInDoubt       bool // they don't only rise, so they may repeat
	keysInDoubt       bool
	unread            [2]int
}

func (e *examined) add(m *messageRow, keys *fingerprints) {
	e.addSeq(m.seq)
	e.addRev(m)
	if m.createdAt.Before(e.lastAt) {
		e.early.add(m.seq, 1)
	}
	e.lastAt = m.createdAt
	if m.sender != e.UserLo && m.sender != e.UserHi {
		e.strangers.add(m.seq, 1)
	}
	if !m.deleted && isBlank(m.start) {
		e.blank.add(m.seq, 1)
	}
	for i, reader := range e.readers() {
		if m.seq > reader.read && m.sender != reader.user && !m.deleted {
			e.unread[i]++
		}
	}
	keys.add(m.sender, m.clientKey)
}

// addSeq expects each seq to be one above the one before.
func (t *tally) addSeq(seq uint64) {
	if t.count == 0 {
		t.firstSeq = seq
	}
	t.count++
	switch {
	case seq <= t.lastSeq:
		t.repeats.add(seq, 1)
	case seq > t.lastSeq+1:
		t.holes.add(t.lastSeq+1, seq-t.lastSeq-1)
	}
	t.lastSeq = seq
}

// addRev knows that a message's first rev is at least its seq, since each message took a rev, and that it only rises.
func (t *tally) addRev(m *messageRow) {
	if m.rev < m.seq || m.rev == 0 {
		t.lowRevs.add(m.seq, 1)
	}
	t.revsInDoubt = t.revsInDoubt || m.rev <= t.lastRev
	t.lastRev = max(t.lastRev, m.rev)
}

func isBlank(start []byte) bool {
	first, _ := utf8.DecodeRune(start)
	return len(start) == 0 || unicode.IsSpace(first) || first == 0
}

// fingerprints say of one conversation's client IDs whether two may be the same. This looks at the rows themselves:
// a unique key can be damaged too. Only in doubt the server is asked.
type fingerprints struct {
	seed maphash.Seed
	most int
	all  []uint64
	full bool
}

func (f *fingerprints) add(sender uint64, key []byte) {
	if f.full = f.full || len(f.all) == f.most; f.full {
		return
	}
	f.all = append(f.all, maphash.Bytes(f.seed, key)+sender)
}

func (f *fingerprints) repeated() bool {
	slices.Sort(f.all)
	return f.full || len(slices.Compact(f.all)) < len(f.all)
}

func (f *fingerprints) reset() { f.all, f.full = f.all[:0], false }
