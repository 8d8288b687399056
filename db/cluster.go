package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"

	"github.com/go-sql-driver/mysql"
)

// Cluster is a database of one or several nodes, each of which takes writes, and all of which have what one has
// committed: a Galera cluster, or several TiDB servers. A primary with replicas is no such cluster: give only the
// primary.
//
// Each conversation has a home, the one node that its messages are written on, and that every Parley with the same list
// finds without asking: Galera sends back all but one of the transactions that change a row on several nodes at once.
// It is only a matter of speed. When a home is away its conversations go to other nodes, each to the next in an order
// of its own, until it is back.
type Cluster struct {
	nodes []*member
	pool  *sql.DB
	stop  context.CancelFunc
	all   sync.WaitGroup
}

// OpenCluster opens the nodes that the DSNs name, and checks that one of them answers. With several, each is asked once
// a second from then on whether it is well. See Open for what holds on every connection. Nodes are known by the
// addresses in the DSNs, which have to be the same for every Parley; their order may differ. The caller closes it.
func OpenCluster(ctx context.Context, dsns ...string) (*Cluster, error) {
	c := &Cluster{}
	err := c.open(ctx, dsns)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) open(ctx context.Context, dsns []string) error {
	if len(dsns) == 1 {
		pool, err := Open(ctx, dsns[0])
		c.pool = pool
		return err
	}
	configs, err := parseAll(dsns)
	if err != nil {
		return err
	}
	for _, cfg := range configs {
		m, err := newMember(cfg)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, m)
	}
	if err := c.firstLook(ctx); err != nil {
		return err
	}
	c.watch()
	c.pool = sql.OpenDB(anyNode{c.nodes})
	config{}.apply(c.pool)
	return nil
}

// parseAll wants DSNs that differ in their addresses and agree on the database.
func parseAll(dsns []string) (configs []*mysql.Config, err error) {
	if len(dsns) == 0 {
		return nil, errors.New("no database URL is given")
	}
	seen := map[string]bool{}
	for _, dsn := range dsns {
		cfg, err := parse(dsn)
		if err != nil {
			return nil, err
		}
		if seen[cfg.Addr] {
			return nil, fmt.Errorf("the database URL names the node %s twice", cfg.Addr)
		}
		seen[cfg.Addr] = true
		configs = append(configs, cfg)
		if cfg.DBName != configs[0].DBName {
			return nil, fmt.Errorf("the database URL names the databases %s and %s, but the nodes of a cluster hold the same: check that no password contains a space", configs[0].DBName, cfg.DBName)
		}
	}
	return configs, nil
}

// firstLook fails when no node is well.
func (c *Cluster) firstLook(ctx context.Context) error {
	failed := make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i, m := range c.nodes {
		all.Go(func() {
			if failed[i] = m.check(ctx); failed[i] != nil {
				failed[i] = unreachable(m.cfg, failed[i])
			}
			m.well.Store(failed[i] == nil)
		})
	}
	all.Wait()
	away := c.Away()
	if len(away) == len(c.nodes) {
		return errors.Join(failed...)
	}
	if len(away) > 0 {
		slog.Warn("Not every node of the database is there.", "error", errors.Join(failed...))
	}
	return nil
}

func (c *Cluster) watch() {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	for _, m := range c.nodes {
		c.all.Go(func() { m.watch(ctx) })
	}
}

// Pool is for all that has no home: it leads to the first node of the list that is well, and reads on it see what was
// committed on any node before.
func (c *Cluster) Pool() *sql.DB { return c.pool }

// Home is the pool of the node that writes the conversation between two users, who may be given either way round. It
// changes when nodes go away or return, so it is to be asked for each transaction anew.
func (c *Cluster) Home(one, other uint64) *sql.DB {
	if len(c.nodes) == 0 {
		return c.pool
	}
	return home(c.nodes, min(one, other), max(one, other)).writes
}

// Away names the nodes that are not well at the moment.
func (c *Cluster) Away() (names []string) {
	for _, m := range c.nodes {
		if !m.well.Load() {
			names = append(names, m.cfg.Addr)
		}
	}
	return names
}

// Close closes every connection.
func (c *Cluster) Close() error {
	if c.stop != nil {
		c.stop()
		c.all.Wait()
	}
	var failed []error
	if c.pool != nil {
		failed = append(failed, c.pool.Close())
	}
	for _, m := range c.nodes {
		failed = append(failed, m.writes.Close(), m.probe.Close())
	}
	return errors.Join(failed...)
}

// home gives the node with the highest score for the pair among those that are well, or among all where none is. Each
// pair thus has an order of its own: what a lost node had spreads over the others, and nothing else moves (rendezvous
// hashing).
func home(nodes []*member, lo, hi uint64) (best *member) {
	var highest uint64
	well := false
	for _, m := range nodes {
		s, w := score(m.seed, lo, hi), m.well.Load()
		if best == nil || w && !well || w == well && s > highest {
			best, highest, well = m, s, w
		}
	}
	return best
}

// score mixes the bits well enough that nodes and pairs next to each other are far apart.
func score(seed, lo, hi uint64) uint64 { return mix(mix(seed^lo) ^ hi) }

// mix is the last step of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func seedOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(strings.ToLower(name)))
	return h.Sum64()
}

// anyNode connects to the first node that is well, or to the first that can be reached where none is.
type anyNode struct{ nodes []*member }

func (a anyNode) Connect(ctx context.Context) (conn driver.Conn, err error) {
	for _, wanted := range []bool{true, false} {
		for _, m := range a.nodes {
			if m.well.Load() != wanted {
				continue
			}
			if conn, err = m.connect(ctx, true); err == nil {
				conn.(*boundConn).leave = func() bool { return a.betterThan(m) }
				return conn, nil
			}
		}
	}
	return nil, err
}

func (a anyNode) Driver() driver.Driver { return mysql.MySQLDriver{} }

// betterThan says whether a connection to m had better be one to another node.
func (a anyNode) betterThan(m *member) bool {
	for _, other := range a.nodes {
		if other.well.Load() {
			return other != m
		}
	}
	return false
}
