package main

import (
	"sync"
	"time"
)

// send is one message that somebody wanted to send, with everything that came of it.
type send struct {
	from, to, client, body string
	at                     time.Time

	mu      sync.Mutex
	tries   int
	acked   map[string]int // by message ID; "" where the answer named none
	created int            // answers that said that the message was made just now
}

// ack notes an answer that said that the message is stored.
func (s *send) ack(id string, created bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[id]++
	if created {
		s.created++
	}
}

func (s *send) isAcked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked) > 0
}

// id is the stored message's, "" where no answer named it.
func (s *send) id() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.acked {
		if id != "" {
			return id
		}
	}
	return ""
}

// ids is how many different messages answers named.
func (s *send) ids() (n int) {
	for id := range s.acked {
		if id != "" {
			n++
		}
	}
	return n
}

// ledger is every send, by its client ID without dashes. It is safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	sends map[string]*send
	by    map[string][]*send // by sender
}

func newLedger() *ledger { return &ledger{sends: map[string]*send{}, by: map[string][]*send{}} }

func (l *ledger) add(s *send) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sends[plain(s.client)] = s
	l.by[s.from] = append(l.by[s.from], s)
}

func (l *ledger) find(client string) *send {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sends[plain(client)]
}

// old picks one of somebody's sends by a random number, nil where there is none.
func (l *ledger) old(from string, random int) *send {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.by[from]) == 0 {
		return nil
	}
	return l.by[from][random%len(l.by[from])]
}

func (l *ledger) all() []*send {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*send, 0, len(l.sends))
	for _, s := range l.sends {
		all = append(all, s)
	}
	return all
}

// plain is a client ID without its dashes, as the database writes it.
func plain(client string) string {
	text := make([]byte, 0, len(client))
	for i := range len(client) {
		if client[i] != '-' {
			text = append(text, client[i])
		}
	}
	return string(text)
}
