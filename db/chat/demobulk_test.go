package chat

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestDemoPlanIsUnevenAndExact(t *testing.T) {
	const people, messages = 100_000, 1_000_000
	total, longest := 0, 0
	conversations := map[int]map[int]bool{}
	last := 0.0
	for talk := range demoPlan(people, messages) {
		total += talk.messages
		longest = max(longest, talk.messages)
		if talk.messages < 1 || talk.a == talk.b || max(talk.a, talk.b) >= people {
			t.Fatalf("a talk is %+v", talk)
		}
		for _, pair := range [][2]int{{talk.a, talk.b}, {talk.b, talk.a}} {
			if conversations[pair[0]] == nil {
				conversations[pair[0]] = map[int]bool{}
			}
			conversations[pair[0]][pair[1]] = true
		}
		if short := talk.a != 0 && talk.to < 1; short {
			if talk.from < last-0.02 { // three days are 0.017 of the span
				t.Fatalf("a talk begins at %f after one that began at %f", talk.from, last)
			}
			last = talk.from
		}
	}
	if total != messages || longest != 100_000 {
		t.Errorf("%d messages, %d in the longest conversation", total, longest)
	}
	if n := len(conversations[0]); n < 1000 {
		t.Errorf("the first person has %d conversations", n)
	}
}

func TestDemoPlanForAnyNumberOfPeople(t *testing.T) {
	for people := 1; people < 30; people++ {
		for _, messages := range []int{1, 50, 3000} {
			total := 0
			for talk := range demoPlan(people, messages) {
				total += talk.messages
			}
			if total != messages {
				t.Errorf("%d people, %d messages: %d are planned", people, messages, total)
			}
		}
	}
}

// Gone on with anywhere, a plan's rest is what it would have been.
func TestDemoBulkGoesOn(t *testing.T) {
	end := time.Now()
	count := func(skip int) map[[2]uint64]int {
		b := demoBulk{people: []uint64{3, 5, 7, 9, 11, 13, 15, 17, 19, 21}, messages: 9000 - skip, skip: skip, end: end, key: uuid.New()}
		counts := map[[2]uint64]int{}
		for p := range b.pieces {
			counts[p.pair] += len(p.lines)
			if len(p.lines) == 0 || len(p.lines) > demoBitMessages {
				t.Fatalf("a piece has %d messages", len(p.lines))
			}
			if first, last := p.lines[0].at, p.lines[len(p.lines)-1].at; last.After(end) || end.Sub(first) > demoSpan+time.Microsecond {
				t.Fatalf("a piece goes from %s to %s", first, last)
			}
		}
		return counts
	}
	whole, rest, left := count(0), count(2345), 0
	for pair, n := range rest {
		left += n
		if n > whole[pair] {
			t.Errorf("%v get %d more messages of %d in all", pair, n, whole[pair])
		}
	}
	if left != 9000-2345 {
		t.Errorf("%d messages are left", left)
	}
}

// The demo's texts skip the checks that people's go through, so they must pass them here.
func TestDemoTextsKeepTheRules(t *testing.T) {
	f := fields{}
	for i := range 5000 {
		n := demoNameAt(i)
		if checkUsername(f, n.username) != n.username || checkDisplayName(f, n.display, n.username) != n.display || checkEmail(f, demoEmail(n.username)) != demoEmail(n.username) {
			t.Errorf("%+v would be stored in another form", n)
		}
		if got := strings.HasPrefix(n.username, demoNumbered); got != (i >= len(demoNames)) {
			t.Errorf("%s is taken for somebody with a number or a name", n.username)
		}
	}
	if err := f.err("names"); err != nil {
		t.Error(err)
	}
}

func TestDemoScriptsFitTogether(t *testing.T) {
	ids := map[string]uint64{}
	for i, n := range demoNames {
		ids[n.username] = uint64(i + 1)
	}
	now := time.Now()
	seen := map[userPair]bool{}
	for _, s := range demoScripts {
		p := s.piece(ids, now)
		if seen[pairOf(p)] || p.pair[0] == 0 || p.pair[1] == 0 {
			t.Errorf("%s and %s talk twice, or aren't there", s.a, s.b)
		}
		seen[pairOf(p)] = true
		if age := now.Sub(p.lines[0].at); age > demoScriptSpan {
			t.Errorf("%s and %s began %s ago", s.a, s.b, age)
		}
		for i, line := range p.lines {
			if line.sender != p.pair[0] && line.sender != p.pair[1] || line.body == "" {
				t.Errorf("%s and %s, message %d: %+v", s.a, s.b, i+1, line)
			}
			if i > 0 && !line.at.After(p.lines[i-1].at) {
				t.Errorf("%s and %s, message %d is no later than the one before", s.a, s.b, i+1)
			}
			if unread := i >= len(p.lines)-s.unread; unread && line.sender == p.pair[0] {
				t.Errorf("%s has not read a message of their own", s.a)
			}
		}
	}
}
