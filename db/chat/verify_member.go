package chat

import (
	"context"
	"database/sql"

	"parley/queries"
)

// members checks that nobody is a member of what isn't theirs. That both people of a conversation are members is
// checked with the conversation.
func (v *verifier) members(ctx context.Context) error {
	v.begin("memberships", v.totals.Members)
	return inPieces(v.sizes.rows, func(after queries.VerifyMembersRow) ([]queries.VerifyMembersRow, error) {
		return v.q.VerifyMembers(ctx, queries.VerifyMembersParams{AfterUser: after.UserID, AfterConversation: after.ConversationID, Limit: v.sizes.rows})
	}, func(row queries.VerifyMembersRow) error {
		return v.member(ctx, row)
	}, func(n int) {
		v.result.Members += n
		v.advance(n)
	})
}

// member leaves alone whom a lost conversation's messages belong to: they may tell whose they are.
func (v *verifier) member(ctx context.Context, row queries.VerifyMembersRow) error {
	p := Problem{Conversation: row.ConversationID, User: row.UserID, Repairable: true}
	switch {
	case row.Belongs == 1 || row.Orphans == 1:
		return nil
	case row.Conversation.Valid:
		p.Check, p.Detail = CheckMemberStranger, "somebody is a member who is neither of the two people, and sees the newest message in their list"
	default:
		p.Check, p.Detail = CheckMemberOrphan, "somebody is a member of a conversation of which nothing is there"
	}
	return v.settle(ctx, []Problem{p}, func(ctx context.Context, tx *sql.Tx) ([]Problem, error) {
		n, err := v.q.WithTx(tx).RepairMember(ctx, queries.RepairMemberParams{UserID: row.UserID, ConversationID: row.ConversationID})
		return repairedIf(n > 0, p), err
	})
}

// repairedIf gives nothing for what was right by the time of the repair.
func repairedIf(done bool, p Problem) []Problem {
	if !done {
		return nil
	}
	p.Repaired = true
	return []Problem{p}
}
