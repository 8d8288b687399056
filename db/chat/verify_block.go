package chat

import (
	"context"
	"database/sql"

	"parley/queries"
)

// blocks is what a conversation's blocked is to be.
func (e *examined) blocks() (bits uint8) {
	if e.row.LoBlocks.Valid {
		bits |= blockedByLo
	}
	if e.row.HiBlocks.Valid {
		bits |= blockedByHi
	}
	return bits
}

// blocks finds those that can't do anything. Whether the others are done justice is checked with the conversations.
func (v *verifier) blocks(ctx context.Context) error {
	return inPieces(v.sizes.rows, func(after queries.VerifyBlocksRow) ([]queries.VerifyBlocksRow, error) {
		return v.q.VerifyBlocks(ctx, queries.VerifyBlocksParams{AfterUser: after.UserID, AfterBlocked: after.BlockedID, Limit: v.sizes.rows})
	}, func(row queries.VerifyBlocksRow) error {
		return v.block(ctx, row)
	}, func(int) {})
}

func (v *verifier) block(ctx context.Context, row queries.VerifyBlocksRow) error {
	p := Problem{Check: CheckBlockOrphan, User: row.UserID}
	switch {
	case !row.Blocker.Valid || !row.Other.Valid:
		p.Repairable, p.Detail = true, "a block by or of somebody who has no account"
	case !row.Conversation.Valid:
		p.Detail = "a block keeps nobody from sending since these two people's conversation isn't there: put that back from a backup, or block once more"
	default:
		return nil
	}
	return v.settle(ctx, []Problem{p}, func(ctx context.Context, tx *sql.Tx) ([]Problem, error) {
		n, err := v.q.WithTx(tx).RepairBlock(ctx, queries.RepairBlockParams{UserID: row.UserID, BlockedID: row.BlockedID})
		return repairedIf(n > 0, p), err
	})
}
