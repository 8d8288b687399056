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

// stillOpen is for what was asked in a session before the lock was taken, and outlasts it: whoever sets a password, or ends
// sessions, holds the lock. Otherwise somebody whose session was just ended could make themself another way in, on a node
// that remembers it for a moment. It takes the hash of an access token too.
func (s *Store) stillOpen(ctx context.Context, t ownTx, session []byte) error {
	if session == nil {
		return nil
	}
	rows, err := t.q.SessionsByHash(ctx, queries.SessionsByHashParams{Hashes: [][]byte{session}, Now: t.at, MadeAfter: s.madeAfter(t.at)})
	if err != nil || len(rows) > 0 {
		return err
	}
	tokens, err := t.q.TokensByHash(ctx, queries.TokensByHashParams{Hashes: [][]byte{session}, Now: nullTime(t.at)})
	if err == nil && len(tokens) == 0 {
		return sessionOver()
	}
	return err
}

// asSelfInSession is asSelf for what outlasts the session that it is done in, such as another way to sign in.
func (s *Store) asSelfInSession(ctx context.Context, actor Actor, f func(context.Context, ownTx) error) error {
	return s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		if err := s.stillOpen(ctx, t, actor.Session); err != nil {
			return err
		}
		return f(ctx, t)
	})
}

// announce is log for what concerns how somebody signs in: they are told by mail too, since it may have been somebody else.
func (t ownTx) announce(ctx context.Context, kind MailKind, action AuditAction, detail string) error {
	if err := tell(ctx, t.q, t.at, kind, t.row, t.actor.IP); err != nil {
		return err
	}
	return t.log(ctx, action, detail)
}

// log writes what somebody did to their own account.
func (t ownTx) log(ctx context.Context, action AuditAction, detail string) error {
	return record(ctx, t.q, t.at, t.actor, deed{action: action, subject: t.row.ID, detail: detail})
}
