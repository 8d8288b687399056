package chat

import (
	"context"

	"parley/queries"
)

// EmailChange is what somebody types to have another e-mail address. An empty Email removes it.
type EmailChange struct{ Current, Email string }

// OwnEmail is what somebody sees of their address.
type OwnEmail struct {
	User   User
	Wanted string // the address that is to be theirs once they follow the link in the mail there; "" for none
}

// OwnEmail gives the actor's.
func (s *Store) OwnEmail(ctx context.Context, actor Actor) (OwnEmail, error) {
	row, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return OwnEmail{}, fault(err, nothingHere)
	}
	wanted, _, err := wantedEmail(ctx, s.q, row, s.now())
	return OwnEmail{userOf(row), wanted}, fault(err, "")
}

// ChangeEmail has a mail sent to another e-mail address, which is the actor's as soon as they follow the link in it; an empty one
// is taken away at once. It ends their other sessions. Whether the address is another account's is not said: see offerEmail.
// An Invalid error names the fields current_password and email, and then nothing was changed.
func (s *Store) ChangeEmail(ctx context.Context, actor Actor, session Session, c EmailChange) (own OwnEmail, _ error) {
	row, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return own, fault(err, nothingHere)
	}
	f := fields{}
	email := checkEmail(f, c.Email)
	if err := s.checkCurrent(ctx, f, actor, row, c.Current); err != nil {
		return own, err
	}
	if err := f.err(nothingChanged); err != nil {
		return own, err
	}
	var ended endings
	err = s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		if err := s.stillOpen(ctx, t, session.Hash); err != nil {
			return err
		}
		own, err = t.giveEmail(ctx, email, session, &ended)
		return err
	})
	s.tellEnded(row.ID, ended, err)
	if err != nil {
		return own, err
	}
	s.forgetUser(row.ID)
	s.wakeMail()
	return own, nil
}

// giveEmail needs no mail where the address goes, or is the same in other letters.
func (t ownTx) giveEmail(ctx context.Context, email string, session Session, ended *endings) (OwnEmail, error) {
	own := OwnEmail{User: userOf(t.row)}
	if own.User.Email == email {
		return own, t.q.DeleteLink(ctx, queries.DeleteLinkParams{UserID: t.row.ID, Kind: string(linkWanted)})
	}
	if err := t.endOthers(ctx, session, ended); err != nil {
		return own, err
	}
	if canonical(email) == t.row.EmailKey.String || email == "" {
		own.User.Email = email
		return own, t.setEmail(ctx, email)
	}
	own.Wanted = email
	if err := offerEmail(ctx, t.q, t.at, t.row, email, t.actor.IP); err != nil {
		return own, err
	}
	return own, t.log(ctx, AuditWantEmail, "")
}

// setEmail tells the address so far, as far as it was confirmed.
func (t ownTx) setEmail(ctx context.Context, email string) error {
	err := t.q.UpdateUser(ctx, queries.UpdateUserParams{
		DisplayName: t.row.DisplayName, SearchKey: t.row.SearchKey, Email: nullString(email), EmailKey: nullString(canonical(email)),
		IsAdmin: t.row.IsAdmin, ID: t.row.ID,
	})
	if err != nil {
		return err
	}
	return t.announce(ctx, MailEmailChanged, AuditChangeEmail, "")
}
