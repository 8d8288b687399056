package throttle

import (
	"hash/maphash"
	"sync"
	"time"
)

// mostKeys bounds the memory to some 30 MB, whoever makes keys up.
const mostKeys = 1 << 18

// shards keep people from waiting for each other.
const shards = 64

// memory counts on this node: for each key the time when nothing would be counted any more.
type memory struct {
	seed  maphash.Seed
	most  int // keys of a shard
	parts [shards]shard
}

type shard struct {
	mu   sync.Mutex
	free map[string]time.Time
}

func newMemory(most int) *memory {
	m := &memory{seed: maphash.MakeSeed(), most: max(1, most/shards)}
	for i := range m.parts {
		m.parts[i].free = map[string]time.Time{}
	}
	return m
}

func (m *memory) shardOf(key string) *shard { return &m.parts[maphash.String(m.seed, key)%shards] }

func (m *memory) take(r Rule, key string) time.Duration {
	s, now := m.shardOf(key), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	free, known := s.free[key]
	if free.Before(now) {
		free = now
	}
	free = free.Add(r.Every)
	if wait := free.Sub(now) - time.Duration(r.Burst)*r.Every; wait > 0 {
		return wait
	}
	if !known && len(s.free) >= m.most {
		s.makeRoom(now)
	}
	s.free[key] = free
	return 0
}

func (m *memory) give(r Rule, key string) {
	s, now := m.shardOf(key), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	free, known := s.free[key]
	if !known {
		return
	}
	if free = free.Add(-r.Every); free.After(now) {
		s.free[key] = free
	} else {
		delete(s.free, key)
	}
}

// sampled is how many keys are looked at to make room for one: Redis' own eviction has shown 5 to 10 to be good enough.
const sampled = 16

// makeRoom drops what is over among some keys, or else the one that would be over first: whoever makes keys up to have
// others forgotten has to fill each of them as far.
func (s *shard) makeRoom(now time.Time) {
	first, looked, over := "", 0, false
	for key, free := range s.free { // in random order
		if !free.After(now) {
			delete(s.free, key)
			over = true
		} else if first == "" || free.Before(s.free[first]) {
			first = key
		}
		if looked++; looked >= sampled {
			break
		}
	}
	if !over {
		delete(s.free, first)
	}
}
