package chat

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"parley/queries"
)

// Session is one sign-in of one user in one browser or program, or what an access token stands for.
type Session struct {
	Hash      []byte    // SHA-256 of the token, the session's name on the server
	User      User      // as far as requests need to know: without e-mail address and times
	Scope     Scope     // what an access token may do; "" for a sign-in, which may do all that its user may
	ExpiresAt time.Time // zero for an access token that doesn't expire
	Renewed   bool      // this look-up moved ExpiresAt on, so a cookie that carries the token should follow
}

// Device is what the server sees of whoever signs in.
type Device struct{ UserAgent, IP string }

// 32 octets are 256 bits; OWASP's Session Management Cheat Sheet asks for 64 bits of entropy at least.
const tokenBytes = 32

// The least time between two writes that note a session's use: a busy person costs one write a minute.
const renewEvery = time.Minute

// defaultAtMost is how old a session gets however much it is used. OWASP ASVS 5.0, 7.3.2 asks for such an end. The 30 days
// of NIST SP 800-63B-4 (AAL1) would have everybody sign in every month; three times that is for people who see and end their
// own sessions, and who are asked for the password before they change what signing in rests on.
const defaultAtMost = 90 * 24 * time.Hour

// newToken makes what a cookie carries, and what is stored of it.
func newToken() (token string, hash []byte) {
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	token = base64.RawURLEncoding.EncodeToString(secret)
	return token, tokenHash(token)
}

// madeAfter is how old a session may be now.
func (s *Store) madeAfter(now time.Time) time.Time {
	if s.atMost < 0 {
		return time.Unix(0, 0).UTC()
	}
	return now.Add(-s.atMost)
}

// expiry is when a session ends that was made then and is used now.
func (s *Store) expiry(made, now time.Time) time.Time {
	idle := now.Add(s.lifetime)
	if last := made.Add(s.atMost); s.atMost >= 0 && last.Before(idle) {
		return last
	}
	return idle
}

// StartSession makes a new session for a user whom Authenticate or CreateUser gave, and gives its token, which is stored
// nowhere. It is Denied to somebody whose account was disabled, or whose password was changed, since then. Every session
// begins here, so here it is made sure of that whoever has a second factor has used it: only a user from FinishSignIn or
// FinishSignInByPasskey has.
func (s *Store) StartSession(ctx context.Context, user User, d Device) (token string, _ Session, _ error) {
	token, hash := newToken()
	now := s.now()
	session := Session{Hash: hash, User: user, ExpiresAt: s.expiry(now, now)}
	err := s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		if err := stillTheSame(ctx, q, user); err != nil {
			return err
		}
		err := q.CreateSession(ctx, queries.CreateSessionParams{
			IDHash: session.Hash, UserID: user.ID, CreatedAt: now, SeenAt: now, ExpiresAt: session.ExpiresAt,
			UserAgent: truncate(d.UserAgent, 255), Ip: truncate(d.IP, 45),
		})
		if duplicateKey(err) {
			return nil // stored already, with all that follows, by a commit whose answer was lost
		}
		if err != nil {
			return err
		}
		if err := seen(ctx, q, user, now); err != nil {
			return err
		}
		return record(ctx, q, now, Actor{User: user, IP: d.IP}, deed{action: AuditSignIn, subject: user.ID})
	})
	return token, session, err
}

// stillTheSame locks the user's row, which whoever ends all of somebody's sessions does too: so no session slips in
// between the end of the others and the commit of what ended them.
func stillTheSame(ctx context.Context, q *queries.Queries, user User) error {
	row, err := q.LockUser(ctx, usernameKey(user.Username))
	if err != nil {
		return fault(err, nobodyCalled(user.Username))
	}
	if row.DisabledAt.Valid || row.PasswordHash != user.passwordHash {
		return wrongPassword()
	}
	return factorUsed(ctx, q, user)
}

func seen(ctx context.Context, q *queries.Queries, user User, at time.Time) error {
	return q.TouchUser(ctx, queries.TouchUserParams{LastSeenAt: nullTime(at), ID: user.ID})
}

