package chat

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"parley/queries"
)

// TOTP is an authenticator app that somebody has set up (RFC 6238).
type TOTP struct {
	AddedAt time.Time
	UsedAt  time.Time // zero before the first sign-in with it
}

func (t TOTP) set() bool { return !t.AddedAt.IsZero() }

// Six digits, steps of 30 s, and one step of delay either way: RFC 6238 section 5.2 and OWASP ASVS 5.0, 6.5.5. The
// secret has the 160 bits of RFC 4226 section 4, R6. It is stored as it is, since a code can't be checked without it; a
// key to encrypt it by would have to lie beside the database's password, on each node. Whoever reads the table still
// lacks the passwords. Passkeys have no secret on the server.
const (
	totpStep    = 30 // seconds
	totpSecret  = 20 // octets
	totpForward = 1  // steps that a clock may be ahead, or behind
)

// totpSetUpFor is how long a secret waits for its first code.
const totpSetUpFor = 10 * time.Minute

// After freeFailures wrong codes with no right one between, each further try waits twice as long as the one before, from
// a minute to an hour, however many sign-ins and addresses it is spread over (RFC 4226 section 7.3). So 38 codes can be tried
// on the first day and 24 on each further one; 38 on every day on which the owner signs in. Whoever has the password then
// finds one of the three codes that are good at a time with a chance of 1 in 38 a year, and of 1 in 24 where the owner
// signs in daily. Recovery codes and passkeys, which can't be guessed, work meanwhile.
const (
	freeFailures = 10
	longestWait  = time.Hour
)

// TOTPSetup is a new secret that no app has shown to have yet.
type TOTPSetup struct {
	Secret string // in base32, to be typed
	URL    string // otpauth://, to be scanned
}

// SetUpTOTP makes a secret for an authenticator app. What was set up before stays in force until ConfirmTOTP. An
// Invalid error names the field password.
func (s *Store) SetUpTOTP(ctx context.Context, actor Actor, password string) (TOTPSetup, error) {
	secret := make([]byte, totpSecret)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	err := s.asConfirmedSelf(ctx, actor, password, func(ctx context.Context, t ownTx) error {
		return t.q.PutTOTP(ctx, queries.PutTOTPParams{UserID: t.row.ID, Secret: secret, CreatedAt: t.at})
	})
	if err != nil {
		return TOTPSetup{}, err
	}
	return s.totpSetup(ctx, actor.User, secret)
}

// PendingTOTP gives the secret that SetUpTOTP made, for ten minutes, and NotFound after that.
func (s *Store) PendingTOTP(ctx context.Context, actor Actor) (TOTPSetup, error) {
	row, err := s.q.FindTOTP(ctx, queries.FindTOTPParams{UserID: actor.User.ID, Confirmed: false})
	if err == nil && !within(row.CreatedAt, s.now(), totpSetUpFor) {
		return TOTPSetup{}, nothingSetUp()
	}
	if err != nil {
		return TOTPSetup{}, fault(err, setUpOver)
	}
	return s.totpSetup(ctx, actor.User, row.Secret)
}

const setUpOver = "The time to set this app up is over. Begin again."

func nothingSetUp() error { return notFound(setUpOver) }

func (s *Store) totpSetup(ctx context.Context, user User, secret []byte) (TOTPSetup, error) {
	place, err := s.Place(ctx)
	if err != nil {
		return TOTPSetup{}, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: place.Name, AccountName: user.Username, Secret: secret, Period: totpStep, Digits: otp.DigitsSix})
	if err != nil {
		return TOTPSetup{}, err
	}
	return TOTPSetup{Secret: key.Secret(), URL: key.URL()}, nil
}

