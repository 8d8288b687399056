package demo

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
	for talk := range plan(people, messages) {
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
			for talk := range plan(people, messages) {
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
		b := bulk{people: []uint64{3, 5, 7, 9, 11, 13, 15, 17, 19, 21}, messages: 9000 - skip, skip: skip, end: end, key: uuid.New()}
		counts := map[[2]uint64]int{}
		for p := range b.pieces {
			counts[p.Pair] += len(p.Lines)
			if len(p.Lines) == 0 || len(p.Lines) > bitMessages {
				t.Fatalf("a piece has %d messages", len(p.Lines))
			}
			if first, last := p.Lines[0].SentAt, p.Lines[len(p.Lines)-1].SentAt; last.After(end) || end.Sub(first) > span+time.Microsecond {
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

// The import refuses names that the rules would store in another form, which would stop a demo half-way.
func TestDemoTextsKeepTheRules(t *testing.T) {
	for i, u := range accounts(0, 5000, time.Now()) {
		if err := u.Check(); err != nil {
			t.Errorf("%+v: %v", u, err)
		}
		n := personAt(i)
		if got := strings.HasPrefix(n.username, numberPrefix); got != (i >= len(withNames)) {
			t.Errorf("%s is taken for somebody with a number or a name", n.username)
		}
	}
}

func TestDemoScriptsFitTogether(t *testing.T) {
	ids := map[string]uint64{}
	for i, n := range withNames {
		ids[n.username] = uint64(i + 1)
	}
	now := time.Now()
	seen := map[[2]uint64]bool{}
	for _, s := range scripts {
		p := s.piece(ids, now)
		pair := [2]uint64{min(p.Pair[0], p.Pair[1]), max(p.Pair[0], p.Pair[1])}
		if seen[pair] || p.Pair[0] == 0 || p.Pair[1] == 0 {
			t.Errorf("%s and %s talk twice, or aren't there", s.a, s.b)
		}
		seen[pair] = true
		if age := now.Sub(p.Lines[0].SentAt); age > scriptSpan {
			t.Errorf("%s and %s began %s ago", s.a, s.b, age)
		}
		for i, line := range p.Lines {
			if line.Sender != p.Pair[0] && line.Sender != p.Pair[1] || line.Body == "" {
				t.Errorf("%s and %s, message %d: %+v", s.a, s.b, i+1, line)
			}
			if i > 0 && !line.SentAt.After(p.Lines[i-1].SentAt) {
				t.Errorf("%s and %s, message %d is no later than the one before", s.a, s.b, i+1)
			}
			if unread := i >= len(p.Lines)-s.unread; unread && line.Sender == p.Pair[0] {
				t.Errorf("%s has not read a message of their own", s.a)
			}
		}
	}
}
