package chat

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/queries"
)

// Passkey is the public half of a key that a device, or a password manager, holds for somebody (WebAuthn). Its answers
// are checked where HTTP is known; here is who may do what with them.
type Passkey struct {
	ID             uint64
	User           uint64
	Name           string
	Credential     []byte // what it calls itself
	PublicKey      []byte // in COSE
	Handle         []byte // what it calls its owner
	Transports     []string
	SignCount      uint32
	BackupEligible bool
	AddedAt        time.Time
	UsedAt         time.Time // zero before the first sign-in with it
}

func passkeyOf(row queries.Passkey) Passkey {
	return Passkey{
		ID: row.ID, User: row.UserID, Name: row.Name, Credential: row.CredentialID, PublicKey: row.PublicKey, Handle: row.Handle,
		Transports: strings.Fields(row.Transports), SignCount: uint32(row.SignCount), BackupEligible: row.BackupEligible,
		AddedAt: row.CreatedAt, UsedAt: row.UsedAt.Time,
	}
}

const (
	maxPasskeys    = 20
	maxPasskeyName = 64
)

// AddPasskey stores a passkey whose first answer was checked, of somebody who gave their password to ConfirmPassword
// for it. With somebody's first factor it gives recovery codes, which it never gives again. An Invalid error names the
// field name, or nothing.
func (s *Store) AddPasskey(ctx context.Context, actor Actor, p Passkey) (_ Passkey, codes []string, _ error) {
	f := fields{}
	p.Name = checkPasskeyName(f, p.Name)
	if err := f.err("The passkey wasn’t added."); err != nil {
		return p, nil, err
	}
	fresh := newRecoveryCodes()
	err := s.asSelfInSession(ctx, actor, func(ctx context.Context, t ownTx) (err error) {
		p, err = t.addPasskey(ctx, p)
		if err != nil {
			return err
		}
		if codes, err = t.firstCodes(ctx, fresh); err != nil {
			return err
		}
		return t.announce(ctx, MailFactorAdded, AuditAddFactor, detailPasskey(p.Name))
	})
	s.wakeMail()
	s.forgetFactors(actor.User.ID)
	return p, codes, err
}

func detailPasskey(name string) string { return "passkey " + name }

func checkPasskeyName(f fields, name string) string {
	name = norm.NFC.String(strings.Join(strings.Fields(name), " "))
	switch {
	case utf8.RuneCountInString(name) > maxPasskeyName:
		f.add("name", "A passkey’s name has at most 64 characters.")
	case strings.ContainsFunc(name, misleading):
		f.add("name", "A passkey’s name can’t hold control characters or characters that turn the direction of text.")
	}
	return name
}

func (t ownTx) addPasskey(ctx context.Context, p Passkey) (Passkey, error) {
	there, err := t.q.ListPasskeys(ctx, t.row.ID)
	if err != nil {
		return p, err
	}
	if len(there) >= maxPasskeys {
		return p, &Error{Kind: Invalid, Text: "You have 20 passkeys, which is as many as there can be. Remove one first."}
	}
	if len(there) > 0 && string(there[0].Handle) != string(p.Handle) {
		return p, &Error{Kind: Invalid, Text: "Two passkeys were added at the same time. Add this one again."}
	}
	if p.Name == "" {
		p.Name = fmt.Sprintf("Passkey %d", len(there)+1)
	}
	p.User, p.AddedAt = t.row.ID, t.at
	id, err := t.q.CreatePasskey(ctx, queries.CreatePasskeyParams{
		UserID: p.User, CredentialHash: tokenHash(string(p.Credential)), CredentialID: p.Credential, PublicKey: p.PublicKey, Handle: p.Handle,
		Name: p.Name, Transports: strings.Join(p.Transports, " "), SignCount: uint64(p.SignCount), BackupEligible: p.BackupEligible, CreatedAt: p.AddedAt,
	})
	if duplicateKey(err) {
		return p, &Error{Kind: Invalid, Text: "This passkey was added already."}
	}
	p.ID = uint64(id)
	return p, err
}

// RemovePasskey takes a passkey away; one that isn't the actor's is NotFound. An Invalid error names the field password,
// or nothing where it is the last factor and the place asks for one.
func (s *Store) RemovePasskey(ctx context.Context, actor Actor, id uint64, password string) error {
	return s.asConfirmedSelf(ctx, actor, password, func(ctx context.Context, t ownTx) error {
		row, err := t.q.LockPasskey(ctx, id)
		if err != nil || row.UserID != t.row.ID {
			return fault(orNoRow(err), "This passkey was removed already, or it isn’t yours.")
		}
		if _, err := t.q.DeletePasskey(ctx, queries.DeletePasskeyParams{ID: id, UserID: t.row.ID}); err != nil {
			return err
		}
		return t.removed(ctx, detailPasskey(row.Name))
	})
}

