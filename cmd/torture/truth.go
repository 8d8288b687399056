package main

import (
	"fmt"
	"sync"
)

// truth is what has been seen so far by anybody, against which every answer is held. It is safe for concurrent use.
type truth struct {
	mu     sync.Mutex
	facts  map[string]message // by ID: what the first answer said, filled up by later ones
	ids    []string           // of facts, in the order of arrival
	pairs  map[uint64]pair    // by conversation
	newest map[pair]floor
	marks  map[mark]uint64
}

// pair is two people, or one twice, in the order of their names.
type pair struct{ a, b string }

func pairOf(a, b string) pair { return pair{min(a, b), max(a, b)} }

// floor is what every later look at a conversation must show at least.
type floor struct{ seq, rev uint64 }

// mark is whose watermark in the conversation with whom.
type mark struct{ reader, with string }

func newTruth() *truth {
	return &truth{facts: map[string]message{}, pairs: map[uint64]pair{}, newest: map[pair]floor{}, marks: map[mark]uint64{}}
}

// learn takes in what an answer said of a message, and tells of a contradiction to what was said before.
func (t *truth) learn(m message) (contradiction string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	conversation, seq := m.place()
	p := pairOf(m.User, m.Recipient)
	if before, known := t.pairs[conversation]; known && before != p {
		return fmt.Sprintf("conversation %d is between %v and between %v", conversation, before, p)
	}
	t.pairs[conversation] = p
	old, known := t.facts[m.ID]
	if known && contradicts(old, m) {
		return fmt.Sprintf("%+v was %+v", m, old)
	}
	if !known {
		t.ids = append(t.ids, m.ID)
	}
	t.facts[m.ID] = filled(m, old)
	t.newest[p] = floor{max(t.newest[p].seq, seq), max(t.newest[p].rev, m.Rev)}
	return ""
}

func contradicts(a, b message) bool {
	differ := func(x, y string) bool { return x != "" && y != "" && x != y }
	return a.User != b.User || a.Recipient != b.Recipient || a.Body != b.Body || a.Rev != b.Rev ||
		differ(a.ClientID, b.ClientID) || differ(a.Timestamp, b.Timestamp)
}

func filled(m, old message) message {
	if m.ClientID == "" {
		m.ClientID = old.ClientID
	}
	if m.Timestamp == "" {
		m.Timestamp = old.Timestamp
	}
	return m
}

// claim notes that a frame put a conversation between two people, and tells of a contradiction.
func (t *truth) claim(conversation uint64, p pair) (contradiction string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before, known := t.pairs[conversation]; known && before != p {
		return fmt.Sprintf("conversation %d is between %v, and was pushed as one between %v", conversation, before, p)
	}
	return ""
}

// floors is what a reader's next look at everything must show at least.
type floors struct {
	newest map[string]floor // by the other person
	marks  map[string]uint64
}

func (t *truth) floorsOf(reader string, with ...string) floors {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := floors{map[string]floor{}, map[string]uint64{}}
	for _, name := range with {
		f.newest[name] = t.newest[pairOf(reader, name)]
		f.marks[name] = t.marks[mark{reader, name}]
	}
	return f
}

// raise notes how far a reader's look at a conversation went.
func (t *truth) raise(reader, with string, seen floor, read uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, m := pairOf(reader, with), mark{reader, with}
	t.newest[p] = floor{max(t.newest[p].seq, seen.seq), max(t.newest[p].rev, seen.rev)}
	t.marks[m] = max(t.marks[m], read)
}

// foreign picks a message that a person has no part in, by a random number; "" where there is none.
func (t *truth) foreign(person string, random int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range min(50, len(t.ids)) {
		m := t.facts[t.ids[(random+i*7)%len(t.ids)]]
		if m.User != person && m.Recipient != person {
			return m.ID
		}
	}
	return ""
}
