package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql" // the bare driver, as sql.Open knows it
	"github.com/gofiber/fiber/v2"
)

// Names of the limits: what this machine does at most of what each message needs.
const (
	limitPrefix  = "limit: "
	limitInserts = limitPrefix + "single-row INSERTs"
	limitGrouped = limitPrefix + "INSERTs of 32 rows"
	limitFiber   = limitPrefix + "a bare Fiber route"
)

// groupRows is how many rows a grouped INSERT has.
const groupRows = 32

// mostConnections stays below the 151 that a MariaDB allows by default, beside Parley's own.
const mostConnections = 120

// measureLimits finds out how far Parley is from what the database and Fiber do by themselves here and now.
func measureLimits(ctx context.Context, o options, s *server) (all []*result, err error) {
	o = o.closed()
	if s.dsn != "" {
		if all, err = measureInserts(ctx, o, s); err != nil {
			return all, err
		}
	}
	bare, err := measureBare(ctx, o)
	return append(all, bare), err
}

// measureInserts writes to a table of its own in the same database.
func measureInserts(ctx context.Context, o options, s *server) (_ []*result, err error) {
	pool, err := sql.Open("mysql", s.dsn)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "CREATE OR REPLACE TABLE bench_rows (conversation_id BIGINT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL, body MEDIUMTEXT NOT NULL, created_at DATETIME(6) NOT NULL, PRIMARY KEY (conversation_id, seq))"); err != nil {
		return nil, err
	}
	defer func() {
		_, dropped := pool.ExecContext(context.WithoutCancel(ctx), "DROP TABLE bench_rows")
		err = errors.Join(err, dropped)
	}()
	single, err := insert(ctx, o, s, pool, limitInserts, min(o.Pairs, mostConnections), 1)
	if err != nil {
		return nil, err
	}
	grouped, err := insert(ctx, o, s, pool, limitGrouped, 1, groupRows)
	return []*result{single, grouped}, err
}

// insert has each writer commit rows by a prepared statement, one statement a transaction.
func insert(ctx context.Context, o options, s *server, pool *sql.DB, name string, writers, rows int) (*result, error) {
	statement := "INSERT INTO bench_rows VALUES (?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?)", rows-1)
	prepared := make([]*sql.Stmt, writers)
	for i := range prepared {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		if prepared[i], err = conn.PrepareContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	l, seqs, body := newLoad(o), make([]int, writers), bodyOf(name)
	m, err := l.run(ctx, s.used, writers, func(w int, _ time.Time) error {
		values := make([]any, 0, 4*rows)
		for range rows {
			seqs[w]++
			values = append(values, w+1000*rows, seqs[w], body, time.Now())
		}
		_, err := prepared[w].ExecContext(ctx, values...)
		return err
	})
	m.count *= uint64(rows)
	m.cost.parley, m.cost.load = m.cost.load, 0 // the driver, which works inside of Parley otherwise
	r := l.result(name, "rows", "statement", m)
	r.Notes = append(r.Notes, "in Parley's place: the bare driver, in bench")
	r.Settings["writers"], r.Settings["rows"] = writers, rows
	return r, err
}

// asBare in the environment makes bench be a server that answers "ok": a process of its own, so that its CPU time is.
const asBare = "BENCH_AS_BARE_SERVER"

// serveBare prints its address and serves until the standard input ends, which it does at the latest with bench.
func serveBare() error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Post("/messages", func(c *fiber.Ctx) error { return c.SendString("ok") })
	address, err := freeAddress()
	if err != nil {
		return err
	}
	app.Hooks().OnListen(func(fiber.ListenData) error { fmt.Println(address); return nil })
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what counts
		_ = app.Shutdown()
	}()
	return app.Listen(address)
}

func measureBare(ctx context.Context, o options) (*result, error) {
	address, pid, stop, err := startBare()
	if err != nil {
		return nil, err
	}
	defer stop()
	links := make([]link, o.Pairs)
	for i := range links {
		links[i].address = address
		defer links[i].close()
	}
	l, s := newLoad(o), &server{pid: pid}
	body, host := form("demo00001", bodyOf("0-0-0"), [16]byte{}), "Host: "+address+"\r\n"
	m, err := l.run(ctx, s.used, len(links), func(w int, _ time.Time) error {
		a, err := links[w].post("/messages", body, host, asFragment, formBody)
		if err == nil && (a.status != 200 || string(a.body) != "ok") {
			err = wrong{fmt.Errorf("the bare route answers %d %q", a.status, a.body)}
		}
		return err
	})
	r := l.result(limitFiber, "requests", "POST answered", m)
	r.Settings["connections"] = len(links)
	r.Notes = append(r.Notes, "in Parley's place: the bare server")
	return r, err
}

func startBare() (address string, pid int, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", 0, nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asBare+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", 0, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", 0, nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", 0, nil, err
	}
	stop = func() { in.Close(); _ = cmd.Wait() }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
	}
	return strings.TrimSpace(line), cmd.Process.Pid, stop, err
}
