package chat

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"parley/queries"
)

// SignIn is a sign-in that waits for a second factor, or for a passkey to say who it is.
type SignIn struct {
	Hash    []byte // SHA-256 of the token, the sign-in's name on the server
	User    User   // zero where a passkey is to say
	Factors Factors
}

// How long a sign-in waits, and how many codes may be tried in it: OWASP ASVS 5.0, 6.5.5 allows ten minutes, and its
// 6.3.1 asks for a bound.
const (
	SignInFor = 10 * time.Minute
	maxTries  = 5
)

const (
	notSignedIn = "You aren’t signed in yet."
	signInOver  = "This sign-in is over: it took too long, or too many codes were wrong. Sign in again."
)

func overSignIn() error { return &Error{Kind: Denied, Text: signInOver} }

// BeginSignIn starts what FinishSignIn ends, for somebody whom Authenticate gave; for nobody, it waits for a passkey
// alone. It gives a token, which is stored nowhere. Where the user has no second factor, there is neither.
func (s *Store) BeginSignIn(ctx context.Context, user User) (token string, _ SignIn, _ error) {
	signIn := SignIn{User: user}
	if user.ID != 0 {
		factors, err := factorsOf(ctx, s.q, user.ID)
		if err != nil || !factors.Any() {
			return "", signIn, fault(err, "")
		}
		signIn.Factors = factors
	}
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	token = base64.RawURLEncoding.EncodeToString(secret)
	signIn.Hash = tokenHash(token)
	err := s.q.CreateSignIn(ctx, queries.CreateSignInParams{
		IDHash: signIn.Hash, UserID: user.ID, PasswordKey: passwordKey(user.passwordHash), ExpiresAt: s.now().Add(SignInFor),
	})
	return token, signIn, fault(err, "")
}

func passwordKey(hash string) []byte {
	sum := sha256.Sum256([]byte(hash))
	return sum[:]
}

// SignInByToken finds a sign-in that is still open. Otherwise the error is Denied.
func (s *Store) SignInByToken(ctx context.Context, token string) (SignIn, error) {
	row, err := s.findSignIn(ctx, tokenHash(token), maxTries)
	if err != nil || row.UserID == 0 {
		return SignIn{Hash: row.IDHash}, err
	}
	user, err := s.q.UserByID(ctx, row.UserID)
	if err != nil {
		return SignIn{}, fault(err, signInOver)
	}
	factors, err := factorsOf(ctx, s.q, row.UserID)
	return SignIn{row.IDHash, userOf(user), factors}, fault(err, "")
}

func (s *Store) findSignIn(ctx context.Context, hash []byte, below uint32) (queries.SignIn, error) {
	row, err := s.q.FindSignIn(ctx, queries.FindSignInParams{IDHash: hash, Most: below, Now: s.now()})
	if noRow(err) {
		return row, overSignIn()
	}
	return row, fault(err, "")
}

// FinishSignIn takes a code of an authenticator app, or a recovery code, and gives whom StartSession takes then. The
// code and the sign-in are both good once. A wrong code is Invalid and names the field code; after five the sign-in is
// over, which is Denied.
func (s *Store) FinishSignIn(ctx context.Context, token, code, ip string) (user User, kind FactorKind, _ error) {
	row, err := s.trySignIn(ctx, token)
	if err != nil {
		return User{}, "", err
	}
	plain, right := plainCode(code), false
	if kind = FactorTOTP; isRecoveryCode(plain) {
		kind = FactorRecoveryCode
	}
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		if user, err = lockSigningIn(ctx, q, row.UserID, row.PasswordKey); err != nil {
			return err
		}
		if right, err = s.useCode(ctx, q, Actor{User: user, IP: ip}, kind, plain); err != nil {
			return err
		}
		if !right {
			return record(ctx, q, s.now(), Actor{IP: ip}, deed{action: AuditFailFactor, subject: user.ID, detail: detailOf[kind]})
		}
		return s.finish(ctx, q, row.IDHash, Actor{User: user, IP: ip}, usedAction[kind], detailOf[kind])
	})
	s.wakeMail()
	if err == nil && !right {
		err = s.wrongCode(ctx, row)
	}
	if err != nil {
		return User{}, kind, err
	}
	user.factorUsed = true
	return user, kind, nil
}

var detailOf = map[FactorKind]string{FactorTOTP: detailTOTP, FactorRecoveryCode: "recovery code"}

var usedAction = map[FactorKind]AuditAction{FactorTOTP: AuditUseFactor, FactorRecoveryCode: AuditUseRecoveryCode}

func (s *Store) trySignIn(ctx context.Context, token string) (queries.SignIn, error) {
	hash := tokenHash(token)
	n, err := s.q.TrySignIn(ctx, queries.TrySignInParams{IDHash: hash, Most: maxTries, Now: s.now()})
	if err != nil {
		return queries.SignIn{}, fault(err, "")
	}
	if n == 0 {
		return queries.SignIn{}, overSignIn()
	}
	row, err := s.findSignIn(ctx, hash, maxTries+1)
	if err == nil && row.UserID == 0 {
		err = overSignIn() // it waits for a passkey, not for a code
	}
	return row, err
}

// lockSigningIn gives somebody whose password is still the one that was given, and holds their row: whoever changes
// their factors or ends their sessions does too.
func lockSigningIn(ctx context.Context, q *queries.Queries, id uint64, key []byte) (User, error) {
	row, err := q.LockUserByID(ctx, id)
	if noRow(err) {
		return User{}, overSignIn()
	}
	if err != nil {
		return User{}, err
	}
	if row.DisabledAt.Valid || string(passwordKey(row.PasswordHash)) != string(key) {
		return User{}, overSignIn()
	}
	return userOf(row), nil
}

// useCode has the owner told of a recovery code that was used, and of codes that are being guessed.
func (s *Store) useCode(ctx context.Context, q *queries.Queries, who Actor, kind FactorKind, plain string) (right bool, err error) {
	if kind != FactorRecoveryCode {
		return useTOTP(ctx, q, who, plain, s.now())
	}
	if right, err = useRecoveryCode(ctx, q, who.User.ID, plain); err != nil || !right {
		return false, err
	}
	return true, tellUser(ctx, q, s.now(), MailCodeUsed, who.User, who.IP)
}

// finish takes the sign-in away, which only one of several can.
func (s *Store) finish(ctx context.Context, q *queries.Queries, hash []byte, who Actor, action AuditAction, detail string) error {
	n, err := q.DeleteSignIn(ctx, hash)
	if err != nil {
		return err
	}
	if n == 0 {
		return overSignIn()
	}
	return record(ctx, q, s.now(), who, deed{action: action, subject: who.User.ID, detail: detail})
}

func (s *Store) wrongCode(ctx context.Context, row queries.SignIn) error {
	if row.Tries < maxTries {
		return fields{"code": {"This code is wrong, or it was used already. Wait for the app’s next one, or give a recovery code."}}.guessedWrong(notSignedIn)
	}
	if _, err := s.q.DeleteSignIn(ctx, row.IDHash); err != nil {
		return fault(err, "")
	}
	return &Error{Kind: Denied, Text: signInOver, wrong: true}
}
