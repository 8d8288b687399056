package trace

import (
	"slices"
	"sync"
	"testing"
	"time"

	"parley/db/chat"
)

var start = time.Unix(1_800_000_000, 0)

func at(n int) time.Time { return start.Add(time.Duration(n) * time.Microsecond) }

func id(conversation, seq uint64) chat.MessageID {
	return chat.MessageID{Conversation: conversation, Seq: seq}
}

func kinds(steps []chat.Step) (all []chat.StepKind) {
	for _, s := range steps {
		all = append(all, s.Kind)
	}
	return all
}

func TestBookGivesAMessagesStepsInOrder(t *testing.T) {
	b := New(800)
	b.Trace(chat.Step{Kind: chat.StepCommitted, At: at(20), ID: id(7, 3), User: 1})
	b.Trace(chat.Step{Kind: chat.StepPushed, At: at(30), ID: id(7, 3), User: 2, Window: 9})
	b.Trace(chat.Step{Kind: chat.StepReceived, At: at(10), ID: id(7, 3), User: 1}) // it is known last, and was first
	b.Trace(chat.Step{Kind: chat.StepCommitted, At: at(21), ID: id(7, 4), User: 1})
	b.Trace(chat.Step{Kind: chat.StepCommitted, At: at(22), ID: id(15, 3), User: 1}) // in the same shard
	b.Trace(chat.Step{Kind: chat.StepFetched, At: at(40), ID: id(7, 3), User: 2, Memory: true})
	steps, _ := b.Of(id(7, 3))
	want := []chat.Step{
		{Kind: chat.StepReceived, At: at(10), ID: id(7, 3), User: 1},
		{Kind: chat.StepCommitted, At: at(20), ID: id(7, 3), User: 1},
		{Kind: chat.StepPushed, At: at(30), ID: id(7, 3), User: 2, Window: 9},
		{Kind: chat.StepFetched, At: at(40), ID: id(7, 3), User: 2, Memory: true},
	}
	if !slices.Equal(steps, want) {
		t.Errorf("got %+v, want %+v", steps, want)
	}
}

func TestBookKnowsRanges(t *testing.T) {
	b := New(800)
	b.Trace(chat.Step{Kind: chat.StepFetched, At: at(1), ID: id(7, 3), Last: 6, User: 2})
	b.Trace(chat.Step{Kind: chat.StepRead, At: at(2), ID: id(7, 4), User: 2})
	b.Trace(chat.Step{Kind: chat.StepRead, At: at(3), ID: id(7, 6), User: 2})
	b.Trace(chat.Step{Kind: chat.StepRead, At: at(4), ID: id(7, 6), User: 1})
	for seq, want := range map[uint64][]int{2: {2, 4}, 3: {1, 2, 4}, 4: {1, 2, 4}, 5: {1, 3, 4}, 6: {1, 3, 4}, 7: nil} {
		steps, _ := b.Of(id(7, seq))
		var got []int
		for _, s := range steps {
			got = append(got, int(s.At.Sub(start).Microseconds()))
			if s.ID != id(7, seq) {
				t.Errorf("a step of %d is one of %+v", seq, s.ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("message %d has the steps %v, want %v", seq, got, want)
		}
	}
}

func TestBookForgetsTheOldest(t *testing.T) {
	b := New(10 * shards)
	if _, since := b.Of(id(8, 1)); !since.Equal(b.opened) {
		t.Errorf("an empty book knows all since %s", since)
	}
	for seq := range 25 {
		b.Trace(chat.Step{Kind: chat.StepCommitted, At: at(seq), ID: id(8, uint64(seq))})
	}
	b.Trace(chat.Step{Kind: chat.StepCommitted, At: at(99), ID: id(9, 1)}) // elsewhere
	for seq := range 25 {
		steps, since := b.Of(id(8, uint64(seq)))
		if known := len(steps) == 1; known != (seq >= 15) || !since.Equal(at(15)) {
			t.Errorf("message %d has %v, and all is known since %s", seq, kinds(steps), since)
		}
	}
	if steps, since := b.Of(id(9, 1)); len(steps) != 1 || !since.Equal(b.opened) {
		t.Errorf("another shard has %v since %s", steps, since)
	}
}

func TestBookAllocatesNothing(t *testing.T) {
	b := New(Steps)
	var tracer chat.Tracer = b
	step := chat.Step{Kind: chat.StepPushed, At: time.Now(), ID: id(7, 3), User: 2, Window: 9}
	if n := testing.AllocsPerRun(1000, func() { tracer.Trace(step) }); n != 0 {
		t.Errorf("a step allocates %v times", n)
	}
}

func TestManyWriteAtOnce(t *testing.T) {
	b := New(shards * 1000)
	var all sync.WaitGroup
	for n := range uint64(8) {
		all.Go(func() {
			for seq := range uint64(1000) {
				b.Trace(chat.Step{Kind: chat.StepCommitted, At: time.Now(), ID: id(n, seq)})
				b.Of(id(n+1, seq))
			}
		})
	}
	all.Wait()
	for n := range uint64(8) {
		if steps, _ := b.Of(id(n, 500)); len(steps) != 1 {
			t.Errorf("%d-500 has %v", n, steps)
		}
	}
}

// What a step costs, with the clock that each looks at.
func BenchmarkTrace(b *testing.B) {
	book := New(Steps)
	b.ReportAllocs()
	b.RunParallel(func(each *testing.PB) {
		for n := uint64(0); each.Next(); n++ {
			book.Trace(chat.Step{Kind: chat.StepPushed, At: time.Now(), ID: id(n, 3), User: 2, Window: 9})
		}
	})
}

func BenchmarkOf(b *testing.B) {
	book := New(Steps)
	for n := range uint64(Steps) {
		book.Trace(chat.Step{Kind: chat.StepPushed, At: time.Now(), ID: id(n, 3)})
	}
	for b.Loop() {
		book.Of(id(77, 3))
	}
}
