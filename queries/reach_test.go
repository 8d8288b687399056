package queries_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"parley/db/dbtest"
	"parley/queries"
)

// crowdRows is how many rows of others each table gets: enough for a table read from end to end to stand out, and for the
// server to think an index worth its while.
var crowdRows = flag.Int("rows", 3000, "how many rows each table has where queries are weighed")

// mostRead is how many rows a query may read to find what is there: that is one row in most tables.
const mostRead = 60

// readsAll are the queries that read whole tables all the same, and why they may.
var readsAll = map[string]string{
	"ListUsers":          "a search for a part of a name, within an index; how often people search is throttled",
	"ListAllUsers":       "as ListUsers, for admins",
	"CountMails":         "for an admin's page, within an index; the queue is short unless something is wrong",
	"DeletionsToDo":      "the table holds what is left to do, which is nothing most of the time",
	"VerifyTotals":       "parley verify reads all there is",
	"VerifyMemberTwice":  "as VerifyTotals",
	"VerifyUsernameKeys": "as VerifyTotals",
	"VerifyEmailKeys":    "as VerifyTotals",
	"VerifyPairs":        "as VerifyTotals",
	"VerifySessions":     "as VerifyTotals",
}

// readsAllOfAPerson are the queries that read all rows of one person, and why they may. Those that delete or empty all of it aren't
// among them.
var readsAllOfAPerson = map[string]string{
	"ListBrowsers":         "20 at most are known",
	"ListPasskeys":         "20 at most may be added",
	"UserTokens":           "50 at most may be made",
	"TouchToken":           "its test lists them",
	"DeleteToken":          "its test lists them",
	"CountFactors":         "there are 20 passkeys and 10 recovery codes at most",
	"CountOpenInvitations": "100 at most are open, and others are few; it is asked when one is made",
}

// A query that reads a whole table is fast in every other test, and slow for the first place that has many people.
func TestNoQueryReadsAllThereIs(t *testing.T) {
	weigh(t, "1000 + n", func(string) bool { return true }, readsAll)
}

// Some have much more of everything than others: an account that is attacked has failed sign-ins, a program has sessions.
func TestNoQueryReadsAllOfAPerson(t *testing.T) {
	leavesNone := regexp.MustCompile("^(Delete|Blank|Close)")
	weigh(t, "1", func(name string) bool { return readsAll[name] == "" && !leavesNone.MatchString(name) }, readsAllOfAPerson)
}

// weigh runs queries where each table has many rows of somebody. Those that may read all have to do so.
func weigh(t *testing.T, owner string, among func(query string) bool, mayReadAll map[string]string) {
	t.Helper()
	pool := dbtest.New(t)
	if _, counted := handlerReads(t, pool); !counted {
		dbtest.Missing(t, errors.New("this engine doesn't count the rows that a statement reads"))
	}
	seed(t, queries.New(pool))
	crowd(t, pool, owner)
	for name, call := range calls {
		if !among(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if read := rowsRead(t, pool, call); (mayReadAll[name] != "") != (read > mostRead) {
				t.Errorf("it read %d rows of tables that have %d", read, *crowdRows)
			}
		})
	}
}

// rowsRead is how many rows a call reads, in a transaction that is taken back.
func rowsRead(t *testing.T, pool *sql.DB, call call) int {
	t.Helper()
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	first, _ := handlerReads(t, tx)
	before, _ := handlerReads(t, tx)
	if _, err := call(t.Context(), queries.New(pool).WithTx(tx)); err != nil {
		t.Fatal(err)
	}
	after, _ := handlerReads(t, tx)
	return after - before - (before - first) // what asking costs
}

type querier interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// handlerReads is how many rows the connection has had read.
func handlerReads(t *testing.T, q querier) (n int, counted bool) {
	t.Helper()
	rows, err := q.QueryContext(t.Context(), "SHOW SESSION STATUS LIKE 'Handler_read%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value int
		if err := rows.Scan(&name, &value); err != nil {
			t.Fatal(err)
		}
		n, counted = n+value, true
	}
	return n, counted && rows.Err() == nil
}

// crowd fills every table with rows of somebody: so no new table is left out.
func crowd(t *testing.T, pool *sql.DB, owner string) {
	t.Helper()
	run := func(statement string) {
		t.Helper()
		if _, err := pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run("CREATE TABLE numbers (n BIGINT UNSIGNED NOT NULL PRIMARY KEY)")
	run("INSERT INTO numbers VALUES (1)")
	for have := 1; have < *crowdRows; have *= 2 {
		run(fmt.Sprintf("INSERT INTO numbers SELECT n + %d FROM numbers WHERE n <= %d", have, *crowdRows-have))
	}
	for table, values := range tables(t, pool, owner) {
		run("INSERT IGNORE INTO " + table + " SELECT " + strings.Join(values, ", ") + " FROM numbers")
		run("ANALYZE TABLE " + table)
	}
}

// tables gives for each of them what to put into its columns for a number n.
func tables(t *testing.T, pool *sql.DB, owner string) map[string][]string {
	t.Helper()
	rows, err := pool.QueryContext(t.Context(), `SELECT table_name, column_name, data_type, is_nullable = 'YES', COALESCE(character_maximum_length, 0) FROM information_schema.columns
		WHERE table_schema = DATABASE() AND table_name NOT IN ('numbers', 'schema_migrations', 'schema_lease', 'settings', 'setup_links') ORDER BY table_name, ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[string][]string{}
	for rows.Next() {
		var table string
		var c column
		if err := rows.Scan(&table, &c.name, &c.kind, &c.nullable, &c.length); err != nil {
			t.Fatal(err)
		}
		found[table] = append(found[table], c.value(owner, table))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// oneEach are the tables in which a person has one row at most.
var oneEach = []string{"deletions", "photos", "profiles", "skeletons"}

type column struct {
	name, kind string
	nullable   bool
	length     int
}

// value is different in every row where it can be, and after everything that is asked for. What may be NULL is so in every other row.
func (c column) value(owner, table string) string {
	value := fmt.Sprintf("LEFT(CONCAT('%%', n), %d)", min(c.length, 20))
	switch c.kind {
	case "tinyint":
		value = "0"
	case "int", "bigint":
		value = "1000 + n"
	case "datetime":
		value = "'2026-12-01' + INTERVAL n SECOND"
	case "binary":
		value = fmt.Sprintf("LEFT(UNHEX(SHA2(n, 256)), %d)", c.length)
	}
	switch c.name {
	case "user_id", "actor_id", "subject_id", "creator_id", "reporter_id", "sender_id", "user_lo":
		if !slices.Contains(oneEach, table) {
			return owner
		}
	}
	if c.nullable {
		return "IF(n % 2 = 0, NULL, " + value + ")"
	}
	return value
}
