package chat

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"parley/db/meter"
	"parley/queries"
)

// Options are the settings that the rules depend on. The zero value of each field stands for its default.
type Options struct {
	Notifier        Notifier         // who tells the windows; default: nobody
	Tracer          Tracer           // who hears what happens to each message; default: nobody
	MaxBodyLength   int              // the longest message in characters (Unicode code points); default 10,000
	SessionLifetime time.Duration    // how long after its last use a session ends; default 30 days
	SessionAtMost   time.Duration    // how long after signing in a session ends, used or not; default 90 days, below 0 never
	Now             func() time.Time // the clock; default time.Now
	Home            Home             // which pool writes a conversation; default: the Store's own
	RememberFor     time.Duration    // how long what the database said can be answered from memory; default 0.5 s, below 0 never
}

// Home gives the pool that writes the conversation between two users, the lower ID first. Two pools lead to the same
// data; the answer may change at any time.
type Home func(lo, hi uint64) *sql.DB

// Store is the database seen through the rules. It is safe for concurrent use.
type Store struct {
	db        *sql.DB
	q         *queries.Queries
	notifier  Notifier
	tracer    Tracer
	maxBody   int
	lifetime  time.Duration
	atMost    time.Duration // below 0: for ever
	now       func() time.Time
	hashing   chan struct{}
	hashWait  time.Duration
	patience  time.Duration // how long a write goes on trying, and what one look-up may take
	home      Home
	lanes     sync.Map // *sql.DB, a home, to its lanes
	held      *held
	sessions  *lookup[queries.SessionsByHashRow]
	tokens    *lookup[queries.TokensByHashRow]
	people    *lookup[queries.User]
	standings *lookup[queries.Standing]
	viewers   *lookup[queries.ViewersByIDRow]
	recent    recent
	place     *memory[struct{}, Place]
	secured   *memory[uint64, struct{}] // who has a second factor
	mailReady chan struct{}
	attempts  *attempts
	counts    counts
}

// New makes a Store on a migrated database.
func New(db *sql.DB, o Options) *Store {
	s := &Store{
		db: db, q: queries.New(db), notifier: o.Notifier, maxBody: o.MaxBodyLength, lifetime: o.SessionLifetime, atMost: o.SessionAtMost,
		hashing: make(chan struct{}, maxConcurrentHashes), hashWait: maxHashWait, held: newHeld(), patience: retryFor, home: o.Home,
	}
	if s.home == nil {
		s.home = func(uint64, uint64) *sql.DB { return db }
	}
	if s.notifier == nil {
		s.notifier = NotifierFunc(func(...Event) {})
	}
	if s.tracer = o.Tracer; s.tracer == nil {
		s.tracer = untraced{}
	}
	if s.maxBody == 0 {
		s.maxBody = 10_000
	}
	if s.lifetime == 0 {
		s.lifetime = 30 * 24 * time.Hour
	}
	if s.atMost == 0 {
		s.atMost = defaultAtMost
	}
	clock := o.Now
	if clock == nil {
		clock = time.Now
	}
	if o.RememberFor == 0 {
		o.RememberFor = time.Second / 2
	}
	s.recent, s.place = newRecent(o.RememberFor), newMemory[struct{}, Place](o.RememberFor, 2)
	s.secured = newMemory[uint64, struct{}](o.RememberFor, recallMost)
	s.mailReady = make(chan struct{}, 1)
	s.makeLookups(o.RememberFor)
	s.attempts = newAttempts(s)
	// DATETIME(6) keeps microseconds: what is stored must equal what was returned.
	s.now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	return s
}

// makeLookups makes what has calls that come at the same time go to the database together. Who somebody is, is asked with each
// request, and the answer holds for a moment: several requests make a page.
func (s *Store) makeLookups(recall time.Duration) {
	s.counts.sendGroups, s.counts.lookupGroups = meter.Sizes(postMost), meter.Sizes(lookupMost)
	patience := func() time.Duration { return s.patience }
	s.sessions = newLookup(recall, patience, func(row queries.SessionsByHashRow) []byte { return row.IDHash },
		s.liveSessions)
	s.tokens = newLookup(recall, patience, func(row queries.TokensByHashRow) []byte { return row.Hash },
		func(ctx context.Context, hashes [][]byte) ([]queries.TokensByHashRow, error) {
			return s.q.TokensByHash(ctx, queries.TokensByHashParams{Hashes: hashes, Now: nullTime(s.now())})
		})
	s.people = newLookup(recall, patience, func(row queries.User) []byte { return row.UsernameKey }, s.q.UsersByKey)
	s.standings = newLookup(never, patience, func(row queries.Standing) []byte { return standingKey(row.UserID, row.ConversationID) }, s.findStandings)
	s.tokens.group.sizes = s.counts.lookupGroups
	s.viewers = newLookup(viewersFor*recall, patience, func(row queries.ViewersByIDRow) []byte { return viewerKey(row.ID) }, s.findViewers)
	s.sessions.group.sizes, s.people.group.sizes, s.standings.group.sizes = s.counts.lookupGroups, s.counts.lookupGroups, s.counts.lookupGroups
}

