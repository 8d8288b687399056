package chat

import (
	"context"
	"time"

	"parley/queries"
)

// FactorKind is a sort of second factor.
type FactorKind string

// The kinds of second factor. A recovery code stands in, once, for another that is lost.
const (
	FactorTOTP         FactorKind = "totp" // six digits that an app shows
	FactorPasskey      FactorKind = "passkey"
	FactorRecoveryCode FactorKind = "recovery_code"
)

// Factors are what somebody has to sign in with besides the password.
type Factors struct {
	TOTP          TOTP      // zero where there is none
	Passkeys      []Passkey // oldest first
	RecoveryCodes int       // that haven't been used
	Required      bool      // this place asks it of this person
}

// Any says whether a sign-in asks for a second factor. Recovery codes alone are none.
func (f Factors) Any() bool { return f.TOTP.set() || len(f.Passkeys) > 0 }

// Kinds lists what a sign-in can be finished with; nothing where there is no second factor.
func (f Factors) Kinds() (kinds []FactorKind) {
	if f.TOTP.set() {
		kinds = append(kinds, FactorTOTP)
	}
	if len(f.Passkeys) > 0 {
		kinds = append(kinds, FactorPasskey)
	}
	if len(kinds) > 0 && f.RecoveryCodes > 0 {
		kinds = append(kinds, FactorRecoveryCode)
	}
	return kinds
}

// asks says whether the rule is for such a person.
func (f SecondFactor) asks(isAdmin bool) bool {
	return f == SecondFactorAll || f == SecondFactorAdmins && isAdmin
}

// Factors gives the actor's own.
func (s *Store) Factors(ctx context.Context, actor Actor) (Factors, error) {
	place, err := s.Place(ctx)
	if err != nil {
		return Factors{}, err
	}
	f, err := factorsOf(ctx, s.q, actor.User.ID)
	f.Required = place.SecondFactor.asks(actor.User.IsAdmin)
	return f, fault(err, nothingHere)
}

func factorsOf(ctx context.Context, q *queries.Queries, user uint64) (f Factors, _ error) {
	row, err := q.FindTOTP(ctx, queries.FindTOTPParams{UserID: user, Confirmed: true})
	if err == nil {
		f.TOTP = TOTP{AddedAt: row.CreatedAt, UsedAt: row.UsedAt.Time}
	} else if !noRow(err) {
		return f, err
	}
	passkeys, err := q.ListPasskeys(ctx, user)
	if err != nil {
		return f, err
	}
	for _, row := range passkeys {
		f.Passkeys = append(f.Passkeys, passkeyOf(row))
	}
	counts, err := q.CountFactors(ctx, queries.CountFactorsParams{UserID: user})
	f.RecoveryCodes = int(counts.RecoveryCodes)
	return f, err
}

// LacksFactor says whether somebody must set up a second factor before they may do anything else. It is asked with each
// request, so what it says can be Options.RememberFor old; where the place asks it of nobody, it costs nothing.
func (s *Store) LacksFactor(ctx context.Context, user User) (bool, error) {
	place, err := s.Place(ctx)
	if err != nil || !place.SecondFactor.asks(user.IsAdmin) {
		return false, err
	}
	if _, known := s.secured.find(user.ID); known {
		return false, nil
	}
	mark := s.secured.asks()
	has, err := hasFactor(ctx, s.q, user.ID)
	if has && err == nil {
		s.secured.add(user.ID, struct{}{}, mark)
	}
	return !has, fault(err, "")
}

func hasFactor(ctx context.Context, q *queries.Queries, user uint64) (bool, error) {
	n, err := q.CountFactors(ctx, queries.CountFactorsParams{UserID: user})
	return n.Totps+n.Passkeys > 0, err
}

// forgetFactors has a change to somebody's factors be seen at once, on this node.
func (s *Store) forgetFactors(user uint64) {
	s.secured.forget(func(id uint64, _ struct{}) bool { return id == user })
}

// confirmPassword is for what somebody who found a browser signed in must not be able to do (OWASP ASVS 5.0, 7.5.1). It
// gives the hash that the password was held against. An Invalid error names the field password.
func (s *Store) confirmPassword(ctx context.Context, actor Actor, password string) (hash string, _ error) {
	row, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return "", fault(err, nothingHere)
	}
	own, err := s.isOwnPassword(ctx, actor, row, password)
	if err == nil && !own {
		err = notOwnPassword()
	}
	return row.PasswordHash, err
}

func notOwnPassword() error {
	return fields{"password": {"This isn’t your password."}}.guessedWrong(nothingChanged)
}

