package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	migratemysql "github.com/golang-migrate/migrate/v4/database/mysql"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

// embedded holds one statement a file, so that no connection has to allow several statements in one text: that
// would make an injection, should there ever be one, far worse. A statement takes effect as a whole or not at all,
// and run a second time it does nothing more or says that it was done: see finish.
//
// Nodes of the version before run on beside the one that migrates, so the rule for what a migration does is: expand
// first, contract in a later release. A release adds tables, columns that have a default or may be NULL, and keys; it
// renames and drops nothing that the version before reads or writes. What it has stopped using the next one may drop.
// A running node never looks at the schema's version again. One that starts refuses a version that it doesn't know
// (checked): it can't tell an addition from what a later release has taken away.
//
//go:embed migrations/*.sql
var embedded embed.FS

const (
	versionTable = "schema_migrations"

	errNoSuchTable = 1146
)

// lockSlice is how long one GET_LOCK waits, in seconds; the next one follows at once.
var lockSlice = 10

// Migrate brings the schema to the newest version that this program knows. With nothing to do it costs one short
// query. Nodes that start together wait for each other. Between two migrations it stops when ctx ends; what is
// done by then stays done.
func Migrate(ctx context.Context, pool *sql.DB) error {
	return migrateUp(ctx, pool, migrations())
}

// MigrateDown takes back the newest steps migrations, with the data that only they had room for. It says how many it took,
// which is fewer where there are no more.
func MigrateDown(ctx context.Context, pool *sql.DB, steps uint) (taken uint, err error) {
	return migrateDown(ctx, pool, migrations(), steps)
}

// Status tells the schema's version, the newest version that this program knows, and whether a migration broke off
// half way (dirty). A database that was never migrated is at version 0. It changes nothing.
func Status(ctx context.Context, pool *sql.DB) (current, latest uint, dirty bool, err error) {
	return status(ctx, pool, migrations())
}

func migrations() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}

