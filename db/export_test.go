package db

import "testing"

// Config sizes a pool.
type Config = config

// What the tests need besides the exported functions: a pool of another size, migrations of their own, and the lock.
var (
	OpenConfig  = openConfig
	MigrateUp   = migrateUp
	MigrateBack = migrateDown
	StatusOf    = status
	Migrations  = migrations
	Locked      = locked
)

// SetLockSlice shortens one try for the lock to so many seconds.
func SetLockSlice(t *testing.T, seconds int) {
	before := lockSlice
	lockSlice = seconds
	t.Cleanup(func() { lockSlice = before })
}