// SessionByToken finds a session that has not expired, of a user who isn't disabled, and notes its use. A session that
// was ended by this Store is not found from then on; one that was ended elsewhere isn't once SessionEnded has told of it,
// and Options.RememberFor after its end at the latest.
func (s *Store) SessionByToken(ctx context.Context, token string) (Session, error) {
	now := s.now()
	row, found, err := s.sessions.recall(ctx, tokenHash(token))
	if err != nil || !found || !now.Before(row.ExpiresAt) || !row.CreatedAt.After(s.madeAfter(now)) {
		return Session{}, fault(orNoRow(err), "This session has ended. Sign in again.")
	}
	session := Session{Hash: row.IDHash, ExpiresAt: row.ExpiresAt,
		User: User{ID: row.ID, Username: row.Username, DisplayName: row.DisplayName, IsAdmin: row.IsAdmin}}
	if now.Sub(row.SeenAt) < renewEvery {
		return session, nil
	}
	return s.renew(ctx, session, row.CreatedAt, now)
}

// SessionOpen says whether a session that SessionByToken or SessionByAccessToken found is still open, whatever is
// remembered of it.
func (s *Store) SessionOpen(ctx context.Context, session Session) (bool, error) {
	var found bool
	var err error
	if session.Scope != "" {
		_, found, err = s.tokens.get(ctx, session.Hash)
	} else {
		_, found, err = s.sessions.get(ctx, session.Hash)
	}
	return found, fault(err, "")
}

// renew writes nothing where another request of the same minute was first.
func (s *Store) renew(ctx context.Context, session Session, made, now time.Time) (Session, error) {
	expires := s.expiry(made, now)
	changed, err := s.q.TouchSession(ctx, queries.TouchSessionParams{
		SeenAt: now, ExpiresAt: expires, IDHash: session.Hash, SeenUntil: now.Add(-renewEvery),
	})
	s.SessionEnded(session.User.ID, session.Hash) // as it was
	if err != nil || changed == 0 {
		return session, fault(err, "")
	}
	session.ExpiresAt, session.Renewed = expires, true
	return session, fault(seen(ctx, s.q, session.User, now), "")
}

// EndSession ends one session and has its windows closed. A session that has ended already is no error. Where the database
// doesn't say whether it did (kind Unavailable), the windows are closed all the same: one whose session goes on is opened
// again by its page.
func (s *Store) EndSession(ctx context.Context, session Session) error {
	return s.endSession(ctx, session, nil)
}

// SignOut is EndSession by the session's user, which the audit log tells of. A program's access token is revoked instead.
func (s *Store) SignOut(ctx context.Context, session Session, ip string) error {
	actor := Actor{User: session.User, IP: ip}
	if session.Scope != "" {
		return s.revokeToken(ctx, actor, func(row queries.Token) bool { return bytes.Equal(row.Hash, session.Hash) })
	}
	return s.endSession(ctx, session, &actor)
}

// endSession logs nothing where nobody signs out.
func (s *Store) endSession(ctx context.Context, session Session, out *Actor) error {
	err := s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		ended, err := q.DeleteSession(ctx, session.Hash)
		if err != nil || ended == 0 || out == nil {
			return err
		}
		return record(ctx, q, s.now(), *out, deed{action: AuditSignOut, subject: session.User.ID})
	})
	if err != nil && KindOf(err) != Unavailable {
		return err
	}
	s.SessionEnded(session.User.ID, session.Hash)
	s.notifier.Notify(Event{Type: EventSessionEnded, To: session.User.ID, Session: session.Hash})
	return err
}

// SessionEnded is to be told of an EventSessionEnded from elsewhere, so that the session is asked for anew. No hash means
// all of the user's sessions.
func (s *Store) SessionEnded(user uint64, hash []byte) {
	s.sessions.memory.forget(func(_ string, row queries.SessionsByHashRow) bool {
		return row.ID == user && (len(hash) == 0 || bytes.Equal(row.IDHash, hash))
	})
	s.tokens.memory.forget(func(_ string, row queries.TokensByHashRow) bool {
		return row.ID == user && (len(hash) == 0 || bytes.Equal(row.Hash, hash))
	})
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// truncate cuts text to n characters at most, for columns that hold what strangers send.
func truncate(text string, n int) string {
	runes := []rune(text) // also replaces what is no UTF-8, which the column refuses
	return string(runes[:min(n, len(runes))])
}
