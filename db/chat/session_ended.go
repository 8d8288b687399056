package chat

import (
	"context"
	"slices"

	"parley/queries"
)

// maxHashes is how many sessions are looked up in one statement: 16 kB of parameters.
const maxHashes = 512

// EndedSessions gives those of the sessions and access tokens, named by their hashes, that have ended or expired, or whose
// user is disabled. It is for a node that may not have been told: it looks the sessions of its windows up, however many there
// are, by a statement for every 512.
func (s *Store) EndedSessions(ctx context.Context, hashes [][]byte) (ended [][]byte, _ error) {
	for some := range slices.Chunk(hashes, maxHashes) {
		live, err := s.liveSessions(ctx, queries.Padded(some))
		if err != nil {
			return nil, fault(err, "")
		}
		without, err := s.endedTokens(ctx, notAmong(live, some, func(row queries.SessionsByHashRow) []byte { return row.IDHash }))
		if err != nil {
			return nil, fault(err, "")
		}
		ended = append(ended, without...)
	}
	return ended, nil
}

func (s *Store) liveSessions(ctx context.Context, hashes [][]byte) ([]queries.SessionsByHashRow, error) {
	now := s.now()
	return s.q.SessionsByHash(ctx, queries.SessionsByHashParams{Hashes: hashes, Now: now, MadeAfter: s.madeAfter(now)})
}

// endedTokens looks what is no session up among the access tokens.
func (s *Store) endedTokens(ctx context.Context, hashes [][]byte) (ended [][]byte, _ error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	live, err := s.q.TokensByHash(ctx, queries.TokensByHashParams{Hashes: queries.Padded(hashes), Now: nullTime(s.now())})
	return notAmong(live, hashes, func(row queries.TokensByHashRow) []byte { return row.Hash }), err
}

func notAmong[Row any](live []Row, hashes [][]byte, hashOf func(Row) []byte) (ended [][]byte) {
	known := make(map[string]bool, len(live))
	for _, row := range live {
		known[string(hashOf(row))] = true
	}
	for _, hash := range hashes {
		if !known[string(hash)] {
			ended = append(ended, hash)
		}
	}
	return ended
}
