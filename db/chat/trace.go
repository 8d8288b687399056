package chat

import "time"

// StepKind says what happened to a message on its way from one person to the other.
type StepKind uint8

// The kinds of Step, in the order in which a message usually meets them.
const (
	StepReceived  StepKind = iota + 1 // the request that sends it came in
	StepCommitted                     // it is in the database
	StepPublished                     // windows are told: this node's, and other nodes' by way of the fan-out
	StepSent                          // the fan-out has taken it for other nodes
	StepPushed                        // a window was told
	StepFetched                       // somebody's page or program got it
	StepRead                          // somebody's watermark reached it
)

// Step is one thing that happened to a message. It holds numbers and a time, never a text.
type Step struct {
	Kind   StepKind
	At     time.Time
	ID     MessageID
	Last   uint64 // StepFetched: the seq of the last of several messages in a row, of which ID is the first; else 0
	User   uint64 // who sent it, was told, fetched or read it
	Window uint64 // StepPushed: the number of the window, which is its own as long as the node runs
	Memory bool   // StepFetched: the database wasn't asked
}

// Tracer hears of each Step as it happens. It must not block, and cost next to nothing.
type Tracer interface {
	Trace(Step)
}

// untraced is the Tracer where nobody wants to know.
type untraced struct{}

func (untraced) Trace(Step) {}

// traceGroup tells of the messages of a group that were stored just now.
func (s *Store) traceGroup(kind StepKind, group []*posting) {
	at := time.Now()
	for _, p := range group {
		if p.err == nil && !p.replayed {
			s.tracer.Trace(Step{Kind: kind, At: at, ID: MessageID{p.row.ConversationID, p.row.Seq}, User: p.sender.ID})
		}
	}
}

// traceFetched tells of messages that the viewer gets, those in a row as one step.
func (s *Store) traceFetched(viewer User, memory bool, messages ...Message) {
	at := time.Now()
	for i := 0; i < len(messages); {
		step := Step{Kind: StepFetched, At: at, ID: messages[i].ID, Last: messages[i].ID.Seq, User: viewer.ID, Memory: memory}
		for i++; i < len(messages) && messages[i].ID == (MessageID{step.ID.Conversation, step.Last + 1}); i++ {
			step.Last++
		}
		s.tracer.Trace(step)
	}
}

func (s *Store) traceRead(viewer User, conversation, seq uint64) {
	s.tracer.Trace(Step{Kind: StepRead, At: time.Now(), ID: MessageID{conversation, seq}, User: viewer.ID})
}
