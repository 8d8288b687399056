// Package dbtest gives each test a database of its own on a real server.
//
// The tests start that server by themselves: one for each test binary, a private one as Parley's own. A package's
// TestMain should call Main, which stops it. Where no server program is installed the tests are skipped, or fail
// when CI=true. With PARLEY_TEST_DATABASE_URL, a go-sql-driver DSN, they use that server instead; with several DSNs,
// separated by spaces, the nodes of one cluster in turn. The command .ci/engines runs the tests that way.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"parley/db"
	"parley/db/private"
)

// patience bounds everything that is done for a test.
const patience = time.Minute

// New gives a fresh database with the newest schema, which the test's end drops.
func New(t testing.TB) *sql.DB {
	t.Helper()
	_, pool := NewDSN(t)
	return pool
}

// NewDSN is New for a test that also needs the DSN, such as one of the whole program.
func NewDSN(t testing.TB) (dsn string, pool *sql.DB) {
	t.Helper()
	dsn, pool = NewEmpty(t)
	if err := db.Migrate(t.Context(), pool); err != nil {
		t.Fatalf("migrating the test's database: %v", err)
	}
	return dsn, pool
}

// NewEmpty is NewDSN without the schema.
func NewEmpty(t testing.TB) (dsn string, pool *sql.DB) {
	t.Helper()
	n := shared(t).next()
	name := "parley_test_" + strings.ToLower(rand.Text())
	if _, err := n.admin.ExecContext(t.Context(), "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		t.Fatalf("making the test's database: %v", err)
	}
	dsn = n.dsnOf(name)
	pool, err := db.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		n.drop(t, name)
	})
	return dsn, pool
}

// Peers gives the DSNs of a database from NewDSN or NewEmpty on every node of the cluster that it is on, its own among
// them. Without a cluster there is just that one.
func Peers(t testing.TB, dsn string) (dsns []string) {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range shared(t).nodes {
		n.await(t, cfg.DBName)
		dsns = append(dsns, n.dsnOf(cfg.DBName))
	}
	return dsns
}

// await waits until a database that another node made is here too.
func (n node) await(t testing.TB, name string) {
	t.Helper()
	var found string
	for deadline := time.Now().Add(patience); found == ""; {
		err := n.admin.QueryRowContext(t.Context(), "SHOW DATABASES LIKE '"+name+"'").Scan(&found)
		if err != nil && !errors.Is(err, sql.ErrNoRows) || time.Now().After(deadline) {
			t.Fatalf("the database %s is not on every node: %v", name, err)
		}
	}
}

// drop leaves a server alone that is gone: a test may have killed it for good.
func (n node) drop(t testing.TB, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := n.admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name)
	var said *mysql.MySQLError
	if errors.As(err, &said) {
		t.Errorf("dropping the test's database: %v", err)
	}
}

// Server gives the private server that the test binary's databases are on, for a test that kills it. Such a test
// must not be parallel. It skips the test when the server is one that PARLEY_TEST_DATABASE_URL names.
func Server(t testing.TB) *private.Server {
	t.Helper()
	s := shared(t)
	if s.private == nil {
		t.Skip("the database server is not the tests' own (PARLEY_TEST_DATABASE_URL)")
	}
	return s.private
}

// Main runs a package's tests and then stops the server they started: func TestMain(m *testing.M) { dbtest.Main(m) }.
func Main(m *testing.M) {
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Missing skips a test for want of a program, by name; in CI, where every program has to be there, it fails it.
func Missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}
