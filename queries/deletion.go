package queries

import (
	"context"
	"time"
)

// EraseMessages empties the bodies of some of a sender's messages in a conversation that is locked, and gives them the
// revs after rev in their order. It says how many it found; they are to be those that seqs names.
func (q *Queries) EraseMessages(ctx context.Context, conversation, sender uint64, seqs []uint64, rev uint64, at time.Time) (int64, error) {
	list := repeated("?", ", ", len(seqs))
	args := []any{at, rev}
	for _, seq := range seqs {
		args = append(args, seq)
	}
	args = append(args, conversation, sender)
	for _, seq := range seqs {
		args = append(args, seq)
	}
	result, err := q.db.ExecContext(ctx, named("EraseMessages", "UPDATE messages SET body = '', deleted_at = COALESCE(deleted_at, ?), rev = ? + FIELD(seq, ")+list+
		") WHERE conversation_id = ? AND sender_id = ? AND (deleted_at IS NULL OR body <> '') AND seq IN ("+list+")", args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
