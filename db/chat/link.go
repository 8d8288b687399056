package chat

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"parley/queries"
)

// LinkKind says what a link does.
type LinkKind string

// The kinds of links. A user has at most one of each: a newer one ends an older.
const (
	LinkReset   LinkKind = "reset"   // chooses a new password
	LinkConfirm LinkKind = "confirm" // confirms an e-mail address

	// linkWanted does nothing, and nobody has it. It notes for a day which address somebody wants to have, whether or not a
	// mail could be sent that lets them.
	linkWanted LinkKind = "wanted"
)

// How long links work. The OWASP Forgot Password Cheat Sheet asks for single use and "an appropriate period", no number;
// an hour is usual, and a mail that was held up has a link that is made when it goes. Confirming an address gives nobody a
// way in, so people may take a day.
const (
	resetFor   = time.Hour
	confirmFor = 24 * time.Hour
)

// newLinkToken makes what a link carries: as a session's token, and as that stored nowhere.
func newLinkToken() string {
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(secret)
}

type newLink struct {
	kind    LinkKind
	user    queries.User
	email   string // where it goes to, "" where an admin passes it on
	mail    uint64 // the mail that it is in, or 0
	token   string
	expires time.Time
}

// putLink ends an older link of the same kind. The user's row must be locked: whoever follows a link locks it too.
func putLink(ctx context.Context, q *queries.Queries, at time.Time, l newLink) error {
	return q.PutLink(ctx, queries.PutLinkParams{
		UserID: l.user.ID, Kind: string(l.kind), TokenHash: tokenHash(l.token), StateHash: linkState(l.kind, l.user),
		Email: l.email, MailID: l.mail, CreatedAt: at, ExpiresAt: l.expires,
	})
}

// linkState is what a link rests on: it ends when the address changes, and one for a new password when that does. So
// whoever changes either need not know of links.
func linkState(kind LinkKind, user queries.User) []byte {
	state := string(kind) + "\x00" + user.EmailKey.String
	if kind == LinkReset {
		state += "\x00" + user.PasswordHash
	}
	sum := sha256.Sum256([]byte(state))
	return sum[:]
}

// linkWorks says whether the link still does something, for its user as they are now.
func linkWorks(link queries.Link, user queries.User, at time.Time) bool {
	return !user.DisabledAt.Valid && at.Before(link.ExpiresAt) && bytes.Equal(link.StateHash, linkState(LinkKind(link.Kind), user))
}

// findLink gives a link that works, with its user. One that doesn't is NotFound, whatever the reason.
func (s *Store) findLink(ctx context.Context, kind LinkKind, token string) (queries.Link, queries.User, error) {
	link, err := s.q.LinkByHash(ctx, tokenHash(token))
	if err != nil || link.Kind != string(kind) {
		return link, queries.User{}, fault(orNoRow(err), linkEnded[kind])
	}
	user, err := s.q.UserByID(ctx, link.UserID)
	if err == nil && !linkWorks(link, user, s.now()) {
		err = notFound(linkEnded[kind])
	}
	return link, user, fault(err, linkEnded[kind])
}

var linkEnded = map[LinkKind]string{
	LinkReset:   "This link doesn't work any more: it works once and for an hour, and only the newest one does. Ask for another.",
	LinkConfirm: "This link doesn't work any more: it works once and for a day, and only the newest one does. Ask for another.",
}

// takeLink ends a link that findLink gave, and gives its user, whose row is locked from then on. NotFound means that it
// has ended since, perhaps by this very transaction, whose answer was lost.
func takeLink(ctx context.Context, q *queries.Queries, at time.Time, found queries.Link) (queries.User, error) {
	kind := LinkKind(found.Kind)
	user, err := q.LockUserByID(ctx, found.UserID)
	if err != nil {
		return user, fault(err, linkEnded[kind])
	}
	link, err := q.LinkOf(ctx, queries.LinkOfParams{UserID: found.UserID, Kind: found.Kind})
	if err != nil {
		return user, fault(err, linkEnded[kind])
	}
	if !bytes.Equal(link.TokenHash, found.TokenHash) || !linkWorks(link, user, at) {
		return user, notFound(linkEnded[kind])
	}
	return user, q.DeleteLink(ctx, queries.DeleteLinkParams{UserID: found.UserID, Kind: found.Kind})
}
