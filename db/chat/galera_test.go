package chat_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"parley/db"
	"parley/db/chat"
	"parley/db/dbtest"
	"parley/db/engine"
)

// A real cluster of three nodes, started once for all that is asked of it.
func TestGalera(t *testing.T) {
	g := galera(t)
	t.Run("one conversation on many nodes", func(t *testing.T) { oneConversation(t, g) })
	t.Run("reads after a push", func(t *testing.T) { readsAfterAPush(t, g) })
	t.Run("a node killed", func(t *testing.T) { nodeKilled(t, g) })
}

func galera(t *testing.T) *engine.Galera {
	t.Helper()
	dir, err := os.MkdirTemp("", "galera") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	g, err := engine.StartGalera(ctx, dir, 3)
	if errors.Is(err, engine.ErrNoGalera) {
		dbtest.Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		g.Stop(ctx)
	})
	return g
}

// clusterDSNs makes a database with the newest schema on the cluster, and names it on each node.
func clusterDSNs(t *testing.T, g *engine.Galera, name string) (dsns []string) {
	t.Helper()
	for i, n := range g.Nodes {
		cfg, err := mysql.ParseDSN(n.DSN())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			mustExec(t, open(t, n.DSN()), "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
		}
		cfg.DBName = name
		dsns = append(dsns, cfg.FormatDSN())
	}
	if err := db.Migrate(t.Context(), open(t, dsns[0])); err != nil {
		t.Fatal(err)
	}
	for _, dsn := range dsns {
		eventually(t, "the schema on every node", func() bool {
			pool, err := db.Open(t.Context(), dsn)
			if err != nil {
				return false
			}
			defer pool.Close()
			current, latest, dirty, err := db.Status(t.Context(), pool)
			return err == nil && current == latest && !dirty
		})
	}
	return dsns
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	pool, err := db.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// atHome is a Parley on the whole cluster, to which the n-th node is the nearest.
func atHome(t *testing.T, dsns []string, n int) *world {
	t.Helper()
	w, _ := onAll(t, dsns, n)
	return w
}

func onAll(t *testing.T, dsns []string, n int) (*world, *db.Cluster) {
	t.Helper()
	nodes, err := db.OpenCluster(t.Context(), slices.Concat(dsns[n:], dsns[:n])...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nodes.Close() })
	return worldOn(nodes.Pool(), chat.Options{Home: nodes.Home, RememberFor: -1}), nodes
}

// onOne is a Parley that knows one node alone, as behind a proxy.
func onOne(t *testing.T, dsns []string, n int) *world {
	t.Helper()
	return worldOn(open(t, dsns[n]+"?wsrep_sync_wait=3"), chat.Options{RememberFor: -1})
}

// conflicts is how often the cluster sent a transaction back because another node had changed the same row.
func conflicts(t *testing.T, dsns []string) (n int) {
	t.Helper()
	for _, dsn := range dsns {
		for _, name := range []string{"wsrep_local_cert_failures", "wsrep_local_bf_aborts"} {
			var value int
			if err := open(t, dsn).QueryRow("SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &value); err != nil {
				t.Fatal(err)
			}
			n += value
		}
	}
	return n
}

// One conversation is written through three Parleys at once, and every message is sent again through another.
func oneConversation(t *testing.T, g *engine.Galera) {
	rate := map[string]float64{}
	for name, parley := range map[string]func(*testing.T, []string, int) *world{"homes": atHome, "no_homes": onOne} {
		t.Run(name, func(t *testing.T) {
			dsns := clusterDSNs(t, g, "talk_"+name)
			nodes := []*world{parley(t, dsns, 0), parley(t, dsns, 1), parley(t, dsns, 2)}
			alice, bob := nodes[0].two(t)
			before, began := conflicts(t, dsns), time.Now()
			sent := talk(t, nodes, alice, bob)
			rate[name] = float64(conflicts(t, dsns)-before) / float64(len(sent))
			t.Logf("%d messages, each sent twice, in %v, with %.2f conflicts a message", len(sent), time.Since(began).Round(time.Millisecond), rate[name])
			wantStored(t, nodes[1], []chat.User{alice, bob}, sent, nil)
		})
	}
	if rate["homes"] > rate["no_homes"]/10 || rate["no_homes"] == 0 {
		t.Errorf("homes don't help: %v conflicts a message", rate)
	}
}

