package chat

import (
	"context"
	"strings"
)

// VerifyInCrumbs is Verify with the smallest pieces, so that a few rows take many of them.
func (s *Store) VerifyInCrumbs(ctx context.Context, o VerifyOptions) (Verified, error) {
	return s.verify(ctx, o, pieces{rows: 1, conversations: 1, messages: 1, fingerprints: 1, unread: 1000})
}

// VerifyIn is Verify with a number of conversations in each snapshot and few shown counts.
func (s *Store) VerifyIn(ctx context.Context, conversations int32, o VerifyOptions) (Verified, error) {
	sizes := verifySizes
	sizes.conversations, sizes.unread = conversations, 20
	return s.verify(ctx, o, sizes)
}

// ShowOneUnreadTooMany makes a page lie until restore is called.
func ShowOneUnreadTooMany() (restore func()) {
	honest := shownCounts["list of conversations"]
	shownCounts["list of conversations"] = func(ctx context.Context, s *Store, viewer, with User, e *examined, r reader) (int, bool, error) {
		n, ok, err := honest(ctx, s, viewer, with, e, r)
		return n + 1, ok, err
	}
	return func() { shownCounts["list of conversations"] = honest }
}

// SchemaKeys are those that Verify looks for, as text.
func SchemaKeys() (keys []string) {
	for _, k := range schemaKeys {
		keys = append(keys, k.String())
	}
	return keys
}

// KeysThere are those of a database, in the same form.
func (s *Store) KeysThere(ctx context.Context) (keys []string, _ error) {
	there, err := readKeys(ctx, s.db)
	for _, k := range there {
		if !strings.HasPrefix(k.table, "schema_") { // the migrations' own
			keys = append(keys, k.String())
		}
	}
	return keys, err
}

func (k schemaKey) String() string {
	unique := ""
	if k.unique {
		unique = " unique"
	}
	return k.table + " " + k.name + unique + " (" + k.columns + ")"
}
