package chat

import (
	"context"
	"slices"

	"parley/queries"
)

// maxHashes is how many sessions are looked up in one statement: 16 kB of parameters.
const maxHashes = 512

// EndedSessions gives those of the sessions, named by their hashes, that have ended or expired, or whose user is
// disabled. It is for a node that may not have been told: it looks the sessions of its windows up, however many there
// are, by a statement for every 512.
func (s *Store) EndedSessions(ctx context.Context, hashes [][]byte) (ended [][]byte, _ error) {
	for some := range slices.Chunk(hashes, maxHashes) {
		live, err := s.liveSessions(ctx, queries.Padded(some))
		if err != nil {
			return nil, fault(err, "")
		}
		ended = append(ended, notAmong(live, some)...)
	}
	return ended, nil
}

func (s *Store) liveSessions(ctx context.Context, hashes [][]byte) ([]queries.SessionsByHashRow, error) {
	now := s.now()
	return s.q.SessionsByHash(ctx, queries.SessionsByHashParams{Hashes: hashes, Now: now, MadeAfter: s.madeAfter(now)})
}

func notAmong(live []queries.SessionsByHashRow, hashes [][]byte) (ended [][]byte) {
	known := make(map[string]bool, len(live))
	for _, row := range live {
		known[string(row.IDHash)] = true
	}
	for _, hash := range hashes {
		if !known[string(hash)] {
			ended = append(ended, hash)
		}
	}
	return ended
}
