package chat

import (
	"context"

	"parley/queries"
)

// PasswordChange is what somebody types to get another password.
type PasswordChange struct {
	Current, Password string
	RevokeTokens      bool // also all access tokens: the person is asked, as OWASP ASVS 5.0, 7.4.3 has it for sessions
}

// ChangePassword gives the actor another password. It ends their other sessions, and no browser is known any more; the session
// that they do it in goes on under another token, so that whoever has got hold of the old one is out too. Under an access
// token there is none to go on, and token is "". An Invalid error names the fields current_password and password, and then
// nothing was changed.
func (s *Store) ChangePassword(ctx context.Context, actor Actor, session Session, c PasswordChange) (token string, _ Session, _ error) {
	row, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return "", Session{}, fault(err, nothingHere)
	}
	if err := s.checkPasswordChange(ctx, actor, row, c); err != nil {
		return "", Session{}, err
	}
	hash, err := s.hash(ctx, c.Password)
	if err != nil {
		return "", Session{}, err
	}
	token, moved := newToken()
	var ended endings
	err = s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		if t.row.PasswordHash == hash {
			return nil // by the try before this one, whose answer was lost
		}
		if session.Scope != "" { // of another session setPassword finds out
			if err := s.stillOpen(ctx, t, session.Hash); err != nil {
				return err
			}
		}
		if err := t.endOthers(ctx, session, &ended); err != nil {
			return err
		}
		var tokens int64
		if c.RevokeTokens {
			if tokens, err = t.revokeTokens(ctx, &ended); err != nil {
				return err
			}
		}
		if err := t.setPassword(ctx, hash, session, moved); err != nil {
			return err
		}
		return t.log(ctx, AuditChangePassword, revokedTokens(tokens))
	})
	s.tellEnded(row.ID, ended, err)
	if err != nil {
		return "", Session{}, err
	}
	s.forgetUser(row.ID)
	s.wakeMail()
	if session.Scope != "" {
		return "", session, nil
	}
	s.notifier.Notify(Event{Type: EventSessionMoved, To: row.ID, Session: session.Hash})
	session.Hash = moved
	return token, session, nil
}

func (s *Store) checkPasswordChange(ctx context.Context, actor Actor, row queries.User, c PasswordChange) error {
	names, err := s.namesOf(ctx, row.Username, row.DisplayName, row.Email.String)
	if err != nil {
		return err
	}
	f := fields{}
	checkPassword(f, c.Password, names...)
	if err := s.checkCurrent(ctx, f, actor, row, c.Current); err != nil {
		return err
	}
	return f.err(nothingChanged)
}

// isOwnPassword finds out whether it is still the owner who sits there, before what signing in rests on is changed: OWASP
// ASVS 5.0, 7.5.1. Every such change asks here. What it builds on is the hash in row, so a transaction that follows sees to
// it that the account still has that one.
func (s *Store) isOwnPassword(ctx context.Context, actor Actor, row queries.User, password string) (bool, error) {
	release, err := s.hashingSlot(ctx)
	if err != nil {
		return false, err
	}
	matches := passwordMatches(row.PasswordHash, password)
	release()
	if matches {
		return true, nil
	}
	err = record(ctx, s.q, s.now(), actor, deed{action: AuditWrongPassword, subject: row.ID})
	return false, fault(err, "")
}

func (s *Store) checkCurrent(ctx context.Context, f fields, actor Actor, row queries.User, password string) error {
	own, err := s.isOwnPassword(ctx, actor, row, password)
	if err == nil && !own {
		f.add("current_password", "This is not your present password. If you have forgotten it, sign out and choose another by “Forgotten your password?”.")
	}
	return err
}

// setPassword also tells the owner by mail, since it may have been somebody else.
func (t ownTx) setPassword(ctx context.Context, hash string, session Session, moved []byte) error {
	if err := t.q.SetPassword(ctx, queries.SetPasswordParams{PasswordHash: hash, ID: t.row.ID}); err != nil {
		return err
	}
	if session.Scope == "" {
		n, err := t.q.MoveSession(ctx, queries.MoveSessionParams{NewHash: moved, OldHash: session.Hash, UserID: t.row.ID})
		if err != nil {
			return err
		}
		if n == 0 { // it has ended meanwhile, perhaps by another new password
			return sessionOver()
		}
	}
	if err := forgetWaysIn(ctx, t.q, t.row.ID); err != nil {
		return err
	}
	return tell(ctx, t.q, t.at, MailPasswordChanged, t.row, t.actor.IP)
}

// sessionOver is for somebody whose session ended while they were at it.
func sessionOver() error { return &Error{Kind: Denied, Text: "This session has ended. Sign in again."} }
