package db

import (
	"context"
	"database/sql"
	"testing"
	"time"
)

// Config sizes a pool.
type Config = config

// What the tests need besides the exported functions: a pool of another size, migrations of their own, and the lock.
var (
	OpenConfig  = openConfig
	MigrateUp   = migrateUp
	MigrateBack = migrateDown
	StatusOf    = status
	Migrations  = migrations
)

// Locked runs f under the migrations' lock.
func Locked(ctx context.Context, pool *sql.DB, f func(*sql.Conn) error) error {
	return locked(ctx, pool, func(conn *sql.Conn, _ func(context.Context) error) error { return f(conn) })
}

// SetLockSlice shortens one try for the lock to so many seconds.
func SetLockSlice(t *testing.T, seconds int) {
	before := lockSlice
	lockSlice = seconds
	t.Cleanup(func() { lockSlice = before })
}

// TakeLease waits for the lease, and gives it with what keeps it and what gives it back.
func TakeLease(ctx context.Context, conn *sql.Conn) (keep func(context.Context) error, release func(), err error) {
	l, err := takeLease(ctx, conn)
	return l.keep, func() { l.release(ctx) }, err
}

// SetLease shortens a lease, and the pause between two looks at it.
func SetLease(t *testing.T, length, look time.Duration) {
	was, looked := leaseFor, leaseLook
	leaseFor, leaseLook = length, look
	t.Cleanup(func() { leaseFor, leaseLook = was, looked })
}

// ErrLeaseLost is what keeping a lease gives that somebody else has.
var ErrLeaseLost = errLeaseLost
