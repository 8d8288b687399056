package chat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"parley/queries"
)

// OpenSession is one of somebody's sessions that haven't ended, as they see it.
type OpenSession struct {
	Name       string // what it is called outside: neither its hash nor a way to it
	Device     Device
	SignedInAt time.Time
	SeenAt     time.Time // a minute coarse
	ExpiresAt  time.Time // if it isn't used before
	Current    bool      // it is the one that asks
}

// defaultDevices is more than most people have.
const defaultDevices = 20

// maxTold is how many sessions that end together are named one by one.
const maxTold = 100

// sessionName is half of a hash, 128 bits, of the session's hash. The queries make it too.
func sessionName(hash []byte) string {
	sum := sha256.Sum256(hash)
	return hex.EncodeToString(sum[:16])
}

// OpenSessions lists the actor's sessions, the latest sign-in first, from a cursor on ("" for the first page).
func (s *Store) OpenSessions(ctx context.Context, actor Actor, session Session, after string, limit int) (Page[OpenSession], error) {
	before, name, err := deviceCursor(after)
	if err != nil {
		return Page[OpenSession]{}, err
	}
	if after == "" {
		before = s.now().Add(24 * time.Hour) // another node's clock may be ahead
	}
	limit = clampLimit(limit, defaultDevices)
	rows, err := s.openSessions(ctx, actor.User, before, name, limit+1)
	if err != nil {
		return Page[OpenSession]{}, fault(err, "")
	}
	open := make([]OpenSession, len(rows))
	for i, row := range rows {
		open[i] = OpenSession{
			Name: row.Name, Device: Device{UserAgent: row.UserAgent, IP: row.Ip}, SignedInAt: row.CreatedAt, SeenAt: row.SeenAt,
			ExpiresAt: row.ExpiresAt, Current: row.Name == sessionName(session.Hash),
		}
	}
	return pageOf(open, limit, func(o OpenSession) string {
		return encodeCursor(strconv.FormatInt(o.SignedInAt.UnixMicro(), 10) + " " + o.Name)
	}), nil
}

// openSessions finds first how far back as many reach: a program that signs in each time it runs has tens of thousands.
func (s *Store) openSessions(ctx context.Context, user User, before time.Time, name string, limit int) ([]queries.ListUserSessionsRow, error) {
	now := s.now()
	made := s.madeAfter(now)
	since, err := s.q.SessionTimeBack(ctx, queries.SessionTimeBackParams{
		UserID: user.ID, Now: now, MadeAfter: made, Before: before, BeforeName: []byte(name), Offset: int32(limit - 1),
	})
	if noRow(err) {
		since, err = made, nil
	}
	if err != nil {
		return nil, err
	}
	return s.q.ListUserSessions(ctx, queries.ListUserSessionsParams{
		UserID: user.ID, Now: now, MadeAfter: made, Since: since, Before: before, BeforeName: []byte(name), Limit: int32(limit),
	})
}

func deviceCursor(cursor string) (before time.Time, name string, _ error) {
	if cursor == "" {
		return time.Time{}, "", nil
	}
	plain, err := decodeCursor(cursor)
	if err != nil {
		return time.Time{}, "", err
	}
	at, name, _ := strings.Cut(plain, " ")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil || micros < 0 || micros > time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() {
		return time.Time{}, "", badCursor("after")
	}
	return time.UnixMicro(micros).UTC(), name, nil
}

// EndOwnSession ends the actor's session of that name. One that isn't theirs, or isn't there, is NotFound.
func (s *Store) EndOwnSession(ctx context.Context, actor Actor, name string) error {
	var ended endings
	err := s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		row, err := t.q.UserSessionByName(ctx, queries.UserSessionByNameParams{
			UserID: t.row.ID, Now: t.at, MadeAfter: s.madeAfter(t.at), Name: []byte(name),
		})
		if noRow(err) && len(ended.hashes) > 0 {
			return nil // it was ended by the try before this one, whose answer was lost
		}
		if err != nil {
			return fault(err, "This session has ended already, or isn't yours.")
		}
		ended.add(row.IDHash)
		if _, err := t.q.DeleteSession(ctx, row.IDHash); err != nil {
			return err
		}
		return t.log(ctx, AuditEndSession, Device{UserAgent: row.UserAgent}.String()+", "+row.Ip)
	})
	s.tellEnded(actor.User.ID, ended, err)
	return err
}

// EndOtherSessions signs the actor out everywhere but where they are; everywhere where session is the zero one.
func (s *Store) EndOtherSessions(ctx context.Context, actor Actor, session Session) error {
	var ended endings
	err := s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		if err := t.endOthers(ctx, session, &ended); err != nil {
			return err
		}
		return t.log(ctx, AuditEndOthers, "")
	})
	s.tellEnded(actor.User.ID, ended, err)
	return err
}

// endings are sessions that end in one transaction. They outlast a try whose answer was lost: the next one finds them gone.
type endings struct{ hashes [][]byte }

func (e *endings) add(hashes ...[]byte) { e.hashes = append(e.hashes, hashes...) }

// endOthers ends all of somebody's sessions but one, or all where it is the zero one. None can come to it meanwhile:
// StartSession takes the same lock.
func (t ownTx) endOthers(ctx context.Context, but Session, ended *endings) error {
	kept := but.Hash
	if kept == nil {
		kept = []byte{} // nil is NULL, from which nothing differs
	}
	hashes, err := t.q.OtherSessions(ctx, queries.OtherSessionsParams{UserID: t.row.ID, But: kept, Limit: maxTold + 1})
	if err != nil {
		return err
	}
	ended.add(hashes...)
	_, err = t.q.DeleteOtherSessions(ctx, queries.DeleteOtherSessionsParams{UserID: t.row.ID, But: kept})
	return err
}

// shutOut ends whatever somebody could come in by, or come in by more easily, who isn't the owner: sessions, access tokens,
// browsers that are known, and an app that is being set up. Second factors and passkeys stay. It says how many tokens
// there were.
func shutOut(ctx context.Context, q *queries.Queries, user uint64) (tokens int64, _ error) {
	if _, err := q.DeleteUserSessions(ctx, user); err != nil {
		return 0, err
	}
	if err := forgetWaysIn(ctx, q, user); err != nil {
		return 0, err
	}
	return q.DeleteUserTokens(ctx, user)
}

// forgetWaysIn is for every new password: whoever had the one before is known in no browser any more, and finishes no app
// that they began to set up.
func forgetWaysIn(ctx context.Context, q *queries.Queries, user uint64) error {
	if err := q.DeleteUserBrowsers(ctx, user); err != nil {
		return err
	}
	_, err := q.DeleteTOTP(ctx, queries.DeleteTOTPParams{UserID: user, Confirmed: false})
	return err
}

// tellEnded has the windows of sessions closed, unless err says that they go on. One that is closed although its session
// goes on is opened again by its page: so it is where the database doesn't say (kind Unavailable), and where very many end,
// when all of the user's windows are closed.
func (s *Store) tellEnded(user uint64, ended endings, err error) {
	if err != nil && KindOf(err) != Unavailable {
		return
	}
	if len(ended.hashes) > maxTold {
		ended.hashes = [][]byte{nil}
	}
	for _, hash := range ended.hashes {
		s.SessionEnded(user, hash)
		s.notifier.Notify(Event{Type: EventSessionEnded, To: user, Session: hash})
	}
}
