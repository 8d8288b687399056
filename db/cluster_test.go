package db_test

import (
	"context"
	"database/sql"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"parley/db"
	"parley/db/dbtest"
)

// door is an address of the tests' server that can be shut: to whoever comes through it, it is a node of its own.
type door struct {
	t        *testing.T
	dsn      string
	to, addr string
	net      string
	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
	all      sync.WaitGroup
}

func newDoor(t *testing.T, dsn string) *door {
	t.Helper()
	dir, err := os.MkdirTemp("", "door") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, net: cfg.Net, to: cfg.Addr, addr: filepath.Join(dir, "s")}
	cfg.Net, cfg.Addr = "unix", d.addr
	d.dsn = cfg.FormatDSN()
	d.unlock()
	t.Cleanup(func() { d.shut(); d.all.Wait(); os.RemoveAll(dir) })
	return d
}

func (d *door) unlock() {
	d.t.Helper()
	listener, err := net.Listen("unix", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listener = listener
	d.all.Go(func() { d.serve(listener) })
}

func (d *door) serve(listener net.Listener) {
	for {
		in, err := listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial(d.net, d.to)
		if err != nil {
			in.Close()
			continue
		}
		d.mu.Lock()
		d.open = append(d.open, in, out)
		d.mu.Unlock()
		d.all.Go(func() { io.Copy(in, out); in.Close() })
		d.all.Go(func() { io.Copy(out, in); out.Close() })
	}
}

// shut breaks every connection, and refuses new ones until unlock.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listener.Close()
	for _, conn := range d.open {
		conn.Close()
	}
	d.open = nil
}

// inUse is how many connections lead through the door.
func (d *door) inUse() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open) / 2
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !yes(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// twoDoors is a cluster of two nodes, which are one server.
func twoDoors(t *testing.T) (c *db.Cluster, first, second *door) {
	t.Helper()
	dsn, _ := dbtest.NewEmpty(t)
	first, second = newDoor(t, dsn), newDoor(t, dsn)
	c, err := db.OpenCluster(t.Context(), first.dsn, second.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, first, second
}

func ask(pool *sql.DB) error { return pool.PingContext(context.Background()) }

func TestClusterGoesOnWithoutItsFirstNode(t *testing.T) {
	c, first, second := twoDoors(t)
	if err := ask(c.Pool()); err != nil {
		t.Fatal(err)
	}
	first.shut()
	began := time.Now()
	eventually(t, "an answer", func() bool { return ask(c.Pool()) == nil })
	t.Logf("answers again after %v", time.Since(began))
	eventually(t, "the word that the node is away", func() bool { return strings.Join(c.Away(), " ") == first.addr })
	for one := range uint64(50) {
		if err := ask(c.Home(one, 7)); err != nil {
			t.Fatalf("a conversation has no home: %v", err)
		}
	}
	first.unlock()
	eventually(t, "the node's return", func() bool { return len(c.Away()) == 0 })
	// One connection stays with the second node, that with which it is looked at; those of the homes stay as well.
	before := first.inUse()
	for range 20 {
		if err := ask(c.Pool()); err != nil {
			t.Fatal(err)
		}
	}
	if first.inUse() <= before {
		t.Errorf("%d connections lead to the first node, and %d to the second: the pool didn't return", first.inUse(), second.inUse())
	}
}

func TestHomesGoAndReturn(t *testing.T) {
	c, first, _ := twoDoors(t)
	before := map[uint64]*sql.DB{}
	pools := map[*sql.DB]int{}
	for n := range uint64(100) {
		before[n] = c.Home(n, 1000)
		pools[before[n]]++
		if c.Home(1000, n) != before[n] {
			t.Errorf("the conversation of %d and 1000 has two homes", n)
		}
	}
	if len(pools) != 2 {
		t.Fatalf("%d nodes are homes", len(pools))
	}
	first.shut()
	eventually(t, "the word that the node is away", func() bool { return len(c.Away()) == 1 })
	left := map[*sql.DB]int{}
	for n := range before {
		left[c.Home(n, 1000)]++
	}
	if len(left) != 1 {
		t.Errorf("%d nodes are homes, and one is away", len(left))
	}
	first.unlock()
	eventually(t, "the node's return", func() bool { return len(c.Away()) == 0 })
	for n, home := range before {
		if c.Home(n, 1000) != home {
			t.Errorf("the conversation of %d did not come home", n)
		}
	}
}

func TestClusterStartsWithoutANode(t *testing.T) {
	dsn, _ := dbtest.NewEmpty(t)
	there, gone := newDoor(t, dsn), newDoor(t, dsn)
	gone.shut()
	c, err := db.OpenCluster(t.Context(), gone.dsn, there.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := ask(c.Pool()); err != nil || len(c.Away()) != 1 {
		t.Errorf("%v are away: %v", c.Away(), err)
	}
	there.shut()
	if _, err := db.OpenCluster(t.Context(), gone.dsn, there.dsn); err == nil || !strings.Contains(err.Error(), "can't be reached") {
		t.Errorf("without any node the error is %v", err)
	}
}

func TestClusterOfOneIsAPool(t *testing.T) {
	dsn, _ := dbtest.NewEmpty(t)
	c, err := db.OpenCluster(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Home(1, 2) != c.Pool() || len(c.Away()) > 0 {
		t.Error("a single node has homes elsewhere")
	}
}

func TestClusterErrors(t *testing.T) {
	for what, dsns := range map[string][]string{
		"names no database":   {"u@tcp(a:1)/", "u@tcp(b:1)/x"},
		"twice":               {"u@tcp(a:1)/x", "u@tcp(a:1)/x"},
		"hold the same":       {"u@tcp(a:1)/x", "u@tcp(b:1)/y"},
		"no database URL":     {},
		"is not understood: ": {"u@tcp(a:1)/x", "rest of a password@tcp(b:1)"},
	} {
		if _, err := db.OpenCluster(t.Context(), dsns...); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q give the error %v, which doesn't say %q", dsns, err, what)
		}
	}
}

func TestClosedClusterLeavesNothing(t *testing.T) {
	dsn, _ := dbtest.NewEmpty(t)
	one, two := newDoor(t, dsn), newDoor(t, dsn)
	before := goleak.IgnoreCurrent()
	c, err := db.OpenCluster(t.Context(), one.dsn, two.dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(c.Home(1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	one.shut()
	two.shut()
	goleak.VerifyNone(t, before)
}
