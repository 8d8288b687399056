package chat

import (
	"context"
	"database/sql"
	"time"

	"parley/queries"
)

// lookup finds rows by a key, those for several callers in one query.
type lookup[V any] struct {
	memory   *memory[string, V] // for recall
	find     func(ctx context.Context, keys [][]byte) ([]V, error)
	keyOf    func(V) []byte
	patience func() time.Duration // how long one query may take
	group    grouped[*finding[V]]
}

const (
	// lookupMost is how many keys one query holds.
	lookupMost = 128
	// recallMost is how many rows recall holds, in some 2 MB: those of the people who did something in the last moment.
	recallMost = 8192
)

type finding[V any] struct {
	key   []byte
	value V
	found bool
	err   error
}

// newLookup makes a lookup that answers recall from memory for so long.
func newLookup[V any](recall time.Duration, patience func() time.Duration, keyOf func(V) []byte, find func(context.Context, [][]byte) ([]V, error)) *lookup[V] {
	l := &lookup[V]{memory: newMemory[string, V](recall, recallMost), find: find, keyOf: keyOf, patience: patience}
	l.group.most, l.group.serve = lookupMost, l.serve
	return l
}

// recall is get, or what get said of this key a moment ago.
func (l *lookup[V]) recall(ctx context.Context, key []byte) (value V, found bool, err error) {
	if value, found = l.memory.find(string(key)); found {
		return value, true, nil
	}
	mark := l.memory.asks()
	if value, found, err = l.get(ctx, key); found && err == nil {
		l.memory.add(string(key), value, mark)
	}
	return value, found, err
}

// get asks the database for the row with this key, and whether there is one.
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
