package chat

import (
	"context"
	"time"
)

// SearchLimits is how much a search does, for tests with few messages.
type SearchLimits struct {
	Chunk  int
	Budget time.Duration
	Direct int
}

// MessagesWithin is Messages with other limits.
func (s *Store) MessagesWithin(ctx context.Context, actor Actor, q MessageQuery, l SearchLimits) (MessageSearch, error) {
	return s.messages(ctx, actor, q, limits{l.Chunk, l.Budget, l.Direct})
}
