package chat

import (
	"context"
	"time"

	"parley/queries"
)

// ownTx is a transaction in which somebody acts on their own account, whose row it holds.
type ownTx struct {
	q     *queries.Queries
	actor Actor
	at    time.Time
	row   queries.User
}

// asSelf runs f in a transaction that holds the lock on the actor's row. Whoever ends somebody's sessions, or disables
// their account, holds that too.
func (s *Store) asSelf(ctx context.Context, actor Actor, f func(context.Context, ownTx) error) error {
	return s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		row, err := q.LockUserByID(ctx, actor.User.ID)
		if err != nil {
			return fault(err, nothingHere)
		}
		if row.DisabledAt.Valid {
			return notFound(nothingHere)
		}
		return f(ctx, ownTx{q: q, actor: actor, at: s.now(), row: row})
	})
}
