package chat

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"parley/queries"
)

// mayReset says whether a link to choose a new password by may be sent to the user's address. It must be known to be
// theirs: they have followed a link there, or an admin typed it in and answers for it. Otherwise a slip in somebody's own
// address would give a stranger the account.
func mayReset(user queries.User) bool {
	return !user.DisabledAt.Valid && user.Email.Valid && user.EmailConfirmedAt.Valid
}

// resetPause is the shortest time from one such mail to the next for the same person: nobody can fill somebody's mailbox,
// or end each link before it is followed. OWASP's Forgot Password Cheat Sheet asks for such a limit an account, without a
// number.
const resetPause = 5 * time.Minute

// AskReset has a link to choose a new password by sent to an address, if it is somebody's. It does the same whether or not
// it is (one INSERT), so that neither the answer nor its time tells: whoever sends the mail finds out. An Invalid error,
// which names the field email, is about the text alone.
func (s *Store) AskReset(ctx context.Context, email, ip string) error {
	email = strings.TrimSpace(email)
	f := fields{}
	checkEmail(f, email)
	if email == "" {
		f.add("email", "Give the e-mail address of your account.")
	}
	if err := f.err("No mail is on its way."); err != nil {
		return err
	}
	err := queueMail(ctx, s.q, s.now(), letter{kind: mailAsked, to: email, ip: ip})
	s.wakeMail()
	return fault(err, "")
}

// resolve finds out who is meant, and says sql.ErrNoRows where there is nobody to send anything to. The mail goes to the
// address as it is stored: what was typed may be another one that only has the same canonical form.
func (p *preparation) resolve(ctx context.Context) error {
	user, err := p.q.UserByEmail(ctx, nullString(canonical(p.row.Email)))
	if err != nil {
		return err
	}
	if user, err = p.q.LockUserByID(ctx, user.ID); err != nil {
		return err
	}
	link, err := p.q.LinkOf(ctx, queries.LinkOfParams{UserID: user.ID, Kind: string(LinkReset)})
	if err != nil && !noRow(err) {
		return err
	}
	justSent := err == nil && link.Email != "" && p.at.Sub(link.CreatedAt) < resetPause
	if !mayReset(user) || justSent {
		return sql.ErrNoRows
	}
	if err := p.makeRoom(ctx, MailReset, user.Email.String); err != nil {
		return err
	}
	p.row.Kind, p.row.UserID, p.row.Email = string(MailReset), user.ID, user.Email.String
	if err := p.q.ResolveMail(ctx, queries.ResolveMailParams{Kind: p.row.Kind, UserID: user.ID, Email: p.row.Email, ID: p.row.ID}); err != nil {
		return err
	}
	return record(ctx, p.q, p.at, Actor{IP: p.row.Ip}, deed{action: AuditAskReset, subject: user.ID})
}

// ResetLink is a link to choose a new password by, for an admin to pass on.
type ResetLink struct {
	Account Account
	Token   string // stored nowhere: whoever has it can take the account over
	Expires time.Time
}

// MakeResetLink makes one. It ends earlier ones; the password stays until the link is followed. A disabled account gets
// none.
func (s *Store) MakeResetLink(ctx context.Context, actor Actor, username string) (ResetLink, error) {
	made := ResetLink{Token: newLinkToken()}
	account, err := s.change(ctx, actor, username, func(ctx context.Context, c *change) error {
		if err := c.isAnother(); err != nil {
			return err
		}
		if c.user.Disabled() {
			return &Error{Kind: Invalid, Text: "This account is disabled, so nobody can choose a new password for it. Enable it first."}
		}
		row, err := c.q.LockUserByID(ctx, c.user.ID)
		if err != nil {
			return err
		}
		made.Expires = c.at.Add(resetFor)
		if err := putLink(ctx, c.q, c.at, newLink{kind: LinkReset, user: row, token: made.Token, expires: made.Expires}); err != nil {
			return err
		}
		return c.log(ctx, AuditMakeResetLink, c.user.ID)
	})
	made.Account = account
	return made, err
}

// FindReset gives the user who can choose a new password by a link, and changes nothing: mail scanners follow links too.
// A link that has ended is NotFound.
func (s *Store) FindReset(ctx context.Context, token string) (User, error) {
	_, user, err := s.findLink(ctx, LinkReset, token)
	return userOf(user), err
}

// ResetPassword sets a new password by a link, which ends with it. Whoever needs that may have lost control of the account,
// so all sessions end, all access tokens are revoked, and no browser is known any more; the owner is told by mail. An Invalid
// error names the field password, and then the link still works. It signs nobody in: a second factor is still to be shown,
// and an app that was being set up has to be begun anew, by somebody who is signed in.
func (s *Store) ResetPassword(ctx context.Context, token, password, ip string) error {
	link, user, err := s.findLink(ctx, LinkReset, token)
	if err != nil {
		return err
	}
	hash, err := s.hashNew(ctx, user, password)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		return s.resetPassword(ctx, q, link, hash, Actor{User: userOf(user), IP: ip})
	})
	if err == nil || KindOf(err) == Unavailable { // then it isn't known, and windows whose session goes on open again
		s.forgetUser(link.UserID)
		s.notifier.Notify(Event{Type: EventSessionEnded, To: link.UserID})
	}
	s.wakeMail()
	return err
}

// hashNew checks a password that somebody chooses, and hashes it.
func (s *Store) hashNew(ctx context.Context, user queries.User, password string) (string, error) {
	names, err := s.namesOf(ctx, user.Username, user.DisplayName, user.Email.String)
	if err != nil {
		return "", err
	}
	f := fields{}
	checkPassword(f, password, names...)
	if err := f.err("The password can't be used."); err != nil {
		return "", err
	}
	return s.hash(ctx, password)
}

// resetPassword does nothing where the hash is stored already: then the transaction runs again after a commit whose
// answer was lost.
func (s *Store) resetPassword(ctx context.Context, q *queries.Queries, link queries.Link, hash string, actor Actor) error {
	at := s.now()
	user, err := takeLink(ctx, q, at, link)
	if err != nil && user.PasswordHash == hash {
		return nil
	}
	if err != nil {
		return err
	}
	if err := q.SetPassword(ctx, queries.SetPasswordParams{PasswordHash: hash, ID: user.ID}); err != nil {
		return err
	}
	tokens, err := shutOut(ctx, q, user.ID)
	if err != nil {
		return err
	}
	if err := tell(ctx, q, at, MailPasswordReset, user, actor.IP); err != nil {
		return err
	}
	return record(ctx, q, at, actor, deed{action: AuditResetPassword, subject: user.ID, detail: revokedTokens(tokens)})
}
