package engine

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"
)

// startWithin bounds the start of a cluster, and everything that a test asks of it.
const startWithin = 2 * time.Minute

// shortDir is short enough for a unix socket's path, other than t.TempDir.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// missing skips a test for want of a program, or fails it in CI, where every program has to be there.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func startCluster(t *testing.T) (context.Context, *Galera) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	g, err := StartGalera(ctx, shortDir(t), 3)
	if errors.Is(err, ErrNoGalera) {
		cancel()
		missing(t, err)
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Stop(ctx); cancel() })
	return ctx, g
}

// on gives one connection to a node, on which reads see what every node has committed before.
func on(ctx context.Context, t *testing.T, n *Node) *sql.Conn {
	t.Helper()
	pool, err := sql.Open("mysql", n.DSN())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); pool.Close() })
	run(ctx, t, conn, "SET SESSION wsrep_sync_wait = 7")
	return conn
}

func run(ctx context.Context, t *testing.T, conn *sql.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.ExecContext(ctx, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// What one node took all have, a killed one's work goes on, and when it is back it gets what it missed.
func TestClusterOutlivesANode(t *testing.T) {
	ctx, g := startCluster(t)
	one := on(ctx, t, g.Nodes[0])
	run(ctx, t, one, "CREATE TABLE t (id INT PRIMARY KEY)")
	for i, n := range g.Nodes {
		run(ctx, t, on(ctx, t, n), "INSERT INTO t VALUES (?)", i)
	}
	g.Nodes[2].Kill()
	run(ctx, t, one, "INSERT INTO t VALUES (3)")
	if err := g.Nodes[2].Start(ctx); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := on(ctx, t, g.Nodes[2]).QueryRowContext(ctx, "SELECT COUNT(*) FROM t").Scan(&rows); err != nil || rows != 4 {
		t.Errorf("the node that was killed has %d rows of 4: %v", rows, err)
	}
}
