package db

import "testing"

// What the tests need besides the exported functions: migrations of their own, and the lock.
var (
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
