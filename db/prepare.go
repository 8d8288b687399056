package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/go-sql-driver/mysql"
)

// fullConn is all that database/sql makes use of in the driver's connections.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// boundConn is a connection of the driver's with three habits of its own: it keeps its statements prepared, reads on a
// connection that turns out to be gone can be repeated, and its transactions end within their contexts.
//
// Prepared afresh, each statement would cost a round trip more than it does, and the server would parse it anew.
type boundConn struct {
	fullConn
	statements map[string]driver.Stmt // by text
	inTx       bool
	clustered
}

// BeginTx implements driver.ConnBeginTx.
func (c *boundConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if _, err := c.fullConn.BeginTx(ctx, opts); err != nil {
		return nil, c.seen(err)
	}
	c.inTx = true
	return boundTx{c, ctx}, nil
}

// boundTx bounds COMMIT and ROLLBACK, for which the driver knows no context: a server or a network that stops just then,
// without a word, would hold the caller for as long as that lasts.
type boundTx struct {
	conn *boundConn
	ctx  context.Context
}

// rollbackTime is how long a ROLLBACK may take. It only hands the connection back clean: without it the connection is
// closed, and the server rolls back by itself.
const rollbackTime = 250 * time.Millisecond

func (t boundTx) Commit() error { return t.end(t.ctx, "COMMIT") }

func (t boundTx) Rollback() error {
	ctx, cancel := context.WithTimeout(t.ctx, rollbackTime)
	defer cancel()
	return t.end(ctx, "ROLLBACK")
}

// end gives ErrBadConn when the context ended first, so that the pool never hands on a connection with a transaction
// open in it.
func (t boundTx) end(ctx context.Context, statement string) error {
	t.conn.inTx = false
	_, err := t.conn.ExecContext(ctx, statement, nil)
	t.conn.seen(err)
	if err != nil && ctx.Err() != nil {
		return driver.ErrBadConn
	}
	return err
}

// maxPrepared is how many statements a connection keeps prepared. Parley has some ninety, and the grouped ones come in
// as many lengths as groups have. MySQL's own limit is 16,382 for the whole server (max_prepared_stmt_count), which is
// enough for five Parleys of 16 connections each at least, and for two on a node of a cluster; beyond it they prepare more
// often.
const maxPrepared = 192

// prepare finds or prepares a statement. One that finds no room is prepared in the place of any other.
func (c *boundConn) prepare(ctx context.Context, query string) (driver.Stmt, error) {
	if stmt, ok := c.statements[query]; ok {
		return stmt, nil
	}
	stmt, err := c.PrepareContext(ctx, query)
	if tooManyPrepared(err) {
		for other := range c.statements {
			c.forget(other)
		}
		stmt, err = c.PrepareContext(ctx, query)
	}
	if err != nil {
		return nil, err
	}
	for other := range c.statements {
		if len(c.statements) < maxPrepared {
			break
		}
		c.forget(other)
	}
	c.statements[query] = stmt
	return stmt, nil
}

func (c *boundConn) forget(query string) {
	_ = c.statements[query].Close() // fails only with the connection
	delete(c.statements, query)
}

// ExecContext implements driver.ExecerContext. Without parameters there is nothing to prepare for.
func (c *boundConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.fullConn.ExecContext(ctx, query, args)
	}
	return withPrepared(ctx, c, query, func(stmt driver.Stmt) (driver.Result, error) {
		return stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	})
}

// QueryContext implements driver.QueryerContext. All of Parley's queries are reads: outside a transaction, one whose
// connection is gone is repeated by database/sql on another, which is what ErrBadConn asks for.
func (c *boundConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.query(ctx, query, args)
	if errors.Is(err, mysql.ErrInvalidConn) && !c.inTx {
		return nil, driver.ErrBadConn
	}
	return rows, err
}

func (c *boundConn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		return c.fullConn.QueryContext(ctx, query, args)
	}
	return withPrepared(ctx, c, query, func(stmt driver.Stmt) (driver.Rows, error) {
		return stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	})
}

// withPrepared runs a prepared statement, and prepares it once more where the server doesn't know it any longer: it did
// nothing then.
func withPrepared[T any](ctx context.Context, c *boundConn, query string, run func(driver.Stmt) (T, error)) (T, error) {
	stmt, err := c.prepare(ctx, query)
	if err != nil {
		var none T
		return none, err
	}
	result, err := run(stmt)
	if !unprepared(err) {
		return result, c.seen(err)
	}
	c.forget(query)
	if stmt, err = c.prepare(ctx, query); err != nil {
		return result, err
	}
	return run(stmt)
}

// tooManyPrepared says that the whole server has as many prepared statements as it takes.
func tooManyPrepared(err error) bool {
	said, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && said.Number == 1461 // ER_MAX_PREPARED_STMT_COUNT_REACHED
}

// unprepared says whether the server has no use for a prepared statement any more: because a proxy brought us to
// another server (1243, ER_UNKNOWN_STMT_HANDLER), or because a table changed (1615, ER_NEED_REPREPARE).
func unprepared(err error) bool {
	said, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (said.Number == 1243 || said.Number == 1615)
}
