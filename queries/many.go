package queries

import (
	"context"
	"slices"
	"strings"
)

// Statements about many rows, which sqlc doesn't make: for MySQL it knows only LOAD DATA LOCAL, which MySQL 8 refuses by
// default. A statement a row takes seven times as long. All values are parameters here too.

// statementRows is how many rows one statement carries: beyond some hundreds it gets no faster. Times nine columns
// it stays below the 65,535 parameters that the protocol takes.
const statementRows = 500

// manyRows collects rows for an INSERT.
type manyRows struct {
	name    string
	into    string // the table and its columns
	update  string // what to do with a row that exists; "" makes that an error
	columns int
	values  []any
}

func insertInto(name, table string, columns ...string) *manyRows {
	return &manyRows{name: name, into: table + " (" + strings.Join(columns, ", ") + ")", columns: len(columns)}
}

func (m *manyRows) onDuplicate(update string) *manyRows {
	m.update = " ON DUPLICATE KEY UPDATE " + update
	return m
}

func (m *manyRows) add(values ...any) { m.values = append(m.values, values...) }

func (m *manyRows) run(ctx context.Context, db DBTX) error {
	row := "(" + repeated("?", ", ", m.columns) + ")"
	for part := range slices.Chunk(m.values, statementRows*m.columns) {
		statement := named(m.name, "INSERT INTO ") + m.into + " VALUES " + repeated(row, ", ", len(part)/m.columns) + m.update
		if _, err := db.ExecContext(ctx, statement, part...); err != nil {
			return err
		}
	}
	return nil
}

// named begins a statement as sqlc's begin, so that whoever reads a server's log can tell which one it is.
func named(name, statement string) string { return "-- name: " + name + " :exec\n" + statement }

// Padded repeats the last item until their number is a power of two: a statement in every length would have each
// connection prepare it in every length. It suits statements to which a repetition makes no difference.
func Padded[T any](items []T) []T {
	whole := slices.Clone(items)
	for n := len(items); n > 0 && n&(n-1) != 0; n++ {
		whole = append(whole, items[len(items)-1])
	}
	return whole
}

func repeated(text, separator string, n int) string {
	return text + strings.Repeat(separator+text, n-1)
}
