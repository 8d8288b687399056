package chat

import (
	"context"
	"database/sql"
	"time"

	"parley/queries"
)

// Importer writes many people and messages at once, by the rules that CreateUser and SendMessage keep. It is for code of
// ours that makes data or brings it along, not for what a person asks for: nobody's rights are looked at, and nobody's
// windows hear of the messages; who opens the conversation sees them. A server may be running meanwhile: each call is
// one transaction or none, and takes turns with those who write just then.
//
// All goes over a single connection. An Importer is for one goroutine at a time, and must be closed.
type Importer struct {
	store    *Store
	conn     *sql.Conn
	password string
	hash     string // the password's, see choosePassword
}

// Importer takes a connection. The password becomes that of everybody whom Users is given; an Invalid error names the
// field password.
func (s *Store) Importer(ctx context.Context, password string) (*Importer, error) {
	if err := CheckPassword(password); err != nil {
		return nil, err
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, Fault(err)
	}
	return &Importer{store: s, conn: conn, password: password}, nil
}

// Close gives the connection back.
func (i *Importer) Close() error { return i.conn.Close() }

// Conn is the connection that all is written over, for a lock that is to be lost with it and for reading. Whoever
// changes rows over it goes past the rules.
func (i *Importer) Conn() *sql.Conn { return i.conn }

// Now is the Store's clock: no message may be later.
func (i *Importer) Now() time.Time { return i.store.now() }

// Fault gives an error of database/sql its kind, for those with statements of their own: Unavailable where the database
// can't answer now.
func Fault(err error) error { return fault(err, "") }

// importTries is how often a bit is tried that met a lock of the running server. Each try waits for itself in the
// database, so there is no pause between them.
const importTries = 50

// inTx runs f in a transaction, again after a deadlock or a lock time-out. Unlike Store's inTx it does not go on after
// a lost connection: nobody waits for an answer, and a lock that the caller holds went with the connection.
func (i *Importer) inTx(ctx context.Context, f func(*queries.Queries) error) (err error) {
	for range importTries {
		var tx *sql.Tx
		if tx, err = i.conn.BeginTx(ctx, nil); err != nil {
			return err
		}
		if err = f(queries.New(tx)); err == nil {
			return tx.Commit()
		}
		_ = tx.Rollback() // the error that stopped f says more
		if !retriable(err) || lostConnection(err) {
			return err
		}
	}
	return err
}
