package chat

import (
	"sync"
	"time"
)

// memory holds for a moment what the database said, or was told, so that it need not be asked for the same thing again
// and again. How old an answer can be is bounded by time alone; forget is for what is known to be over.
type memory[K comparable, V any] struct {
	keep time.Duration // below 0: nothing is held
	most int           // how many are held, at most

	mu         sync.Mutex
	young, old map[K]kept[V] // each of half the size; what is old goes when young is full or too old itself
	turned     time.Time     // when young was empty
	forgot     uint64        // how often something was
}

type kept[V any] struct {
	value V
	until time.Time
}

func newMemory[K comparable, V any](keep time.Duration, most int) *memory[K, V] {
	return &memory[K, V]{keep: keep, most: most}
}

func (m *memory[K, V]) find(key K) (value V, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.young[key]
	if !ok {
		h, ok = m.old[key]
	}
	if !ok || !time.Now().Before(h.until) {
		return value, false
	}
	return h.value, true
}

// asks gives a mark: take it before the database is asked, and hand it to add.
func (m *memory[K, V]) asks() (mark uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forgot
}

// add holds an answer, unless anything was to be forgotten since its mark was taken: then it may be what is over.
func (m *memory[K, V]) add(key K, value V, mark uint64) {
	if m.keep < 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if mark != m.forgot {
		return
	}
	now := time.Now()
	if m.young == nil || len(m.young) >= m.most/2 || now.Sub(m.turned) > m.keep {
		m.young, m.old, m.turned = map[K]kept[V]{}, m.young, now
	}
	m.young[key] = kept[V]{value, now.Add(m.keep)}
}

// forget drops what is over. It looks at everything that is held.
func (m *memory[K, V]) forget(over func(K, V) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgot++
	for _, half := range []map[K]kept[V]{m.young, m.old} {
		for key, h := range half {
			if over(key, h.value) {
				delete(half, key)
			}
		}
	}
}
