package chat

import (
	"context"

	"parley/queries"
)

// OpenSetup gives the token by which whoever has it can make the first admin, or "" where there is an admin who can sign
// in. It works until it is used, until there is an admin by another way, or until the next OpenSetup: of several nodes
// that start, the newest one's works.
func (s *Store) OpenSetup(ctx context.Context) (token string, err error) {
	fresh, hash := newToken()
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		admins, err := q.LockActiveAdmins(ctx)
		if err != nil {
			return err
		}
		if len(admins) > 0 {
			token = ""
			return q.DropSetupLinks(ctx)
		}
		token = fresh
		return q.PutSetupLink(ctx, queries.PutSetupLinkParams{TokenHash: hash, CreatedAt: s.now()})
	})
	return token, fault(err, "")
}

// CheckSetup is NotFound, just as any page that doesn't exist, unless SetUp takes this token.
func (s *Store) CheckSetup(ctx context.Context, token string) error {
	open, err := s.q.SetupLinkOpen(ctx, tokenHash(token))
	if err == nil && !open {
		return notFound(nothingHere)
	}
	return fault(err, "")
}

const alreadySetUp = "Somebody has made the first admin just now, so this link has done its work. Sign in, or ask that admin for an account."

// SetUp makes the first admin and names the place. An Invalid error names the fields name, username, display_name, email
// and password. Of several at the same time one succeeds; to the others it is a Conflict. Without a token that CheckSetup
// takes it is NotFound.
func (s *Store) SetUp(ctx context.Context, from Actor, token, placeName string, n NewUser) (user User, err error) {
	if err := s.CheckSetup(ctx, token); err != nil {
		return User{}, err
	}
	n.IsAdmin = true
	n, hash, err := s.checkNewUser(ctx, n, func(f fields, _ NewUser) { placeName = checkPlaceName(f, "name", placeName) })
	if err != nil {
		return User{}, err
	}
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		user, err = s.setUp(ctx, q, from, token, placeName, n, hash)
		return err
	})
	s.place.forget(func(struct{}, Place) bool { return true })
	s.wakeMail()
	return user, fault(err, "")
}

// setUp takes the link first: whoever else does so at the same time waits here, and then finds none.
func (s *Store) setUp(ctx context.Context, q *queries.Queries, from Actor, token, placeName string, n NewUser, hash string) (User, error) {
	taken, err := q.TakeSetupLink(ctx, tokenHash(token))
	if err != nil {
		return User{}, err
	}
	admins, err := q.LockActiveAdmins(ctx)
	if err != nil {
		return User{}, err
	}
	if taken == 0 || len(admins) > 0 {
		return s.setUpBefore(ctx, q, n, hash)
	}
	user, err := s.insertUser(ctx, q, n, hash)
	if err != nil {
		return User{}, err
	}
	if err := q.PutSetting(ctx, queries.PutSettingParams{Name: "name", Value: placeName}); err != nil {
		return User{}, err
	}
	if user.Email != "" {
		if err := queueConfirmation(ctx, q, s.now(), user.ID, user.Email, from.IP); err != nil {
			return User{}, err
		}
	}
	return user, record(ctx, q, s.now(), Actor{User: user, IP: from.IP}, deed{action: AuditSetUp, subject: user.ID, detail: placeName})
}

// setUpBefore tells the transaction that runs again after a commit whose answer was lost from one that came too late: only
// the former's account has its hash.
func (s *Store) setUpBefore(ctx context.Context, q *queries.Queries, n NewUser, hash string) (User, error) {
	row, err := q.UserByKey(ctx, usernameKey(n.Username))
	if err != nil && !noRow(err) {
		return User{}, err
	}
	if err == nil && row.PasswordHash == hash {
		return userOf(row), nil
	}
	return User{}, &Error{Kind: Conflict, Text: alreadySetUp}
}