// ConfirmTOTP puts the secret into force by the first code that the app shows. With somebody's first factor it gives
// recovery codes, which it never gives again. An Invalid error names the field code.
func (s *Store) ConfirmTOTP(ctx context.Context, actor Actor, code string) (codes []string, _ error) {
	fresh := newRecoveryCodes()
	err := s.asSelfInSession(ctx, actor, func(ctx context.Context, t ownTx) (err error) {
		if err := t.confirmTOTP(ctx, code); err != nil {
			return err
		}
		if codes, err = t.firstCodes(ctx, fresh); err != nil {
			return err
		}
		return t.announce(ctx, MailFactorAdded, AuditAddFactor, detailTOTP)
	})
	s.wakeMail()
	s.forgetFactors(actor.User.ID)
	return codes, err
}

const detailTOTP = "authenticator app"

func (t ownTx) confirmTOTP(ctx context.Context, code string) error {
	row, err := t.q.FindTOTP(ctx, queries.FindTOTPParams{UserID: t.row.ID, Confirmed: false})
	if err != nil {
		return fault(err, setUpOver)
	}
	if !within(row.CreatedAt, t.at, totpSetUpFor) {
		return nothingSetUp()
	}
	step, right := matchTOTP(row.Secret, plainCode(code), t.at)
	if !right {
		return fields{"code": {"This isn’t the code that belongs to this secret now. Give the one that the app shows at this moment. If it goes on, check that the device’s clock is right."}}.err("The app isn’t set up yet.")
	}
	if _, err := t.q.DeleteTOTP(ctx, queries.DeleteTOTPParams{UserID: t.row.ID, Confirmed: true}); err != nil {
		return err
	}
	_, err = t.q.ConfirmTOTP(ctx, queries.ConfirmTOTPParams{LastStep: step, UserID: t.row.ID})
	return err
}

// RemoveTOTP takes the authenticator app away. An Invalid error names the field password, or nothing where it is the
// last factor and the place asks for one. It is no error when there is none.
func (s *Store) RemoveTOTP(ctx context.Context, actor Actor, password string) error {
	return s.asConfirmedSelf(ctx, actor, password, func(ctx context.Context, t ownTx) error {
		n, err := t.q.DeleteTOTP(ctx, queries.DeleteTOTPParams{UserID: t.row.ID, Confirmed: true})
		if err != nil || n == 0 {
			return err
		}
		return t.removed(ctx, detailTOTP)
	})
}

// useTOTP takes a code for its time step, once. A wrong one counts. With the last of the free ones the owner is told, once:
// whoever gives codes has given the password.
func useTOTP(ctx context.Context, q *queries.Queries, who Actor, code string, at time.Time) (right bool, _ error) {
	user := who.User.ID
	row, err := q.LockTOTP(ctx, user)
	if noRow(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if until := waits(row); at.Before(until) {
		return false, tooManyWrong(until.Sub(at))
	}
	step, right := matchTOTP(row.Secret, code, at)
	if right && step > row.LastStep {
		n, err := q.UseTOTP(ctx, queries.UseTOTPParams{Step: step, UsedAt: nullTime(at), UserID: user})
		return n == 1, err
	}
	if err := q.FailTOTP(ctx, queries.FailTOTPParams{FailedAt: nullTime(at), UserID: user}); err != nil || row.Failures+1 != freeFailures {
		return false, err
	}
	return false, tellUser(ctx, q, at, MailCodesWrong, who.User, who.IP)
}

// matchTOTP gives the newest time step that the code is good for.
func matchTOTP(secret []byte, code string, at time.Time) (step uint64, right bool) {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	now := uint64(at.Unix()) / totpStep
	for n := now - totpForward; n <= now+totpForward; n++ {
		want, err := hotp.GenerateCode(text, n)
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, right = n, true
		}
	}
	return step, right
}

// waits says until when no code is taken.
func waits(row queries.Totp) time.Time {
	over := int(row.Failures) - freeFailures
	if over < 0 {
		return time.Time{}
	}
	return row.FailedAt.Time.Add(min(longestWait, time.Minute<<min(over, 10)))
}

func tooManyWrong(wait time.Duration) error {
	text := fmt.Sprintf("Too many wrong codes were given for this account, so the app’s codes are taken again in %d minutes only. A recovery code or a passkey works now.", int(wait.Minutes())+1)
	return fields{"code": {text}}.err(notSignedIn)
}
