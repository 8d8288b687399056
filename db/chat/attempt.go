package chat

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/queries"
)

// attempt is a sign-in that failed, on its way into the audit log.
type attempt struct {
	user uint64 // whose name was tried; 0 where there is no such account
	ip   string
	err  error
}

// How much failed sign-ins can write: for an account, and for all names together that nobody has, so many lines in so
// long, on each node. A line counts what came from its address; the last one also what came from any further. Names that
// nobody has aren't in the log: people type passwords into that field.
const (
	attemptSpan  = time.Minute
	attemptLines = 5
)

// attempts writes failed sign-ins into the audit log. Those that come at the same time go together, and no two groups run
// at once, which is why open needs no lock.
type attempts struct {
	store *Store
	group grouped[*attempt]
	open  map[uint64]*attemptLog // by account; 0 for all names that nobody has
	swept time.Time
}

// attemptLog is what has been written of one account since a time.
type attemptLog struct {
	since time.Time
	lines []*attemptLine
}

type attemptLine struct {
	queries.PutAuditEventParams
	times   int
	further bool // some came from other addresses
	changed bool
}

func newAttempts(s *Store) *attempts {
	a := &attempts{store: s, open: map[uint64]*attemptLog{}}
	a.group.most, a.group.serve = lookupMost, a.serve
	return a
}

// SignInFailed notes that somebody tried to sign in with a name and failed. Whether or not there is such an account, it
// takes the same two statements.
func (s *Store) SignInFailed(ctx context.Context, username, ip string) error {
	row, err := s.q.UserByKey(ctx, usernameKey(username))
	if err != nil && !noRow(err) {
		return fault(err, "")
	}
	a := &attempt{user: row.ID, ip: truncate(ip, 45)}
	if err := s.attempts.group.do(ctx, a); err != nil {
		return fault(err, "")
	}
	return fault(a.err, "")
}

func (a *attempts) serve(group []*attempt) {
	ctx, cancel := context.WithTimeout(context.Background(), a.store.patience)
	defer cancel()
	now := a.store.now()
	a.sweep(now)
	lines := make([]*attemptLine, len(group))
	for i, p := range group {
		lines[i] = a.line(p, now)
		lines[i].times++
		lines[i].changed = true
	}
	for i, p := range group {
		p.err = a.write(ctx, lines[i])
	}
}

// sweep forgets what is over, so that memory holds what one or two spans bring.
func (a *attempts) sweep(now time.Time) {
	if now.Sub(a.swept) < attemptSpan {
		return
	}
	a.swept = now
	for user, log := range a.open {
		if now.Sub(log.since) >= attemptSpan {
			delete(a.open, user)
		}
	}
}

// line is the one that an attempt goes into.
func (a *attempts) line(p *attempt, now time.Time) *attemptLine {
	log := a.open[p.user]
	if log == nil || now.Sub(log.since) >= attemptSpan {
		log = &attemptLog{since: now}
		a.open[p.user] = log
	}
	for _, l := range log.lines {
		if l.Ip == p.ip {
			return l
		}
	}
	if len(log.lines) == attemptLines {
		last := log.lines[attemptLines-1]
		last.further = true
		return last
	}
	l := &attemptLine{PutAuditEventParams: queries.PutAuditEventParams{
		CreatedAt: now, Action: string(AuditSignInFailed), SubjectID: nullID(p.user), Ip: p.ip,
	}}
	log.lines = append(log.lines, l)
	return l
}

// write does nothing where another attempt of the group has written the line already. A line that could not be written
// is tried again with the next attempt.
func (a *attempts) write(ctx context.Context, l *attemptLine) error {
	if !l.changed {
		return nil
	}
	l.Detail = l.text()
	id, err := a.store.q.PutAuditEvent(ctx, l.PutAuditEventParams)
	if err != nil {
		return err
	}
	if l.changed = false; !l.ID.Valid {
		l.ID = nullID(uint64(id))
	}
	return nil
}

func (l *attemptLine) text() string {
	var parts []string
	if !l.SubjectID.Valid {
		parts = append(parts, "unknown name")
	}
	if l.times > 1 {
		parts = append(parts, fmt.Sprintf("%d times", l.times))
	}
	if l.further {
		parts = append(parts, "also from other addresses")
	}
	return strings.Join(parts, ", ")
}
