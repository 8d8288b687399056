package chat

import (
	"sync"
	"time"
)

// recent remembers for a moment what this node has just committed: both people's pages are about to fetch it, and the
// database need not be asked for what it was told a millisecond ago. Who may read a message never changes, and is
// looked at here as it is in the database.
type recent struct {
	mu   sync.Mutex
	at   map[MessageID]int
	ring []remembered
	next int           // where the oldest is
	keep time.Duration // bounds how old an answer can be
}

type remembered struct {
	message Message
	until   time.Time
}

const (
	// recentMost and recentLongest (in octets) bound the memory to some 8 MB; longer bodies are left to the database.
	recentMost    = 2048
	recentLongest = 4096
)

func newRecent(keep time.Duration) *recent {
	return &recent{keep: keep, at: map[MessageID]int{}, ring: make([]remembered, recentMost)}
}

// add takes a message that was made just now.
func (r *recent) add(m Message) {
	if len(m.Body) > recentLongest || r.keep < 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, r.ring[r.next].message.ID)
	r.ring[r.next] = remembered{m, time.Now().Add(r.keep)}
	r.at[m.ID] = r.next
	r.next = (r.next + 1) % recentMost
}

// find gives a message to one of its two people.
func (r *recent) find(viewer User, id MessageID) (Message, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.at[id]
	if !ok {
		return Message{}, false
	}
	found := r.ring[i]
	mine := viewer.ID == found.message.Sender.ID || viewer.ID == found.message.Recipient.ID
	return found.message, mine && time.Now().Before(found.until)
}
