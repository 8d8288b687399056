// Package trace remembers for a while what happened to messages on this node, for admins who want to know where one was
// late. It knows when and who, never what was written.
package trace

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"parley/db/chat"
)

// Book keeps the latest steps of the latest messages, in a fixed piece of memory. Writing into it allocates nothing. It is
// safe for concurrent use.
type Book struct {
	opened time.Time
	shards [shards]shard
}

const (
	// shards is how many parts of a Book are written at the same time. A conversation is in one of them.
	shards = 8
	// Steps is how many a Book keeps: some eight a message, for some 8,000 messages, in 4 MB.
	Steps = 64 << 10
)

type shard struct {
	mu   sync.Mutex
	ring []entry
	next uint64 // how many were written
}

// entry is a Step without pointers, so that the garbage collector has nothing to look at.
type entry struct {
	at, conversation, seq, last, user, window uint64
	kind                                      chat.StepKind
	memory                                    bool
}

// New makes an empty Book for a number of steps, rounded up to its shards.
func New(steps int) *Book {
	b := &Book{opened: time.Now()}
	for i := range b.shards {
		b.shards[i].ring = make([]entry, (steps+shards-1)/shards)
	}
	return b
}

func (b *Book) shard(conversation uint64) *shard { return &b.shards[conversation%shards] }

// Trace implements chat.Tracer.
func (b *Book) Trace(s chat.Step) {
	e := entry{
		at: uint64(s.At.UnixNano()), conversation: s.ID.Conversation, seq: s.ID.Seq, last: max(s.Last, s.ID.Seq),
		user: s.User, window: s.Window, kind: s.Kind, memory: s.Memory,
	}
	in := b.shard(e.conversation)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ring[in.next%uint64(len(in.ring))] = e
	in.next++
}

// Of gives what happened to a message, in order of time, and since when all of that is remembered: what was before is
// forgotten.
func (b *Book) Of(id chat.MessageID) (steps []chat.Step, since time.Time) {
	in := b.shard(id.Conversation)
	in.mu.Lock()
	defer in.mu.Unlock()
	since = b.opened
	oldest := uint64(0)
	if size := uint64(len(in.ring)); in.next > size {
		oldest = in.next - size
		since = time.Unix(0, int64(in.ring[oldest%size].at))
	}
	read := map[uint64]bool{}
	for n := oldest; n < in.next; n++ {
		e := &in.ring[n%uint64(len(in.ring))]
		if !e.isOf(id) || e.kind == chat.StepRead && read[e.user] {
			continue
		}
		read[e.user] = read[e.user] || e.kind == chat.StepRead
		steps = append(steps, e.step(id))
	}
	slices.SortStableFunc(steps, func(x, y chat.Step) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Kind, y.Kind)) })
	return steps, since
}

// isOf says whether the entry tells of a message. A watermark reaches every message below it too.
func (e *entry) isOf(id chat.MessageID) bool {
	if e.conversation != id.Conversation || e.last < id.Seq {
		return false
	}
	return e.kind == chat.StepRead || e.seq <= id.Seq
}

func (e *entry) step(id chat.MessageID) chat.Step {
	return chat.Step{Kind: e.kind, At: time.Unix(0, int64(e.at)), ID: id, User: e.user, Window: e.window, Memory: e.memory}
}
