package chat

import "time"

// recent holds what this node has just committed: both people's pages are about to fetch it, and the database need not
// be asked for what it was told a millisecond ago. Who may read a message never changes, and is looked at here as it is
// in the database.
type recent struct{ messages *memory[MessageID, Message] }

const (
	// recentMost and recentLongest (in octets) bound the memory to some 8 MB; longer bodies are left to the database.
	recentMost    = 2048
	recentLongest = 4096
)

func newRecent(keep time.Duration) recent {
	return recent{newMemory[MessageID, Message](keep, recentMost)}
}

// add takes a message that was made just now.
func (r recent) add(m Message) {
	if len(m.Body) <= recentLongest {
		r.messages.add(m.ID, m, r.messages.asks())
	}
}

// find gives a message to one of its two people.
func (r recent) find(viewer User, id MessageID) (Message, bool) {
	m, ok := r.messages.find(id)
	return m, ok && (viewer.ID == m.Sender.ID || viewer.ID == m.Recipient.ID)
}
