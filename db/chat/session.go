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

// StartSession makes a new session for a user whom Authenticate or CreateUser gave, and gives its token, which is stored
// nowhere. It is Denied to somebody whose account was disabled, or whose password was changed, since then.
func (s *Store) StartSession(ctx context.Context, user User, d Device) (token string, _ Session, _ error) {
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	token = base64.RawURLEncoding.EncodeToString(secret)
	now := s.now()
	session := Session{Hash: tokenHash(token), User: user, ExpiresAt: now.Add(s.lifetime)}
	err := s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		if err := stillTheSame(ctx, q, user); err != nil {
			return err
		}
		err := q.CreateSession(ctx, queries.CreateSessionParams{
			IDHash: session.Hash, UserID: user.ID, CreatedAt: now, SeenAt: now, ExpiresAt: session.ExpiresAt,
			UserAgent: truncate(d.UserAgent, 255), Ip: truncate(d.IP, 45),
		})
		if err != nil && !duplicateKey(err) { // stored already by a commit whose answer was lost
			return err
		}
		return seen(ctx, q, user, now)
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
	return nil
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
	if err != nil || !found || !now.Before(row.ExpiresAt) {
		return Session{}, fault(orNoRow(err), "This session has ended. Sign in again.")
	}
	session := Session{Hash: row.IDHash, ExpiresAt: row.ExpiresAt,
		User: User{ID: row.ID, Username: row.Username, DisplayName: row.DisplayName, IsAdmin: row.IsAdmin}}
	if now.Sub(row.SeenAt) < renewEvery {
		return session, nil
	}
	return s.renew(ctx, session, now)
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
func (s *Store) renew(ctx context.Context, session Session, now time.Time) (Session, error) {
	expires := now.Add(s.lifetime)
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
	err := s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		_, err := q.DeleteSession(ctx, session.Hash)
		return err
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

// SweepSessions deletes sessions that have expired, a bounded number a call, and says how many.
func (s *Store) SweepSessions(ctx context.Context) (int64, error) {
	n, err := s.q.DeleteExpiredSessions(ctx, s.now())
	return n, fault(err, "")
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
