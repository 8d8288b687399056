package db_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/go-sql-driver/mysql"

	"parley/db"
	"parley/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// with gives dsn changed by change.
func with(t *testing.T, dsn string, change func(*mysql.Config)) string {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(cfg)
	return cfg.FormatDSN()
}

// isolationOf reads the variable by the pattern that fits both of its names.
func isolationOf(t *testing.T, pool *sql.DB) string {
	t.Helper()
	rows, err := pool.Query("SHOW SESSION VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var name, value string
	for rows.Next() {
		if err := rows.Scan(&name, &value); err != nil {
			t.Fatal(err)
		}
	}
	return value
}

func TestOpenForcesWhatParleyReliesOn(t *testing.T) {
	dsn, _ := dbtest.NewEmpty(t)
	elsewhere, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	dsn = with(t, dsn, func(c *mysql.Config) {
		c.ParseTime, c.Loc, c.Collation = false, elsewhere, "utf8mb4_general_ci"
		c.Params = map[string]string{"time_zone": "'+05:00'", "sql_mode": "''", "tx_isolation": "'SERIALIZABLE'"}
	})
	pool, err := db.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if got := isolationOf(t, pool); got != "READ-COMMITTED" {
		t.Errorf("isolation is %s", got)
	}
	for variable, want := range map[string]string{
		"time_zone":                "+00:00",
		"collation_connection":     "utf8mb4_bin",
		"character_set_client":     "utf8mb4",
		"innodb_lock_wait_timeout": "1",
	} {
		var got string
		if err := pool.QueryRow("SELECT @@SESSION." + variable).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), not %q", variable, got, err, want)
		}
	}
	var at time.Time
	if err := pool.QueryRow("SELECT TIMESTAMP('2026-11-23 10:00:00.123456')").Scan(&at); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC); !at.Equal(want) || at.Location() != time.UTC {
		t.Errorf("a time came as %v, not %v", at, want)
	}
}

func TestOpenIsStrict(t *testing.T) {
	_, pool := dbtest.NewEmpty(t)
	if _, err := pool.Exec("CREATE TABLE short (text VARCHAR(3) NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec("INSERT INTO short (text) VALUES (?)", "too long"); err == nil {
		t.Error("a text was cut off in silence")
	}
	if _, err := pool.Exec("SELECT 1; SELECT 2"); err == nil {
		t.Error("two statements in one text were taken")
	}
}

func TestOpenKeepsItsConnections(t *testing.T) {
	dsn, _ := dbtest.NewEmpty(t)
	pool, err := db.OpenConfig(t.Context(), dsn, db.Config{MaxConns: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var conns []*sql.Conn
	for range 3 {
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		conn.Close()
	}
	if s := pool.Stats(); s.MaxOpenConnections != 3 || s.Idle != 3 {
		t.Errorf("the pool has at most %d connections and keeps %d", s.MaxOpenConnections, s.Idle)
	}
}

func TestOpenErrors(t *testing.T) {
	dsn, _ := dbtest.NewEmpty(t)
	const secret = "s3cret"
	for name, c := range map[string]struct{ dsn, want string }{
		"a URL":              {"mysql://user:" + secret + "@localhost/parley", "leave out what comes before"},
		"nonsense":           {"user:" + secret + "@localhost/parley", "it must look like"},
		"a slash missing":    {"user:" + secret, "it must look like"},
		"a bad option":       {"user:" + secret + "@tcp(localhost:3306)/parley?parseTime=" + secret, "it must look like"},
		"no database":        {"user:" + secret + "@tcp(localhost:3306)/", "names no database"},
		"nobody there":       {"user:" + secret + "@unix(/nowhere.sock)/parley", "can't be reached"},
		"no such database":   {with(t, dsn, func(c *mysql.Config) { c.DBName = "no_such" }), "has no database named no_such"},
		"a wrong password":   {with(t, dsn, func(c *mysql.Config) { c.Passwd = secret }), "does not let the user"},
		"an unknown setting": {with(t, dsn, func(c *mysql.Config) { c.Params = map[string]string{"no_such": "1"} }), "refused the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			pool, err := db.Open(t.Context(), c.dsn)
			if err == nil {
				pool.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error does not say %q: %v", c.want, err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestOpenStopsWithItsContext(t *testing.T) {
	dsn, _ := dbtest.NewEmpty(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Open(ctx, dsn); err == nil {
		t.Error("no error")
	}
}
