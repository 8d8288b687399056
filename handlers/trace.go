package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// received notes when the request came in that has sent a message.
func (s *Server) received(c *fiber.Ctx, m chat.Message) {
	s.Traces.Trace(chat.Step{Kind: chat.StepReceived, At: c.Context().Time(), ID: m.ID, User: m.Sender.ID})
}

// pushTold pushes a frame to the windows of an event's user, and notes which of them took it.
func (s *Server) pushTold(e chat.Event, text []byte) {
	s.hub.PushTold(e.To, text, func(window uint64) {
		if e.Type == chat.EventMessage {
			s.Traces.Trace(chat.Step{Kind: chat.StepPushed, At: time.Now(), ID: e.ID, User: e.To, Window: window})
		}
	})
}

// traceQuestion is what a node asks others.
type traceQuestion struct {
	Trace *chat.MessageID `json:"trace"`
}

// nodeTrace is what one node knows of a message. Times are in nanoseconds since 1970.
type nodeTrace struct {
	Node  string     `json:"node"`
	Since int64      `json:"since"` // since when it remembers everything
	Steps []nodeStep `json:"steps"`
}

type nodeStep struct {
	Kind   chat.StepKind `json:"kind"`
	At     int64         `json:"at"`
	User   uint64        `json:"user"`
	Window uint64        `json:"window,omitempty"`
	Memory bool          `json:"memory,omitempty"`
}

// ownTrace is what this node knows.
func (s *Server) ownTrace(id chat.MessageID) nodeTrace {
	steps, since := s.Traces.Of(id)
	own := nodeTrace{Node: s.Node, Since: since.UnixNano(), Steps: []nodeStep{}}
	for _, step := range steps {
		own.Steps = append(own.Steps, nodeStep{step.Kind, step.At.UnixNano(), step.User, step.Window, step.Memory})
	}
	return own
}

// answerNode answers another node's question; nil says that it isn't understood.
func (s *Server) answerNode(question []byte) []byte {
	var q traceQuestion
	if json.Unmarshal(question, &q) != nil || q.Trace == nil {
		return nil
	}
	answer, _ := json.Marshal(s.ownTrace(*q.Trace)) // texts and numbers can be marshalled
	return answer
}

// peers remembers which other nodes there have been, to name those that don't answer.
type peers struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

const (
	// peersFor is how long a node is remembered that doesn't answer any more.
	peersFor = time.Hour
	// maxPeers bounds how many are.
	maxPeers = 1000
)

// silent notes which nodes answer, and gives those that did before and don't now.
func (p *peers) silent(answered map[string]bool, now time.Time) (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil || len(p.seen) > maxPeers {
		p.seen = map[string]time.Time{}
	}
	for name := range answered {
		p.seen[name] = now
	}
	for name, at := range p.seen {
		if now.Sub(at) > peersFor {
			delete(p.seen, name)
		} else if !answered[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// traceOf puts together what all nodes know of a message.
func (s *Server) traceOf(ctx context.Context, m chat.MessageFacts) (views.Trace, error) {
	names, err := s.namesOf(ctx, m.Sender, m.Recipient)
	if err != nil {
		return views.Trace{}, err
	}
	t := views.Trace{Several: s.Fanout.Stats().Nodes}
	parts := append([]nodeTrace{s.ownTrace(m.ID)}, s.othersTraces(ctx, m.ID, &t)...)
	for _, part := range parts {
		t.Nodes = append(t.Nodes, views.TraceNode{Name: part.Node, Since: time.Unix(0, part.Since), Forgotten: part.Since > m.SentAt.UnixNano()})
		for _, step := range part.Steps {
			t.Steps = append(t.Steps, views.TraceStep{
				Kind: step.Kind, At: time.Unix(0, step.At), Node: part.Node, User: names[step.User], Window: step.Window, Memory: step.Memory,
			})
		}
	}
	slices.SortStableFunc(t.Steps, func(x, y views.TraceStep) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Kind, y.Kind)) })
	return t, nil
}

// othersTraces asks the other nodes, and notes in t who says nothing.
func (s *Server) othersTraces(ctx context.Context, id chat.MessageID, t *views.Trace) (parts []nodeTrace) {
	question, _ := json.Marshal(traceQuestion{&id}) // numbers can be marshalled
	answers, asked, err := s.Fanout.Ask(ctx, question)
	t.Unreachable = err != nil
	answered := map[string]bool{}
	for _, answer := range answers {
		var part nodeTrace
		if json.Unmarshal(answer, &part) == nil {
			parts, answered[part.Node] = append(parts, part), true
		}
	}
	t.Silent = max(0, asked-len(parts))
	if silent := s.peers.silent(answered, time.Now()); t.Silent > 0 || t.Unreachable {
		t.SilentNames = silent
	}
	return parts
}

// namesOf gives the usernames of a message's two people by their IDs.
func (s *Server) namesOf(ctx context.Context, people ...chat.User) (map[uint64]string, error) {
	names := map[uint64]string{}
	for _, p := range people {
		u, err := s.Store.UserByName(ctx, p.Username)
		if err != nil {
			return nil, err
		}
		names[u.ID] = u.Username
	}
	return names, nil
}

// tracedBody is what admins see of one message, with its trace.
type tracedBody struct {
	factsBody
	Trace traceBody `json:"trace"`
}

type traceBody struct {
	Steps  []stepBody      `json:"steps"`
	Nodes  []traceNodeBody `json:"nodes"`
	Silent int             `json:"silent_nodes"` // how many other nodes didn't answer
}

type stepBody struct {
	Step      string    `json:"step"`
	Timestamp timestamp `json:"timestamp"`
	After     int64     `json:"after_microseconds"` // the first step
	User      string    `json:"user"`
	Window    uint64    `json:"window,omitempty"`
	From      string    `json:"from,omitempty"` // of what was fetched: memory or database
	Node      string    `json:"node"`
}

type traceNodeBody struct {
	Node  string    `json:"node"`
	Since timestamp `json:"remembers_since"`
}

func tracedJSON(m chat.MessageFacts, t views.Trace) tracedBody {
	body := traceBody{Silent: t.Silent, Steps: []stepBody{}, Nodes: mapSlice(t.Nodes, func(n views.TraceNode) traceNodeBody {
		return traceNodeBody{n.Name, timestamp(n.Since)}
	})}
	for _, step := range t.Steps {
		body.Steps = append(body.Steps, stepBody{
			Step: step.Name(), Timestamp: timestamp(step.At), After: t.After(step).Microseconds(), User: step.User,
			Window: step.Window, From: step.From(), Node: step.Node,
		})
	}
	return tracedBody{factsJSON(m), body}
}
