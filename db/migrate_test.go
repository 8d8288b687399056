package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"parley/db"
	"parley/db/dbtest"
)

// three are migrations that the tests can break.
func three() fstest.MapFS {
	return fstest.MapFS{
		"000001_one.up.sql":     {Data: []byte("CREATE TABLE one (id BIGINT PRIMARY KEY)")},
		"000001_one.down.sql":   {Data: []byte("DROP TABLE one")},
		"000002_two.up.sql":     {Data: []byte("CREATE TABLE two (id BIGINT PRIMARY KEY)")},
		"000002_two.down.sql":   {Data: []byte("DROP TABLE two")},
		"000003_three.up.sql":   {Data: []byte("ALTER TABLE two ADD COLUMN three BIGINT NULL")},
		"000003_three.down.sql": {Data: []byte("ALTER TABLE two DROP COLUMN three")},
	}
}

func wantStatus(t *testing.T, pool *sql.DB, files fs.FS, version uint) {
	t.Helper()
	current, _, dirty, err := db.StatusOf(t.Context(), pool, files)
	if err != nil || current != version || dirty {
		t.Errorf("the schema is at version %d, dirty %t (%v), not whole at %d", current, dirty, err, version)
	}
}

func exec(t *testing.T, pool *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestMigrateUpAndDown(t *testing.T) {
	_, pool := dbtest.NewEmpty(t)
	current, latest, dirty, err := db.Status(t.Context(), pool)
	if err != nil || current != 0 || latest == 0 || dirty {
		t.Fatalf("a new database is at %d of %d, dirty %t: %v", current, latest, dirty, err)
	}
	for range 2 {
		if err := db.Migrate(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, pool, db.Migrations(), latest)
	}
	if taken, err := db.MigrateDown(t.Context(), pool, 1); err != nil || taken != 1 {
		t.Fatal(taken, err)
	}
	wantStatus(t, pool, db.Migrations(), latest-1)
	if taken, err := db.MigrateDown(t.Context(), pool, 1000); err != nil || taken != latest-1 {
		t.Fatal(taken, err)
	}
	wantStatus(t, pool, db.Migrations(), 0)
	var tables int
	if err := pool.QueryRow("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT LIKE 'schema\\_%'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables are left after the last migration was taken back: %v", tables, err)
	}
	if err := db.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, pool, db.Migrations(), latest)
}

