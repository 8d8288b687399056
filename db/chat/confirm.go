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

// offerEmail is where an address goes that somebody gives as theirs when they sign up, or later. The account goes without it, or
// keeps the one that it has, so that nobody sees whether the address is somebody else's or nobody's (OWASP Authentication
// Cheat Sheet, "Authentication and Error Messages"): only mail tells, which only the owner of the address reads. It becomes
// the account's when the link that goes there is followed.
func offerEmail(ctx context.Context, q *queries.Queries, at time.Time, user queries.User, email, ip string) error {
	if email == "" {
		return nil
	}
	err := putLink(ctx, q, at, newLink{kind: linkWanted, user: user, email: email, token: newLinkToken(), expires: at.Add(confirmFor)})
	if err != nil {
		return err
	}
	owner, err := q.UserByEmail(ctx, nullString(canonical(email)))
	if err != nil && !noRow(err) {
		return err
	}
	if err == nil && owner.EmailConfirmedAt.Valid {
		return tell(ctx, q, at, MailEmailTaken, owner, ip)
	}
	return queueConfirmation(ctx, q, at, user.ID, email, ip)
}

// wantedEmail is the address that an account is to have once it is confirmed, with the time at which it was last asked for;
// "" for none.
func wantedEmail(ctx context.Context, q *queries.Queries, user queries.User, at time.Time) (email string, asked time.Time, _ error) {
	link, err := q.LinkOf(ctx, queries.LinkOfParams{UserID: user.ID, Kind: string(linkWanted)})
	switch {
	case err == nil && linkWorks(link, user, at):
		return link.Email, link.CreatedAt, nil
	case err != nil && !noRow(err):
		return "", time.Time{}, err
	case user.EmailConfirmedAt.Valid:
		return "", time.Time{}, nil
	default:
		return user.Email.String, time.Time{}, nil
	}
}

// confirmPause is the shortest time from one link to the next that somebody asks for, as resetPause.
const confirmPause = 5 * time.Minute

// AskConfirmation sends a further mail to the address that the actor's account is to have. An Invalid error names the field
// email: there is none, or a mail was sent just now.
func (s *Store) AskConfirmation(ctx context.Context, actor Actor) error {
	err := s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		email, asked, err := wantedEmail(ctx, t.q, t.row, t.at)
		if err != nil {
			return err
		}
		f := fields{}
		switch {
		case email == "":
			f.add("email", "No address of your account waits to be confirmed.")
		case t.at.Sub(asked) < confirmPause:
			f.add("email", "A mail was sent in the last five minutes. Look for it, among unwanted mail too, before you ask for another.")
		}
		if err := f.err("No mail is on its way."); err != nil {
			return err
		}
		return offerEmail(ctx, t.q, t.at, t.row, email, actor.IP)
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
	if err := q.DeleteLink(ctx, queries.DeleteLinkParams{UserID: user.ID, Kind: string(linkWanted)}); err != nil {
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

// changeEmail takes the address from an account that has never shown that it is its own.
func changeEmail(ctx context.Context, q *queries.Queries, at time.Time, user queries.User, email, ip string) error {
	err := q.ReleaseEmail(ctx, queries.ReleaseEmailParams{EmailKey: nullString(canonical(email)), Owner: user.ID})
	if err != nil {
		return err
	}
	err = q.UpdateUser(ctx, queries.UpdateUserParams{
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
