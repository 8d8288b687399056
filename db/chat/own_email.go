package chat

import (
	"context"

	"parley/queries"
)

// EmailChange is what somebody types to have another e-mail address. An empty Email removes it.
type EmailChange struct{ Current, Email string }

// ChangeEmail gives the actor another e-mail address, and ends their other sessions. An Invalid error names the fields
// current_password and email, and then nothing was changed.
func (s *Store) ChangeEmail(ctx context.Context, actor Actor, session Session, c EmailChange) (User, error) {
	row, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return User{}, fault(err, nothingHere)
	}
	f := fields{}
	email := checkEmail(f, c.Email)
	if err := s.checkCurrent(ctx, f, actor, row, c.Current); err != nil {
		return User{}, err
	}
	if err := f.err(nothingChanged); err != nil {
		return User{}, err
	}
	var user User
	var ended endings
	err = s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		if err := s.stillOpen(ctx, t, session); err != nil {
			return err
		}
		user = userOf(t.row)
		if user.Email == email {
			return nil
		}
		user.Email = email
		return t.setEmail(ctx, email, session, &ended)
	})
	s.tellEnded(row.ID, ended, err)
	if err != nil {
		return User{}, err
	}
	s.forgetUser(row.ID)
	s.wakeMail()
	return user, nil
}

// stillOpen is for what was asked in a session before the lock was taken: whoever sets a password, or ends sessions, holds it.
func (s *Store) stillOpen(ctx context.Context, t ownTx, session Session) error {
	rows, err := t.q.SessionsByHash(ctx, queries.SessionsByHashParams{Hashes: [][]byte{session.Hash}, Now: t.at, MadeAfter: s.madeAfter(t.at)})
	if err == nil && len(rows) == 0 {
		return sessionOver()
	}
	return err
}

// setEmail makes an address the account's, unconfirmed until somebody follows the link that is sent there. The one so far is
// told, as far as it was confirmed.
func (t ownTx) setEmail(ctx context.Context, email string, session Session, ended *endings) error {
	err := t.q.UpdateUser(ctx, queries.UpdateUserParams{
		DisplayName: t.row.DisplayName, SearchKey: t.row.SearchKey, Email: nullString(email), EmailKey: nullString(canonical(email)),
		IsAdmin: t.row.IsAdmin, ID: t.row.ID,
	})
	if duplicateKey(err) {
		return fields{"email": {emailTaken}}.err(nothingChanged)
	}
	if err != nil {
		return err
	}
	if err := tell(ctx, t.q, t.at, MailEmailChanged, t.row, t.actor.IP); err != nil {
		return err
	}
	if email != "" {
		if err := queueConfirmation(ctx, t.q, t.at, t.row.ID, email, t.actor.IP); err != nil {
			return err
		}
	}
	if err := t.endOthers(ctx, session, ended); err != nil {
		return err
	}
	return t.log(ctx, AuditChangeEmail, "")
}