// PasskeyByCredential finds the passkey that calls itself so. Otherwise the error is Denied.
func (s *Store) PasskeyByCredential(ctx context.Context, credential []byte) (Passkey, error) {
	row, err := s.q.PasskeyByCredential(ctx, tokenHash(string(credential)))
	if noRow(err) {
		return Passkey{}, deniedPasskey()
	}
	return passkeyOf(row), fault(err, "")
}

// PasskeyUse is an answer of a passkey that was checked.
type PasskeyUse struct {
	Passkey   Passkey
	SignCount uint32
	Verified  bool // the device made sure who holds it, by a PIN, a finger or the like
}

// FinishSignInByPasskey is FinishSignIn by a passkey. Where the sign-in waits for a passkey alone, only one that verified
// its holder is taken. Whatever is wrong with it is Denied.
func (s *Store) FinishSignInByPasskey(ctx context.Context, token string, use PasskeyUse, ip string) (user User, _ error) {
	row, err := s.findSignIn(ctx, tokenHash(token), maxTries)
	if err != nil {
		return User{}, err
	}
	if row.UserID == 0 && !use.Verified || row.UserID != 0 && row.UserID != use.Passkey.User {
		return User{}, s.RefusePasskey(ctx, use.Passkey, ip)
	}
	var copied bool
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		if user, err = lockByPasskey(ctx, q, row, use.Passkey.User); err != nil {
			return err
		}
		if copied, err = s.usePasskey(ctx, q, use); err != nil || copied {
			return err
		}
		return s.finish(ctx, q, row.IDHash, Actor{User: user, IP: ip}, AuditUseFactor, detailPasskey(use.Passkey.Name))
	})
	if err == nil && copied {
		err = s.refusePasskey(ctx, use.Passkey, ip, " (its counter went back, so it may have been copied)")
	}
	if err != nil {
		return User{}, err
	}
	user.factorUsed = true
	return user, nil
}

// lockByPasskey gives whom the sign-in is for, be it that the password said so, or that only the passkey does.
func lockByPasskey(ctx context.Context, q *queries.Queries, signIn queries.SignIn, owner uint64) (User, error) {
	if signIn.UserID != 0 {
		return lockSigningIn(ctx, q, signIn.UserID, signIn.PasswordKey)
	}
	row, err := q.LockUserByID(ctx, owner)
	if noRow(err) || err == nil && row.DisabledAt.Valid {
		return User{}, deniedPasskey()
	}
	return userOf(row), err
}

// usePasskey notes the use. A counter that doesn't rise is a sign that two devices hold the key: Web Authentication Level
// 3, section 6.1.1. Those that count nothing always say 0.
func (s *Store) usePasskey(ctx context.Context, q *queries.Queries, use PasskeyUse) (copied bool, _ error) {
	row, err := q.LockPasskey(ctx, use.Passkey.ID)
	if noRow(err) {
		return false, deniedPasskey() // it was just removed
	}
	if err != nil {
		return false, err
	}
	count := uint64(use.SignCount)
	if count <= row.SignCount && count+row.SignCount > 0 {
		return true, nil
	}
	return false, q.UsePasskey(ctx, queries.UsePasskeyParams{SignCount: count, UsedAt: nullTime(s.now()), ID: row.ID})
}

// RefusePasskey notes that an answer of a passkey didn't hold. It gives the error that says so.
func (s *Store) RefusePasskey(ctx context.Context, p Passkey, ip string) error {
	return s.refusePasskey(ctx, p, ip, "")
}

func (s *Store) refusePasskey(ctx context.Context, p Passkey, ip, why string) error {
	err := record(ctx, s.q, s.now(), Actor{IP: ip}, deed{action: AuditFailFactor, subject: p.User, detail: detailPasskey(p.Name) + why})
	if err != nil {
		return fault(err, "")
	}
	return deniedPasskey()
}

func deniedPasskey() error {
	return &Error{Kind: Denied, Text: "This passkey can’t be taken: it was removed here, or it didn’t make sure who you are, or it is a copy. Sign in with your password."}
}
