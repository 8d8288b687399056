package chat

import (
	"context"
	"slices"
	"time"

	"parley/queries"
)

// Actor is who acts, and the IP address that they act from. Every method for admins takes one and answers anybody who
// isn't an admin now, whatever User says, with NotFound.
type Actor struct {
	User    User
	IP      string
	Session []byte // the Hash of the Session that they act in, be it an access token's; nil where they act in none
}

// nothingHere is what somebody reads who isn't an admin: just what a page says that doesn't exist.
const nothingHere = "There is nothing at this address, or it isn't yours to see."

// mustBeAdmin guards what admins only read. It looks the actor up, since whoever calls may hold a user from before a
// demotion.
func (s *Store) mustBeAdmin(ctx context.Context, actor Actor) error {
	row, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return fault(err, nothingHere)
	}
	if !row.IsAdmin || row.DisabledAt.Valid {
		return notFound(nothingHere)
	}
	return nil
}

// adminTx is a transaction in which an admin acts.
type adminTx struct {
	q      *queries.Queries
	actor  Actor
	at     time.Time
	admins []uint64 // every active admin

	madeAfter time.Time // sessions from before have ended
}

// asAdmin runs f in a transaction that holds the locks on all active admins, the actor among them. So nobody acts on
// rights that are being taken away, and two who demote each other take turns.
func (s *Store) asAdmin(ctx context.Context, actor Actor, f func(context.Context, adminTx) error) error {
	return s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		admins, err := q.LockActiveAdmins(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(admins, actor.User.ID) {
			return notFound(nothingHere)
		}
		at := s.now()
		return f(ctx, adminTx{q: q, actor: actor, at: at, admins: admins, madeAfter: s.madeAfter(at)})
	})
}

// isLastAdmin says whether nobody but this user could administer Parley.
func (t adminTx) isLastAdmin(user uint64) bool { return slices.Equal(t.admins, []uint64{user}) }
