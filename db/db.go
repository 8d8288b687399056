// Package db opens Parley's database and keeps its schema up to date.
//
// It says nothing about people or messages: those rules are in db/chat.
package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// sqlMode is the default of MySQL 8, asked for by name because MariaDB's default is laxer: what one engine
	// refuses, all of them refuse.
	sqlMode = "'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"

	// isolation is a statement and not a variable in the DSN, because no variable name suits every engine: MySQL 8
	// knows only transaction_isolation, MariaDB 10.11 only tx_isolation. Asking for it in each transaction would
	// cost a round trip in each; this costs one in the life of a connection, and covers single statements too.
	isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

	dialTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	// lockWait is in seconds, and the least that all engines take. Sends go in groups: those that wait together with
	// one whose conversation somebody holds wait no longer than this. The engines' own 50 s would outlive everybody's
	// patience. A statement that gives up (error 1205) is tried again by db/chat.
	lockWait = "1"
)

// config sizes the pool.
type config struct {
	// MaxConns is the most connections at a time, and how many of them are kept when idle. 0 means 16.
	MaxConns int
	// MaxLifetime is the age at which a connection is replaced by a new one, so that the pool follows a server
	// that moved behind its name. 0 means 30 minutes.
	MaxLifetime time.Duration
}

// Open opens a pool of connections to the database that dsn names, a go-sql-driver DSN, and checks that the
// database answers. See openConfig.
func Open(ctx context.Context, dsn string) (*sql.DB, error) {
	return openConfig(ctx, dsn, config{})
}

// openConfig is Open with another pool size.
//
// Whatever the DSN says, every connection speaks utf8mb4, reads and writes times in UTC, is strict, and isolates
// transactions at READ COMMITTED. The error is one sentence for the operator and never holds the password. The
// caller closes the pool.
func openConfig(ctx context.Context, dsn string, c config) (*sql.DB, error) {
	cfg, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	inner, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("the database URL can't be used: %w", redact(err, cfg.Passwd))
	}
	pool := sql.OpenDB(connector{inner})
	c.apply(pool)
	if err := pool.PingContext(ctx); err != nil {
		pool.Close()
		return nil, unreachable(cfg, err)
	}
	return pool, nil
}

// apply keeps every connection that it allows: one that was closed and opened again in the next burst would cost
// a message more time than its own transaction.
func (c config) apply(pool *sql.DB) {
	if c.MaxConns == 0 {
		c.MaxConns = 16
	}
	if c.MaxLifetime == 0 {
		c.MaxLifetime = 30 * time.Minute
	}
	pool.SetMaxOpenConns(c.MaxConns)
	pool.SetMaxIdleConns(c.MaxConns)
	pool.SetConnMaxLifetime(c.MaxLifetime)
}

// parse reads a DSN and forces what Parley relies on. The driver's own errors are left out: they may quote the
// part with the password.
func parse(dsn string) (*mysql.Config, error) {
	const example = `it must look like "user:password@tcp(localhost:3306)/parley"`
	if strings.HasPrefix(dsn, "mysql://") || strings.HasPrefix(dsn, "mariadb://") {
		return nil, errors.New(`the database URL is not understood: leave out what comes before "user", ` + example)
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("the database URL is not understood: " + example)
	}
	if cfg.DBName == "" {
		return nil, errors.New("the database URL names no database: " + example)
	}
	force(cfg)
	return cfg, nil
}

// force sets no read timeout: a migration of a big table may well be silent for minutes. A lost server is noticed
// by the caller's context, and by TCP keep-alive.
//
// Parameters go to the server apart from the statement: no text of anybody's is ever put into SQL.
func force(cfg *mysql.Config) {
	cfg.ParseTime = true
	cfg.Loc = time.UTC
	cfg.Collation = "utf8mb4_bin"
	cfg.InterpolateParams = false
	cfg.MultiStatements = false
	cfg.ClientFoundRows = false
	cfg.Logger = driverLog{}
	if cfg.Timeout == 0 {
		cfg.Timeout = dialTimeout
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = writeTimeout
	}
	forceParams(cfg)
}

// forceParams sets system variables that MySQL 8, MariaDB 10.11 and TiDB all know. The names of isolation
// variables go, because the wrong one for an engine would keep it from connecting at all.
func forceParams(cfg *mysql.Config) {
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["time_zone"] = "'+00:00'"
	cfg.Params["sql_mode"] = sqlMode
	if _, given := cfg.Params["innodb_lock_wait_timeout"]; !given {
		cfg.Params["innodb_lock_wait_timeout"] = lockWait
	}
	delete(cfg.Params, "tx_isolation")
	delete(cfg.Params, "transaction_isolation")
}

// connector runs the one statement that every connection needs and a DSN can't say.
type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, isolation, nil); err != nil {
		conn.Close()
		return nil, err
	}
	return &boundConn{fullConn: conn.(fullConn), statements: map[string]driver.Stmt{}}, nil
}

// driverLog takes the driver's remarks, such as a broken idle connection that the pool replaces by itself. Whatever
// matters comes back as an error as well, so they are for debugging only.
type driverLog struct{}

func (driverLog) Print(v ...any) { slog.Debug("database driver", "remark", fmt.Sprint(v...)) }

const (
	errUnknownDatabase = 1049
	errAccessDenied    = 1045
	errDatabaseDenied  = 1044
)

// unreachable says in a sentence what is wrong with the server that cfg names.
func unreachable(cfg *mysql.Config, err error) error {
	var said *mysql.MySQLError
	errors.As(err, &said)
	safe := redact(err, cfg.Passwd)
	switch {
	case said != nil && said.Number == errUnknownDatabase:
		return fmt.Errorf("the server at %s has no database named %s: create it there with CREATE DATABASE %s CHARACTER SET utf8mb4 COLLATE utf8mb4_bin (%w)", cfg.Addr, cfg.DBName, cfg.DBName, safe)
	case said != nil && (said.Number == errAccessDenied || said.Number == errDatabaseDenied):
		return fmt.Errorf("the database server at %s does not let the user %s in: check the name and the password in the database URL, and the user's rights on %s (%w)", cfg.Addr, cfg.User, cfg.DBName, safe)
	case said != nil:
		return fmt.Errorf("the database server at %s refused the connection (%w)", cfg.Addr, safe)
	}
	return fmt.Errorf("the database server at %s can't be reached: check that it runs and that the database URL is right (%w)", cfg.Addr, safe)
}

// redact gives err itself, or a copy of its text without the password when that is in it.
func redact(err error, password string) error {
	if password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), password, "***"))
}
