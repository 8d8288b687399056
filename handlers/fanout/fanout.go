// Package fanout takes events from the node where something was committed to every node that may have a window for it.
package fanout

import "parley/db/chat"

// Fanout is a way to tell all nodes. Notify does not block and may lose events while the way is broken.
type Fanout interface {
	chat.Notifier
	// Subscribe names the function that takes events to this node's windows. It is called once, before the first
	// Notify; deliver must not block.
	Subscribe(deliver func(chat.Event))
	// Ready gives an error while other nodes can't be told.
	Ready() error
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

// Ready implements Fanout: one node has nobody else to tell.
func (m *Memory) Ready() error { return nil }