// fetcher reads each message as soon as it is told of it, through another Parley, whose database is another node.
type fetcher struct {
	t      *testing.T
	reader *world
	read   atomic.Int64
}

func (f *fetcher) Notify(events ...chat.Event) {
	for _, e := range events {
		viewer := chat.User{ID: e.To}
		if _, err := f.reader.Message(context.Background(), viewer, e.ID); err != nil {
			f.t.Errorf("user %d was told of %v, which isn't there: %v", e.To, e.ID, err)
		}
		f.read.Add(1)
	}
}

// A push comes after the commit, so whoever follows it must find the message, on whichever node they look.
func readsAfterAPush(t *testing.T, g *engine.Galera) {
	dsns := clusterDSNs(t, g, "push")
	f := &fetcher{t: t, reader: atHome(t, dsns, 1)}
	nodes, err := db.OpenCluster(t.Context(), dsns...)
	if err != nil {
		t.Fatal(err)
	}
	defer nodes.Close()
	writer := worldOn(nodes.Pool(), chat.Options{Home: nodes.Home, Notifier: f})
	var people []chat.User
	for i := range 12 {
		people = append(people, writer.people(t, fmt.Sprint("p", i))...)
	}
	together(8, func(i int) {
		for k := range 25 {
			if _, _, err := writer.sendDraft(people[i], chat.Draft{Recipient: people[(i+k)%12].Username, Body: "x"}); err != nil {
				t.Error(err)
			}
		}
	})
	if n := f.read.Load(); n < 300 {
		t.Errorf("only %d were read", n)
	}
}

// A node is killed in the middle of everything and comes back: what was acknowledged is stored, once, and in order.
func nodeKilled(t *testing.T, g *engine.Galera) {
	dsns := clusterDSNs(t, g, "killed")
	first, cluster := onAll(t, dsns, 0)
	nodes := []*world{first, atHome(t, dsns, 1), atHome(t, dsns, 2)}
	users := nodes[0].people(t, "a", "b", "c", "d")
	stop := make(chan struct{})
	var done atomic.Int64
	var all sync.WaitGroup
	senders := make([]*sender, 9)
	for i := range senders {
		senders[i] = &sender{node: nodes[i%3], users: users, patient: true, sent: map[uuid.UUID]chat.Message{}, unknown: map[uuid.UUID]string{}}
		all.Go(func() { senders[i].run(t, i, stop, &done) })
	}
	more := func(n int64) time.Duration {
		began, enough := time.Now(), done.Load()+n
		eventually(t, "messages", func() bool { return done.Load() > enough })
		return time.Since(began)
	}
	more(200)
	g.Nodes[1].Kill()
	t.Logf("a message is stored %v after a node was killed", more(0).Round(time.Millisecond))
	t.Logf("and 200 more after %v", more(200).Round(time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	if err := g.Nodes[1].Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("the node is back after %v", time.Since(began).Round(time.Millisecond))
	eventually(t, "its conversations' way home", func() bool { return len(cluster.Away()) == 0 })
	more(400)
	close(stop)
	all.Wait()
	sent, unknown := map[uuid.UUID]chat.Message{}, map[uuid.UUID]string{}
	for _, s := range senders {
		maps.Copy(sent, s.sent)
		maps.Copy(unknown, s.unknown)
	}
	t.Logf("%d messages were sent, and of %d it isn't known", len(sent), len(unknown))
	for n := range dsns {
		wantStored(t, onOne(t, dsns, n), users, sent, unknown)
	}
}
