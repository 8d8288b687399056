package views

import (
	"strings"
	"testing"
	"time"

	"parley/db/chat"
)

// traced is a message's way from one node to another, with a third that says nothing.
func traced() Trace {
	sent := at("2026-11-23 09:59:59")
	step := func(kind chat.StepKind, after time.Duration, node, user string, window uint64) TraceStep {
		return TraceStep{Kind: kind, At: sent.Add(after), Node: node, User: user, Window: window}
	}
	memory := step(chat.StepFetched, 4200*time.Microsecond, "one:8080", "alice", 0)
	memory.Memory = true
	return Trace{
		Several: true, Silent: 1, SilentNames: []string{"three:8080", "four:8080"},
		Nodes: []TraceNode{{Name: "one:8080", Since: at("2026-11-23 08:00:00")}, {Name: "two:<b>", Since: at("2026-11-23 10:30:00"), Forgotten: true}},
		Steps: []TraceStep{
			step(chat.StepReceived, 0, "one:8080", "alice", 0),
			step(chat.StepCommitted, 1234*time.Microsecond, "one:8080", "alice", 0),
			step(chat.StepPublished, 1235*time.Microsecond, "one:8080", "alice", 0),
			step(chat.StepPushed, 1300*time.Microsecond, "one:8080", "alice", 3),
			step(chat.StepSent, 2*time.Millisecond, "one:8080", "bob.b", 0),
			step(chat.StepPushed, 2500*time.Microsecond, "two:<b>", "bob.b", 12),
			memory,
			step(chat.StepFetched, 5*time.Millisecond, "two:<b>", "bob.b", 0),
			step(chat.StepRead, 2*time.Second, "two:<b>", "bob.b", 0),
			step(99, 3*time.Second, "two:<b>", "", 0), // a later version's
		},
	}
}

func factsOfOne() chat.MessageFacts {
	return chat.MessageFacts{ID: chat.MessageID{Conversation: 7, Seq: 42}, Sender: alice, Recipient: bob, SentAt: at("2026-11-23 09:59:59"), Characters: 12}
}

func TestTraceSaysWhoIsMissing(t *testing.T) {
	for want, tr := range map[string]Trace{
		"1 other node didn’t answer. What":                             {Silent: 1},
		"2 other nodes didn’t answer, perhaps a or b. What":            {Silent: 2, SilentNames: []string{"a", "b"}},
		"1 other node didn’t answer, perhaps web2:8080. What is known": {Silent: 1, SilentNames: []string{"web2:8080"}},
	} {
		if got := tr.silence(); !strings.HasPrefix(got, want) {
			t.Errorf("says %q, want %q", got, want)
		}
	}
}
