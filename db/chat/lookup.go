package chat

import (
	"context"
	"database/sql"
	"time"

	"parley/queries"
)

// lookup finds rows by a key, those for several callers in one query. Each caller asks the database all the same:
// nothing is remembered from one group to the next.
type lookup[V any] struct {
	find     func(ctx context.Context, keys [][]byte) ([]V, error)
	keyOf    func(V) []byte
	patience func() time.Duration // how long one query may take
	group    grouped[*finding[V]]
}

// lookupMost is how many keys one query holds.
const lookupMost = 128

type finding[V any] struct {
	key   []byte
	value V
	found bool
	err   error
}

func newLookup[V any](patience func() time.Duration, keyOf func(V) []byte, find func(context.Context, [][]byte) ([]V, error)) *lookup[V] {
	l := &lookup[V]{find: find, keyOf: keyOf, patience: patience}
	l.group.most, l.group.serve = lookupMost, l.serve
	return l
}

// get gives the row with this key, and whether there is one.
func (l *lookup[V]) get(ctx context.Context, key []byte) (value V, found bool, err error) {
	f := &finding[V]{key: key}
	if err := l.group.do(ctx, f); err != nil {
		return value, false, err
	}
	return f.value, f.found, f.err
}

// orNoRow is for a look-up that failed, or found nothing.
func orNoRow(err error) error {
	if err == nil {
		return sql.ErrNoRows
	}
	return err
}

// serve is not cut short by any one caller's context, since the others' don't end with it.
func (l *lookup[V]) serve(group []*finding[V]) {
	ctx, cancel := context.WithTimeout(context.Background(), l.patience())
	defer cancel()
	byKey := make(map[string][]*finding[V], len(group))
	keys := make([][]byte, 0, len(group))
	for _, f := range group {
		if byKey[string(f.key)] == nil {
			keys = append(keys, f.key)
		}
		byKey[string(f.key)] = append(byKey[string(f.key)], f)
	}
	rows, err := l.find(ctx, queries.Padded(keys))
	for _, f := range group {
		f.err = err
	}
	for _, row := range rows {
		for _, f := range byKey[string(l.keyOf(row))] {
			f.value, f.found = row, true
		}
	}
}
