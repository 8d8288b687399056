package chat

import (
	"context"
	"time"

	"parley/queries"
)

// queueConfirmation has a link sent to an address that makes it the user's own, confirmed, when it is followed. It is for
// whoever gives an account an address without being an admin: the account either has it already, unconfirmed, or keeps
// the one that it has until then. Call it in the transaction that the rest is in, and wakeMail after that.
func queueConfirmation(ctx context.Context, q *queries.Queries, at time.Time, user uint64, email, ip string) error {
	return queueMail(ctx, q, at, letter{MailConfirm, user, email, ip})
}

// confirmPause is the shortest time from one link to the next that somebody asks for, as resetPause.
const confirmPause = 5 * time.Minute

// AskConfirmation sends the actor a further link that confirms the address of their account. An Invalid error names the
// field email: there is no address, or it is confirmed, or a link was sent just now.
func (s *Store) AskConfirmation(ctx context.Context, actor Actor) error {
	err := s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		link, err := t.q.LinkOf(ctx, queries.LinkOfParams{UserID: t.row.ID, Kind: string(LinkConfirm)})
		if err != nil && !noRow(err) {
			return err
		}
		f := fields{}
		switch {
		case !t.row.Email.Valid:
			f.add("email", "Your account has no e-mail address.")
		case t.row.EmailConfirmedAt.Valid:
			f.add("email", "Your e-mail address is confirmed already.")
		case err == nil && t.at.Sub(link.CreatedAt) < confirmPause:
			f.add("email", "A mail was sent in the last five minutes. Look for it, among unwanted mail too, before you ask for another.")
		}
		if err := f.err("No mail is on its way."); err != nil {
			return err
		}
		return queueConfirmation(ctx, t.q, t.at, t.row.ID, t.row.Email.String, actor.IP)
	})
	s.wakeMail()
	return err
}

// Confirmation is what a link confirms.
type Confirmation struct {
	User  User
	Email string
}

// FindConfirmation gives what a link would confirm, and changes nothing. A link that has ended is NotFound.
func (s *Store) FindConfirmation(ctx context.Context, token string) (Confirmation, error) {
	link, user, err := s.findLink(ctx, LinkConfirm, token)
	return Confirmation{userOf(user), link.Email}, err
}

// Confirm makes the address that a link was sent to the user's own. Where it takes the place of another, that is told by
// mail. The link ends with it. An Invalid error names the field email: another account has got the address meanwhile.
func (s *Store) Confirm(ctx context.Context, token, ip string) (Confirmation, error) {
	link, user, err := s.findLink(ctx, LinkConfirm, token)
	if err != nil {
		return Confirmation{}, err
	}
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		return s.confirm(ctx, q, link, Actor{User: userOf(user), IP: ip})
	})
	if err != nil {
		return Confirmation{}, err
	}
	s.wakeMail()
	s.forgetUser(user.ID)
	return Confirmation{userOf(user), link.Email}, nil
}

// confirm does nothing where it is done already: then the transaction runs again after a commit whose answer was lost.
func (s *Store) confirm(ctx context.Context, q *queries.Queries, link queries.Link, actor Actor) error {
	at := s.now()
	user, err := takeLink(ctx, q, at, link)
	if err != nil && user.EmailConfirmedAt.Valid && user.EmailKey.String == canonical(link.Email) {
		return nil
	}
	if err != nil {
		return err
	}
	if user.EmailKey.String != canonical(link.Email) {
		if err := changeEmail(ctx, q, at, user, link.Email, actor.IP); err != nil {
			return err
		}
	}
	if err := q.SetEmailConfirmed(ctx, queries.SetEmailConfirmedParams{EmailConfirmedAt: nullTime(at), ID: user.ID}); err != nil {
		return err
	}
	return record(ctx, q, at, actor, deed{action: AuditConfirmEmail, subject: user.ID, detail: link.Email})
}

func changeEmail(ctx context.Context, q *queries.Queries, at time.Time, user queries.User, email, ip string) error {
	err := q.UpdateUser(ctx, queries.UpdateUserParams{
		DisplayName: user.DisplayName, SearchKey: user.SearchKey, IsAdmin: user.IsAdmin, ID: user.ID,
		Email: nullString(email), EmailKey: nullString(canonical(email)),
	})
	if duplicateKey(err) {
		return fields{"email": {emailTaken}}.err("The e-mail address wasn't confirmed.")
	}
	if err != nil {
		return err
	}
	return tell(ctx, q, at, MailEmailChanged, user, ip)
}

// vouch marks an address as the user's own because an admin gave it.
func vouch(ctx context.Context, q *queries.Queries, at time.Time, user User) (User, error) {
	if user.EmailConfirmedAt = at; user.Email == "" {
		user.EmailConfirmedAt = time.Time{}
	}
	return user, q.SetEmailConfirmed(ctx, queries.SetEmailConfirmedParams{EmailConfirmedAt: nullTime(user.EmailConfirmedAt), ID: user.ID})
}
