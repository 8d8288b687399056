package chat

import (
	"context"
	"database/sql"
	"math"

	"parley/queries"
)

func (v *verifier) settleConversation(ctx context.Context, e *examined) error {
	if len(e.problems) == 0 {
		return v.compareUnread(ctx, e)
	}
	return v.settle(ctx, e.problems, func(ctx context.Context, tx *sql.Tx) ([]Problem, error) {
		return v.repairConversation(ctx, tx, e.ID)
	})
}

// repairConversation looks once more under the lock that every sender takes, and puts right what it finds then.
func (v *verifier) repairConversation(ctx context.Context, tx *sql.Tx, id uint64) ([]Problem, error) {
	q := v.q.WithTx(tx)
	if _, err := q.VerifyLockConversation(ctx, id); err != nil {
		return nil, err
	}
	rows, err := q.VerifyConversations(ctx, queries.VerifyConversationsParams{FromID: id, ToID: id, Limit: 2})
	if err != nil {
		return nil, err
	}
	list, err := v.examine(ctx, tx, rows, id, id, func(int) {})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	e := list[0]
	if err := e.repair(ctx, q); err != nil {
		return nil, err
	}
	for i := range e.problems {
		e.problems[i].Repaired = e.problems[i].Repairable
	}
	return e.problems, nil
}

func (e *examined) has(check Check) bool {
	for _, p := range e.problems {
		if p.Check == check && p.Repairable {
			return true
		}
	}
	return false
}

func (e *examined) repair(ctx context.Context, q *queries.Queries) error {
	if err := e.repairMembers(ctx, q); err != nil {
		return err
	}
	rev, err := e.repairRevs(ctx, q)
	if err != nil {
		return err
	}
	at := e.LastAt
	if e.has(CheckLastAt) {
		at = nullTime(e.lastAt)
	}
	return q.RepairConversation(ctx, queries.RepairConversationParams{LastSeq: e.endSeq(), LastRev: rev, LastAt: at, Blocked: e.blocks(), ID: e.ID})
}

// repairMembers needs no lock on the rows: each statement only goes where the other writers' can't have been meanwhile.
func (e *examined) repairMembers(ctx context.Context, q *queries.Queries) error {
	for _, r := range e.people() {
		var err error
		if r.account && !r.member {
			err = q.CreateMembers(ctx, []queries.Member{{UserID: r.user, ConversationID: e.ID}})
		} else {
			err = q.RepairWatermarks(ctx, queries.RepairWatermarksParams{LastSeq: e.endSeq(), UserID: r.user, ConversationID: e.ID})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// repairRevs gives the conversation's last rev. Revs aren't lowered, since pages remember the highest that they saw:
// where last_rev is above all messages, the newest message takes the next one.
func (e *examined) repairRevs(ctx context.Context, q *queries.Queries) (rev uint64, err error) {
	rev = max(e.LastRev, e.lastRev)
	if e.has(CheckRevLow) || e.has(CheckRevRepeat) {
		rev = max(rev, e.endSeq())
		seqs, err := q.RepairableRevs(ctx, queries.RepairableRevsParams{ConversationID: e.ID, Limit: math.MaxInt32})
		if err != nil {
			return rev, err
		}
		return giveRevs(ctx, q, e.ID, rev, seqs)
	}
	if e.has(CheckRevAhead) {
		return giveRevs(ctx, q, e.ID, rev, []uint64{e.lastSeq})
	}
	return rev, nil
}

func giveRevs(ctx context.Context, q *queries.Queries, conversation, rev uint64, seqs []uint64) (uint64, error) {
	for _, seq := range seqs {
		rev++
		if err := q.RepairRev(ctx, queries.RepairRevParams{Rev: rev, ConversationID: conversation, Seq: seq}); err != nil {
			return rev, err
		}
	}
	return rev, nil
}