const never = -1

// MaxBodyLength is the longest message in characters (Unicode code points).
func (s *Store) MaxBodyLength() int { return s.maxBody }

// Ready says whether the database answers.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.db.PingContext(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// How long a write goes on trying, and the pause before a further try: the pause doubles from the first to the
// longest, each with jitter. Five seconds outlast a restart of the database and stay below a browser's patience.
const (
	retryFor     = 5 * time.Second
	firstPause   = 2 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// inTx runs f in a transaction, again from its start after a deadlock, a lock time-out or a lost connection, and gives
// an error of kind Unavailable when that does not help. f must be safe to run again, also after a commit whose answer
// was lost. It is not cut short by ctx's cancellation: somebody who hangs up has still sent.
func (s *Store) inTx(ctx context.Context, f func(context.Context, *queries.Queries) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	defer cancel()
	return s.again(ctx, func() error { return s.tryTx(ctx, s.db, f) })
}

// again tries until it succeeds, fails for good, or ctx ends, which gives an error of kind Unavailable.
func (s *Store) again(ctx context.Context, try func() error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := try()
		if !retriable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return unavailable(err)
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// tryTx runs at READ COMMITTED, which db.Open sets on every connection: each rule here rests on a row's lock, none on
// gap locks, and without those two first messages to two people don't wait for each other.
func (s *Store) tryTx(ctx context.Context, db *sql.DB, f func(context.Context, *queries.Queries) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(ctx, s.q.WithTx(tx)); err != nil {
		_ = tx.Rollback() // the error that stopped f says more, and a lost connection rolls back by itself
		return err
	}
	return tx.Commit()
}

// Server errors after which the same statement may succeed, there or on another node, or the connection is gone.
// Sources: MySQL 8.0 Error Message Reference, MariaDB Error Codes, TiDB Error Codes and Troubleshooting.
var retriableNumbers = map[uint16]bool{
	1040: true, // ER_CON_COUNT_ERROR
	1047: true, // ER_UNKNOWN_COM_ERROR: a Galera node without its cluster
	1053: true, // ER_SERVER_SHUTDOWN
	1180: true, // ER_ERROR_DURING_COMMIT: a Galera node left its cluster in the middle
	1205: true, // ER_LOCK_WAIT_TIMEOUT
	1213: true, // ER_LOCK_DEADLOCK; also a conflict with another node of a Galera cluster
	1290: true, // ER_OPTION_PREVENTS_STATEMENT: a node that became read-only
	1317: true, // ER_QUERY_INTERRUPTED
	1836: true, // ER_READ_ONLY_MODE: the same
	1927: true, // ER_CONNECTION_KILLED (MariaDB)
	3024: true, // ER_QUERY_TIMEOUT
	8002: true, // TiDB: somebody changed a row between a transaction's reads and its lock
	8022: true, // TiDB: the commit met a conflict
	8028: true, // TiDB: the schema changed meanwhile
	9001: true, // TiDB: its clock (PD) doesn't answer
	9002: true, // TiDB: its storage (TiKV) doesn't answer
	9003: true, // TiDB: its storage is busy
	9004: true, // TiDB: too many wait for the same row
	9005: true, // TiDB: a part of its storage is moving
	9007: true, // TiDB: write conflict
}

func retriable(err error) bool {
	if err == errStored || err == errUnseen || err == errReported {
		return true
	}
	if server, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return retriableNumbers[server.Number]
	}
	return lostConnection(err)
}

func lostConnection(err error) bool {
	var network *net.OpError
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, sql.ErrTxDone) || // the time was up just before the commit
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &network) ||
		errors.Is(err, context.DeadlineExceeded)
}

func unavailable(cause error) error {
	return &Error{Kind: Unavailable, Text: "The database can't be reached right now. Try again in a moment.", cause: cause}
}

// fault gives a failed read its kind: no row is NotFound with the given text, a lost connection is Unavailable.
func fault(err error, notFoundText string) error {
	switch {
	case err == nil:
		return nil
	case noRow(err):
		return notFound(notFoundText)
	case retriable(err):
		return unavailable(err)
	default:
		return err
	}
}

// noRow says whether a look-up failed only because there is nothing to find.
func noRow(err error) bool { return errors.Is(err, sql.ErrNoRows) }

func duplicateKey(err error) bool {
	server, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && server.Number == 1062 // ER_DUP_ENTRY
}

// lockTimeout is for a statement that met a row which somebody else held for too long.
func lockTimeout(err error) bool {
	server, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && server.Number == 1205 // ER_LOCK_WAIT_TIMEOUT
}

// deadlock is for a statement whose row somebody else changed, also on another node of a Galera cluster.
func deadlock(err error) bool {
	server, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && server.Number == 1213 // ER_LOCK_DEADLOCK
}

// keyMissing is for a statement that names an index which is no longer there.
func keyMissing(err error) bool {
	server, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && server.Number == 1176 // ER_KEY_DOES_NOT_EXITS
}

func nullTime(t time.Time) sql.NullTime { return sql.NullTime{Time: t, Valid: !t.IsZero()} }
