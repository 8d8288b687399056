// Package fanout takes events from the node where something was committed to every node that may have a window for it.
package fanout

import (
	"context"

	"parley/db/chat"
)

// Fanout is a way to tell all nodes. Notify does not block and may lose events while the way is broken; windows that may
// have missed some are told to look (chat.EventCheck) as soon as it is whole again.
type Fanout interface {
	chat.Notifier
	// Subscribe names the function that takes events to this node's windows. It is called once, before any other
	// method but Answer and Trace; deliver must not block.
	Subscribe(deliver func(chat.Event))
	// Follow says that this node now has a window of a user, so that other nodes' events for the user are to come here,
	// and Unfollow that it has none any more. Neither blocks, and for one user they are called in turn.
	Follow(user uint64)
	Unfollow(user uint64)
	// Await returns when a followed user's events come here from every node. It waits for a bounded time and not at all
	// while other nodes can't be heard: then the user's windows are told to look when they can.
	Await(ctx context.Context, user uint64)
	// Ready gives an error while other nodes can't be told or heard; it is ErrPeerSilent where that is one of them only.
	Ready() error
	// Ask puts a question to all other nodes. It gives the answers that came within AskAtMost, and how many nodes were
	// asked. The error says that nobody could be.
	Ask(ctx context.Context, question []byte) (answers [][]byte, asked int, err error)
	// Answer names the function that answers other nodes' questions, nil for one that it doesn't understand. It is called
	// once, before Subscribe.
	Answer(answer func(question []byte) []byte)
	// Trace names what hears of the messages that other nodes are told of. It is called once, before Subscribe.
	Trace(t chat.Tracer)
	// Stats says what was done since the start, and what waits.
	Stats() Stats
	// Close sends what waits to be sent and lets go of everything. Nothing else may be called afterwards.
	Close()
}

// Memory is the Fanout of a single node: what is notified is delivered here and now.
type Memory struct{ deliver func(chat.Event) }

// NewMemory makes a Memory that drops events until somebody subscribes.
func NewMemory() *Memory { return &Memory{deliver: func(chat.Event) {}} }

// Subscribe implements Fanout.
func (m *Memory) Subscribe(deliver func(chat.Event)) { m.deliver = deliver }

// Notify implements chat.Notifier.
func (m *Memory) Notify(events ...chat.Event) {
	for _, e := range events {
		m.deliver(e)
	}
}

// Follow implements Fanout: one node hears itself.
func (m *Memory) Follow(uint64) {}

// Unfollow implements Fanout.
func (m *Memory) Unfollow(uint64) {}

// Await implements Fanout.
func (m *Memory) Await(context.Context, uint64) {}

// Ready implements Fanout: one node has nobody else to tell.
func (m *Memory) Ready() error { return nil }

// Close implements Fanout.
func (m *Memory) Close() {}