func migrateUp(ctx context.Context, pool *sql.DB, files fs.FS) error {
	current, latest, dirty, err := status(ctx, pool, files)
	if err != nil || (current == latest && !dirty) {
		return err
	}
	// Dirty may only mean that another node is migrating right now; under the lock it means what it says.
	return locked(ctx, pool, func(conn *sql.Conn, keep func(context.Context) error) error {
		for {
			if err := keep(ctx); err != nil {
				return err
			}
			current, latest, dirty, err := checked(ctx, conn, files)
			switch {
			case err != nil:
				return err
			case dirty:
				err = finish(ctx, conn, files, current)
			case current < latest:
				err = step(ctx, conn, files, current, 1)
			default:
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

func migrateDown(ctx context.Context, pool *sql.DB, files fs.FS, steps uint) (taken uint, err error) {
	err = locked(ctx, pool, func(conn *sql.Conn, keep func(context.Context) error) error {
		for range steps {
			if err := keep(ctx); err != nil {
				return err
			}
			current, _, dirty, err := checked(ctx, conn, files)
			if err == nil && dirty {
				err = fmt.Errorf("migration %d broke off half way: run parley migrate up first, which finishes it", current)
			}
			if err != nil || current == 0 {
				return err
			}
			if err := step(ctx, conn, files, current, -1); err != nil {
				return err
			}
			taken++
		}
		return nil
	})
	return taken, err
}

// querier is a pool or one of its connections.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// status doesn't go through the library, which would take its lock and look for its table first.
func status(ctx context.Context, q querier, files fs.FS) (current, latest uint, dirty bool, err error) {
	if latest, err = newest(files); err != nil {
		return 0, 0, false, err
	}
	row := q.QueryRowContext(ctx, "SELECT version, dirty FROM "+versionTable+" LIMIT 1")
	err = row.Scan(&current, &dirty)
	var said *mysql.MySQLError
	if errors.Is(err, sql.ErrNoRows) || errors.As(err, &said) && said.Number == errNoSuchTable {
		return 0, latest, false, nil
	}
	if err != nil {
		return 0, 0, false, fmt.Errorf("the schema's version can't be read: %w", err)
	}
	return current, latest, dirty, nil
}

// checked is status with an error for a schema that is newer than this program, and when ctx has ended.
func checked(ctx context.Context, q querier, files fs.FS) (current, latest uint, dirty bool, err error) {
	current, latest, dirty, err = status(ctx, q, files)
	if err == nil && current > latest {
		err = fmt.Errorf("the database is at schema version %d, but this Parley knows none above %d: a newer Parley has used it, so run that one, or take the schema back with its \"parley migrate down\"", current, latest)
	}
	if err == nil {
		err = ctx.Err()
	}
	return current, latest, dirty, err
}

// finish completes a migration whose Parley was killed on the way, or lost the database, so that nobody knows
// whether its statement took effect. It runs the statement again: an answer like "already exists" settles that it did.
// That is safe because a statement that fails for good leaves no dirty version behind (see step).
func finish(ctx context.Context, conn *sql.Conn, files fs.FS, version uint) error {
	statement, err := upStatement(files, version)
	if err != nil {
		return dirtyError(version, err)
	}
	_, err = conn.ExecContext(ctx, statement)
	var said *mysql.MySQLError
	if err != nil && !(errors.As(err, &said) && slices.Contains(doneBefore, said.Number)) {
		return dirtyError(version, err)
	}
	return setClean(ctx, conn, version)
}

// doneBefore are the answers to a statement that had taken effect before: table, column, key or row exists; or
// there is no such column, key or table any more.
var doneBefore = []uint16{1050, 1060, 1061, 1062, 1826, 1051, 1054, 1091, 1146}

func upStatement(files fs.FS, version uint) (string, error) {
	names, err := fs.Glob(files, fmt.Sprintf("%06d_*.up.sql", version))
	if err == nil && len(names) != 1 {
		err = fmt.Errorf("this Parley has no migration %d", version)
	}
	if err != nil {
		return "", err
	}
	text, err := fs.ReadFile(files, names[0])
	return string(text), err
}

func dirtyError(version uint, err error) error {
	return fmt.Errorf("migration %d broke off half way and can't be finished (%w): look in the database whether its statement took effect; if so, run %s, and if not, run %s; then start Parley again", version, err, cleanSQL(version), cleanSQL(version-1))
}

// setClean notes that the schema is at version, whole.
func setClean(ctx context.Context, conn *sql.Conn, version uint) error {
	if _, err := conn.ExecContext(ctx, cleanSQL(version)); err != nil {
		return fmt.Errorf("the schema's version can't be written: %w", err)
	}
	return nil
}

// cleanSQL follows golang-migrate, for which version 0 is an empty table.
func cleanSQL(version uint) string {
	if version == 0 {
		return "DELETE FROM " + versionTable
	}
	return fmt.Sprintf("UPDATE %s SET version = %d, dirty = FALSE", versionTable, version)
}

// newest is the highest version among the files, which count from 1.
func newest(files fs.FS) (uint, error) {
	names, err := fs.Glob(files, "*.up.sql")
	if err != nil {
		return 0, err
	}
	var latest uint
	for _, name := range names {
		m, err := source.DefaultParse(name)
		if err != nil {
			return 0, fmt.Errorf("the migration file %s has no proper name: %w", name, err)
		}
		latest = max(latest, m.Version)
	}
	return latest, nil
}

// locked runs fn on a connection of its own that holds the migrations' lock, and gives it what finds out before each
// step whether that is still so. The connection never goes back to the pool; its end gives the lock back, whatever
// happened. The lock has the name of golang-migrate's, which older Parleys waited for; the library itself would wait ten
// seconds and then fail: too short when another node is changing a big table.
func locked(ctx context.Context, pool *sql.DB, fn func(conn *sql.Conn, keep func(context.Context) error) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("no connection to migrate the database: %w", err)
	}
	defer conn.Close()
	defer conn.Raw(func(any) error { return driver.ErrBadConn })
	keep, release, err := anyLock(ctx, conn)
	if err != nil {
		return fmt.Errorf("another Parley seems to be migrating the database, and this one could not wait any longer: %w", err)
	}
	defer release()
	return fn(conn, keep)
}

// anyLock takes the kind of lock that the server has.
func anyLock(ctx context.Context, conn *sql.Conn) (keep func(context.Context) error, release func(), err error) {
	cluster, err := galera(ctx, conn)
	if err != nil {
		return nil, nil, err
	}
	if !cluster {
		return func(context.Context) error { return nil }, func() {}, lock(ctx, conn)
	}
	if _, err := conn.ExecContext(ctx, "SET SESSION wsrep_sync_wait = 7"); err != nil { // shows what the other nodes did
		return nil, nil, err
	}
	l, err := takeLease(ctx, conn)
	return l.keep, func() { l.release(ctx) }, err
}

func lock(ctx context.Context, conn *sql.Conn) error {
	var name string
	if err := conn.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&name); err != nil {
		return err
	}
	id, err := database.GenerateAdvisoryLockId(name + ":" + versionTable)
	for err == nil {
		var got sql.NullBool
		err = conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", id, lockSlice).Scan(&got)
		if got.Bool {
			return nil
		}
	}
	return err
}

// step runs n migrations from the version current: 1 up, or 1 down for -1. When the server refuses the statement,
// nothing took effect, and the schema is put down as whole again at current.
func step(ctx context.Context, conn *sql.Conn, files fs.FS, current uint, n int) error {
	err := runStep(ctx, conn, files, n)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("changing the schema from version %d (%+d) failed: %w", current, n, err)
	var said *mysql.MySQLError
	if errors.As(err, &said) {
		return errors.Join(err, setClean(ctx, conn, current))
	}
	return err
}

func runStep(ctx context.Context, conn *sql.Conn, files fs.FS, n int) error {
	if err := allowSerializable(ctx, conn); err != nil {
		return err
	}
	target, err := migratemysql.WithConnection(ctx, conn, &migratemysql.Config{MigrationsTable: versionTable, NoLock: true}) // see locked
	if err != nil {
		return err
	}
	src, err := iofs.New(files, ".")
	if err != nil {
		return err
	}
	defer src.Close()
	m, err := migrate.NewWithInstance("iofs", src, "mysql", target)
	if err != nil {
		return err
	}
	// No m.Close: it would close conn, which holds the lock for the steps to come.
	return unwrap(m.Steps(n))
}

// unwrap finds the server's answer in the library's errors, which hide it from errors.As and print the whole statement.
func unwrap(err error) error {
	var value database.Error
	if errors.As(err, &value) {
		return value.OrigErr
	}
	var pointer *database.Error
	if errors.As(err, &pointer) {
		return pointer.OrigErr
	}
	return err
}

// allowSerializable lets golang-migrate's serializable transactions begin on TiDB, which has no such level and
// otherwise refuses; the lock is enough to keep two of them apart.
func allowSerializable(ctx context.Context, conn *sql.Conn) error {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	if !strings.Contains(version, "TiDB") {
		return nil
	}
	_, err := conn.ExecContext(ctx, "SET SESSION tidb_skip_isolation_level_check = 1")
	return err
}