// ConfirmPassword is what precedes BeginCeremony for a new passkey. An Invalid error names the field password.
func (s *Store) ConfirmPassword(ctx context.Context, actor Actor, password string) error {
	_, err := s.confirmPassword(ctx, actor, password)
	return err
}

// asConfirmedSelf is asSelf for somebody who has just given their password.
func (s *Store) asConfirmedSelf(ctx context.Context, actor Actor, password string, f func(context.Context, ownTx) error) error {
	hash, err := s.confirmPassword(ctx, actor, password)
	if err != nil {
		return err
	}
	err = s.asSelfInSession(ctx, actor, func(ctx context.Context, t ownTx) error {
		if t.row.PasswordHash != hash {
			return notOwnPassword() // any more
		}
		return f(ctx, t)
	})
	s.forgetFactors(actor.User.ID)
	s.wakeMail()
	return err
}

// removed is to be called after a factor was removed: it refuses where that was the last one and the place asks for
// one, and otherwise takes the recovery codes away with the last.
func (t ownTx) removed(ctx context.Context, what string) error {
	has, err := hasFactor(ctx, t.q, t.row.ID)
	if err != nil {
		return err
	}
	if !has {
		if err := t.mayDoWithout(ctx); err != nil {
			return err
		}
		if _, err := t.q.DeleteRecoveryCodes(ctx, t.row.ID); err != nil {
			return err
		}
	}
	return t.announce(ctx, MailFactorRemoved, AuditRemoveFactor, what)
}

func (t ownTx) mayDoWithout(ctx context.Context) error {
	place, err := readPlace(ctx, t.q)
	if err != nil || !place.SecondFactor.asks(t.row.IsAdmin) {
		return err
	}
	return &Error{Kind: Invalid, Text: "This is your only second factor, and this place asks you to have one. Set up another first, then remove this one."}
}

// ResetFactors takes all second factors from somebody who lost them, and ends their sessions. They sign in with the
// password alone then, and set up others where the place asks for it.
func (s *Store) ResetFactors(ctx context.Context, actor Actor, username string) (Account, error) {
	account, err := s.change(ctx, actor, username, func(ctx context.Context, c *change) error {
		if err := c.isAnother(); err != nil {
			return err
		}
		if err := deleteFactors(ctx, c.q, c.user.ID); err != nil {
			return err
		}
		if err := c.endSessions(ctx); err != nil {
			return err
		}
		if err := c.tell(ctx, MailFactorsReset); err != nil {
			return err
		}
		return c.log(ctx, AuditResetFactors, c.user.ID)
	})
	s.forgetFactors(account.ID)
	return account, err
}

// ResetFactorsUnasked is ResetFactors for whoever has the server itself: the only admin may have lost theirs. Windows on
// nodes that run close within a minute, since nobody tells them.
func (s *Store) ResetFactorsUnasked(ctx context.Context, username string) (user User, _ error) {
	err := s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		row, err := q.LockUser(ctx, usernameKey(username))
		if err != nil {
			return fault(err, nobodyCalled(username))
		}
		user = userOf(row)
		if err := deleteFactors(ctx, q, row.ID); err != nil {
			return err
		}
		if _, err := shutOut(ctx, q, row.ID); err != nil {
			return err
		}
		if err := tell(ctx, q, s.now(), MailFactorsReset, row, ""); err != nil {
			return err
		}
		return record(ctx, q, s.now(), Actor{}, deed{action: AuditResetFactors, subject: row.ID, detail: "on the command line"})
	})
	s.wakeMail()
	return user, err
}

func deleteFactors(ctx context.Context, q *queries.Queries, user uint64) error {
	for _, confirmed := range []bool{true, false} {
		if _, err := q.DeleteTOTP(ctx, queries.DeleteTOTPParams{UserID: user, Confirmed: confirmed}); err != nil {
			return err
		}
	}
	if _, err := q.DeletePasskeysOf(ctx, user); err != nil {
		return err
	}
	_, err := q.DeleteRecoveryCodes(ctx, user)
	return err
}

// within says whether something that began then is still good.
func within(began, now time.Time, d time.Duration) bool { return now.Before(began.Add(d)) }

// factorUsed refuses a session to whoever has a second factor and hasn't used it. The user's row is locked, as it is
// where a factor is added.
func factorUsed(ctx context.Context, q *queries.Queries, user User) error {
	if user.factorUsed {
		return nil
	}
	if has, err := hasFactor(ctx, q, user.ID); err != nil || !has {
		return err
	}
	return &Error{Kind: Denied, Text: "This account asks for a second factor. Sign in again."}
}