// The library closes what it migrated, and its lock belongs to a connection: neither may show in the pool.
func TestMigrateLeavesThePoolAlone(t *testing.T) {
	_, pool := dbtest.NewEmpty(t)
	pool.SetMaxOpenConns(1)
	for range 2 {
		if err := db.MigrateUp(t.Context(), pool, three()); err != nil {
			t.Fatal(err)
		}
		if _, err := db.MigrateBack(t.Context(), pool, three(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if inUse := pool.Stats().InUse; inUse != 0 {
		t.Errorf("%d connections are still in use", inUse)
	}
	exec(t, pool, "SELECT 1")
}

// Every statement of the library is one more chance for two nodes to disturb each other.
func TestMigrateOnManyNodesAtOnce(t *testing.T) {
	dsn, pool := dbtest.NewEmpty(t)
	const nodes = 8
	failed := make(chan error, nodes)
	peers := dbtest.Peers(t, dsn)
	for i := range nodes {
		go func() {
			node, err := db.Open(context.Background(), peers[i%len(peers)])
			if err == nil {
				err = db.MigrateUp(context.Background(), node, three())
				node.Close()
			}
			failed <- err
		}()
	}
	for range nodes {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	wantStatus(t, pool, three(), 3)
}

// holdLock is a node that is in the middle of a long migration: it has the lock, and the version is dirty.
func holdLock(t *testing.T, pool *sql.DB) (release func()) {
	t.Helper()
	held, done := make(chan struct{}), make(chan struct{})
	finished := make(chan error)
	go func() {
		finished <- db.Locked(context.Background(), pool, func(*sql.Conn) error {
			close(held)
			<-done
			return nil
		})
	}()
	<-held
	return func() {
		close(done)
		if err := <-finished; err != nil {
			t.Error(err)
		}
	}
}

func TestMigrateWaitsForAnotherNode(t *testing.T) {
	db.SetLockSlice(t, 1)
	_, pool := dbtest.NewEmpty(t)
	files := three()
	if err := db.MigrateUp(t.Context(), pool, files); err != nil {
		t.Fatal(err)
	}
	release := holdLock(t, pool)
	exec(t, pool, "UPDATE schema_migrations SET dirty = TRUE")
	migrated := make(chan error)
	go func() { migrated <- db.MigrateUp(context.Background(), pool, files) }()
	select {
	case err := <-migrated:
		t.Fatalf("migrated without the lock: %v", err)
	case <-time.After(1500 * time.Millisecond): // longer than one try for the lock
	}
	exec(t, pool, "UPDATE schema_migrations SET dirty = FALSE")
	release()
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
}

func TestMigrateWaitsNoLongerThanItsContext(t *testing.T) {
	_, pool := dbtest.NewEmpty(t)
	release := holdLock(t, pool)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := db.MigrateUp(ctx, pool, three())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another Parley") {
		t.Errorf("the error is %v", err)
	}
}

// A statement that the server refuses has changed nothing, so the next start may simply try again.
func TestMigrateTriesARefusedStatementAgain(t *testing.T) {
	_, pool := dbtest.NewEmpty(t)
	files := three()
	exec(t, pool, "CREATE TABLE two (of_somebody_else BIGINT PRIMARY KEY)")
	for range 2 {
		if err := db.MigrateUp(t.Context(), pool, files); err == nil || !strings.Contains(err.Error(), "from version 1") {
			t.Errorf("the error is %v", err)
		}
		wantStatus(t, pool, files, 1)
	}
	exec(t, pool, "DROP TABLE two")
	if err := db.MigrateUp(t.Context(), pool, files); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, pool, files, 3)
}

// A Parley that is killed while it migrates leaves the version dirty, before or after the statement took effect.
func TestMigrateFinishesWhatWasCutOff(t *testing.T) {
	for name, done := range map[string]bool{"before": false, "after": true} {
		for version := 1; version <= 3; version++ {
			t.Run(fmt.Sprint(name, version), func(t *testing.T) {
				_, pool := dbtest.NewEmpty(t)
				files := three()
				if err := db.MigrateUp(t.Context(), pool, files); err != nil {
					t.Fatal(err)
				}
				back := 3 - version
				if !done {
					back++
				}
				if _, err := db.MigrateBack(t.Context(), pool, files, uint(back)); err != nil {
					t.Fatal(err)
				}
				exec(t, pool, "DELETE FROM schema_migrations")
				exec(t, pool, "INSERT INTO schema_migrations (version, dirty) VALUES (?, TRUE)", version)
				if err := db.MigrateUp(t.Context(), pool, files); err != nil {
					t.Fatal(err)
				}
				wantStatus(t, pool, files, 3)
				exec(t, pool, "INSERT INTO two (id, three) SELECT 1, 1 FROM DUAL WHERE NOT EXISTS (SELECT * FROM one)")
			})
		}
	}
}

func TestMigrateSaysWhatToDoAboutADirtyDatabase(t *testing.T) {
	_, pool := dbtest.NewEmpty(t)
	files := three()
	if err := db.MigrateUp(t.Context(), pool, files); err != nil {
		t.Fatal(err)
	}
	files["000003_three.up.sql"] = &fstest.MapFile{Data: []byte("NO SQL")}
	exec(t, pool, "UPDATE schema_migrations SET dirty = TRUE")
	err := db.MigrateUp(t.Context(), pool, files)
	if err == nil || !strings.Contains(err.Error(), "UPDATE schema_migrations SET version = 3, dirty = FALSE") {
		t.Errorf("the error is %v", err)
	}
	if _, err := db.MigrateBack(t.Context(), pool, files, 1); err == nil || !strings.Contains(err.Error(), "migrate up") {
		t.Errorf("the error of going down is %v", err)
	}
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	_, pool := dbtest.NewEmpty(t)
	files := three()
	if err := db.MigrateUp(t.Context(), pool, files); err != nil {
		t.Fatal(err)
	}
	delete(files, "000003_three.up.sql")
	delete(files, "000003_three.down.sql")
	_, back := db.MigrateBack(t.Context(), pool, files, 1)
	for _, err := range []error{db.MigrateUp(t.Context(), pool, files), back} {
		if err == nil || !strings.Contains(err.Error(), "newer Parley") {
			t.Errorf("the error is %v", err)
		}
	}
}

// The files' rules, which Migrate relies on: versions without a hole, a way back for each, one statement in each.
func TestMigrationFiles(t *testing.T) {
	files := db.Migrations()
	ups, err := fs.Glob(files, "*.up.sql")
	if err != nil || len(ups) == 0 {
		t.Fatal("there are no migrations", err)
	}
	for i, name := range ups {
		if !strings.HasPrefix(name, fmt.Sprintf("%06d_", i+1)) {
			t.Errorf("%s is not number %d", name, i+1)
		}
		oneStatement(t, files, name)
		oneStatement(t, files, strings.TrimSuffix(name, ".up.sql")+".down.sql")
	}
	all, _ := fs.ReadDir(files, ".")
	if len(all) != 2*len(ups) {
		t.Errorf("%d files are not a way up and a way down for each of %d versions", len(all), len(ups))
	}
}

func oneStatement(t *testing.T, files fs.FS, name string) {
	t.Helper()
	text, err := fs.ReadFile(files, name)
	if err != nil {
		t.Error(err)
		return
	}
	var statement strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			statement.WriteString(line)
		}
	}
	if strings.Contains(strings.TrimRight(statement.String(), "; \n"), ";") {
		t.Errorf("%s holds more than one statement", path.Join("db/migrations", name))
	}
}

func BenchmarkMigrateNothingToDo(b *testing.B) {
	pool := dbtest.New(b)
	for b.Loop() {
		if err := db.Migrate(b.Context(), pool); err != nil {
			b.Fatal(err)
		}
	}
}
