package db

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A lease is the migrations' lock where GET_LOCK reaches no further than one server: in a Galera cluster, whose nodes
// all take writes. It is a row with a time on it; of two nodes that insert it at once the cluster lets one commit. A
// Parley that is killed can't give it back, so it runs out by itself.
type lease struct {
	conn   *sql.Conn
	holder string
}

const (
	leaseTable = "schema_lease"

	errDuplicate = 1062
	errLockWait  = 1205
	errDeadlock  = 1213
)

// leaseFor is how long a lease lasts after it was taken or kept; servers' clocks may differ by a good part of it.
// leaseLook is how often somebody looks whether it is free.
var (
	leaseFor  = time.Minute
	leaseLook = 200 * time.Millisecond
)

// galera says whether the server is a member of a Galera cluster. Other engines don't know the variable.
func galera(ctx context.Context, q querier) (bool, error) {
	var name, value string
	err := q.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'").Scan(&name, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return value == "ON", err
}

// takeLease waits until nobody has the lease.
func takeLease(ctx context.Context, conn *sql.Conn) (lease, error) {
	l := lease{conn: conn, holder: rand.Text()}
	err := l.exec(ctx, "CREATE TABLE IF NOT EXISTS "+leaseTable+" (id INT NOT NULL PRIMARY KEY, holder VARCHAR(64) NOT NULL, ends_at DATETIME(6) NOT NULL)")
	for err == nil {
		if err = l.try(ctx); !answered(err, errDuplicate) {
			break
		}
		err = pause(ctx, leaseLook)
	}
	return l, err
}

// try clears away a lease that has run out. Two who see that at once both delete it, but only one of them inserts.
func (l lease) try(ctx context.Context) error {
	if err := l.exec(ctx, "DELETE FROM "+leaseTable+" WHERE id = 1 AND ends_at < UTC_TIMESTAMP(6)"); err != nil {
		return err
	}
	return l.exec(ctx, "INSERT INTO "+leaseTable+" (id, holder, ends_at) VALUES (1, ?, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)", l.holder, leaseFor.Microseconds())
}

// errLeaseLost is what stops a migration after a statement that took longer than a lease, when somebody was waiting.
var errLeaseLost = errors.New("the last change of the schema took so long that another Parley may have begun the next: start this one again")

// keep makes the lease last anew, or finds out that somebody else has it. While a statement changes the schema nobody
// in the cluster can commit, so there would be no use in doing it meanwhile.
func (l lease) keep(ctx context.Context) error {
	done, err := l.result(ctx, "UPDATE "+leaseTable+" SET ends_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE id = 1 AND holder = ?", leaseFor.Microseconds(), l.holder)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errors.Join(errLeaseLost, err)
	}
	return nil
}

// release fails only where the lease then runs out by itself.
func (l lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
	defer cancel()
	_ = l.exec(ctx, "DELETE FROM "+leaseTable+" WHERE id = 1 AND holder = ?", l.holder)
}

func (l lease) exec(ctx context.Context, statement string, args ...any) error {
	_, err := l.result(ctx, statement, args...)
	return err
}

// result tries again after a deadlock, which is how a cluster says that another node was first.
func (l lease) result(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	for {
		done, err := l.conn.ExecContext(ctx, statement, args...)
		if !answered(err, errDeadlock, errLockWait) {
			return done, err
		}
		if err := pause(ctx, leaseLook/10); err != nil {
			return nil, err
		}
	}
}

// answered says whether an error is one of the server's, with one of these numbers.
func answered(err error, numbers ...uint16) bool {
	answer, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && slices.Contains(numbers, answer.Number)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
