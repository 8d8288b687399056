package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// member is one node of a cluster.
type member struct {
	cfg     *mysql.Config
	seed    uint64
	dial    driver.Connector
	writes  *sql.DB // for the conversations at home here
	probe   *sql.DB // one connection, so that it doesn't wait behind the others
	well    atomic.Bool
	suspect chan struct{} // asks for a look at once
}

// How often a node is looked at, how long it may take to answer, and the pause after a look that somebody asked for. A
// node that was away has to be well for so many looks in a row, lest conversations follow one that comes and goes.
const (
	lookEvery  = time.Second
	lookWithin = 2 * time.Second
	lookPause  = 50 * time.Millisecond
	wellLooks  = 2
)

func newMember(cfg *mysql.Config) (*member, error) {
	inner, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("the database URL can't be used: %w", redact(err, cfg.Passwd))
	}
	m := &member{cfg: cfg, seed: seedOf(cfg.Addr), dial: connector{inner}, suspect: make(chan struct{}, 1)}
	m.writes, m.probe = sql.OpenDB(memberConnector{m}), sql.OpenDB(m.dial)
	config{}.apply(m.writes)
	config{MaxConns: 1}.apply(m.probe)
	return m, nil
}

// memberConnector is for writes. They need not wait for what other nodes wrote: one that doesn't know of it fails at its
// commit, and is tried again.
type memberConnector struct{ m *member }

func (c memberConnector) Connect(ctx context.Context) (driver.Conn, error) {
	return c.m.connect(ctx, false)
}
func (c memberConnector) Driver() driver.Driver { return c.m.dial.Driver() }

// errUnknownVariable is the answer of servers that are no Galera's.
const errUnknownVariable = 1193

// connect makes a connection whose troubles have the node looked at. With current, reads, updates and deletions on it
// wait until the node has what was committed anywhere before; TiDB's do so by themselves. A DSN may ask for another wait.
func (m *member) connect(ctx context.Context, current bool) (driver.Conn, error) {
	conn, err := m.dial.Connect(ctx)
	if err != nil {
		m.look()
		return nil, err
	}
	bound := conn.(*boundConn)
	if _, given := m.cfg.Params["wsrep_sync_wait"]; current && !given {
		_, err = bound.ExecContext(ctx, "SET SESSION wsrep_sync_wait = 3", nil)
		if err != nil && !answered(err, errUnknownVariable) {
			bound.Close()
			m.look()
			return nil, err
		}
	}
	bound.look = m.look
	return bound, nil
}

// clustered is what a connection to a cluster's node has besides; without a cluster it is empty.
type clustered struct {
	look  func()      // has the node looked at
	leave func() bool // whether the connection had better be one to another node
}

// seen has the node looked at after an error that may say that it is away, and gives that error.
func (c clustered) seen(err error) error {
	said, refused := errors.AsType[*mysql.MySQLError](err)
	if c.look != nil && err != nil && (!refused || slices.Contains(awayNumbers, said.Number)) {
		c.look()
	}
	return err
}

// awayNumbers are the answers of a server that doesn't take writes: WSREP has not yet prepared node for application use,
// a shut-down, --read-only, read-only mode.
var awayNumbers = []uint16{1047, 1053, 1290, 1836}

// ResetSession is asked whenever the pool hands a connection out again. One that should lead elsewhere by now is closed,
// and another made.
func (c *boundConn) ResetSession(ctx context.Context) error {
	if c.leave != nil && c.leave() {
		return driver.ErrBadConn
	}
	return c.fullConn.ResetSession(ctx)
}

// look asks for a look at the node without waiting for it.
func (m *member) look() {
	select {
	case m.suspect <- struct{}{}:
	default:
	}
}

// watch looks at the node until ctx ends.
func (m *member) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for looks := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-m.suspect:
		}
		err := m.check(ctx)
		if looks++; err != nil {
			looks = 0
		}
		m.note(err, looks)
		if pause(ctx, lookPause) != nil {
			return
		}
	}
}

// note takes down what a look found; looks is how many found it well in a row.
func (m *member) note(err error, looks int) {
	was := m.well.Load()
	switch {
	case err != nil && was:
		m.well.Store(false)
		slog.Warn("A node of the database is away; others take its conversations.", "server", m.cfg.Addr, "error", redact(err, m.cfg.Passwd))
	case !was && looks >= wellLooks:
		m.well.Store(true)
		slog.Info("A node of the database is back.", "server", m.cfg.Addr)
	}
}

// check says what keeps the node from taking writes, if anything does. A Galera node that has lost the others refuses
// the first question; one that is about to join, or hands its state to another that does, isn't in step.
func (m *member) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	var readOnly bool
	if err := m.probe.QueryRowContext(ctx, "SELECT @@GLOBAL.read_only").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly {
		return errors.New("it is read-only")
	}
	var name, state string
	err := m.probe.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state'").Scan(&name, &state)
	if errors.Is(err, sql.ErrNoRows) || err == nil && state == "4" {
		return nil
	}
	return errors.Join(err, fmt.Errorf("it isn't in step with its cluster (wsrep_local_state %q, not 4)", state))
}
