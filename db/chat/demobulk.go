package chat

import (
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Made-up messages go on for half a year, up to a few minutes ago.
const (
	demoSpan = 180 * 24 * time.Hour
	demoEnd  = 5 * time.Minute
)

// demoBulk makes up conversations. What is said, by whom to whom, depends on the numbers alone, so that two machines
// measure the same; times are relative to its end.
type demoBulk struct {
	people   []uint64
	messages int       // how many to make
	skip     int       // how many earlier runs made: the plan is gone on with where it was left
	end      time.Time // when the last one was sent
	key      uuid.UUID // what all client IDs of this run have in common
}

// demoTalk is one conversation of the plan, or a later part of it.
type demoTalk struct {
	a, b     int     // indexes of people
	messages int     // at least 1
	from, to float64 // when, as parts of demoSpan
	unread   bool    // b has read nothing of it
}

// demoPlan shares messages out among people. Real use is uneven, and so is this: the first ones have conversations of
// up to 100,000 messages, the very first has up to 1,000 conversations, and the many have a few short ones.
//
// The short ones come in the order of time, each within a few days. That makes a big demo fast: every index of the
// messages table then grows at its end, or near it, where it is in memory. In random order the pages of messages_created
// are read and written again for each message as soon as they outgrow the memory: measured, a sixth of the speed.
func demoPlan(people, messages int) iter.Seq[demoTalk] {
	return func(yield func(demoTalk) bool) {
		left := messages
		if people >= demoCrowd {
			for _, talks := range []iter.Seq[demoTalk]{demoLongTalks(people, messages), demoHubTalks(people, messages)} {
				for t := range talks {
					left -= t.messages
					if !yield(t) {
						return
					}
				}
			}
		}
		demoShortTalks(people, left)(yield)
	}
}

// demoCrowd is how many people it takes for long talks and a hub. Fewer have each pair's talk in the one order of time.
const demoCrowd = 8

// Long talks have 100,000 messages or a ninth of all, half as many, and so on down to the shortest.
const (
	demoLongest  = 100_000
	demoShortest = 100
)

func demoLongTalks(people, messages int) iter.Seq[demoTalk] {
	return func(yield func(demoTalk) bool) {
		n := min(demoLongest, messages/9)
		for a := 0; a+1 < people/2 && n >= demoShortest; a += 2 {
			if !yield(demoTalk{a: a, b: a + 1, messages: n, to: 1, unread: true}) {
				return
			}
			n /= 2
		}
	}
}

// demoHub is how many people the very first one talks with, at most.
const demoHub = 1000

func demoHubTalks(people, messages int) iter.Seq[demoTalk] {
	return func(yield func(demoTalk) bool) {
		n := min(demoHub, people-2, messages/100)
		for i := range n {
			size := 1 + i*7%20
			from, to := demoWindow(float64(i)/float64(n), size)
			if !yield(demoTalk{a: 0, b: i + 2, messages: size, from: from, to: to, unread: i%8 == 0}) {
				return
			}
		}
	}
}

// demoShortTalks go round: everybody with their neighbour, then everybody with the one after that, and so on. Going
// round keeps to the order of the members table, too.
func demoShortTalks(people, messages int) iter.Seq[demoTalk] {
	return func(yield func(demoTalk) bool) {
		rng := rand.New(rand.NewPCG(1, 0))
		for i, done := 0, 0; done < messages; i++ {
			a := i % people
			t := demoTalk{a: a, b: (a + 1 + i/people%max(1, people/2)) % people, unread: i%8 == 0}
			if people >= demoCrowd && (t.a == 0 || t.b == 0 || t.b == t.a+1) {
				continue // those have hub talks or may have long ones, which end now
			}
			t.messages = min(demoShortLength(rng), messages-done)
			t.from, t.to = demoWindow(float64(done)/float64(messages), t.messages)
			done += t.messages
			if !yield(t) {
				return
			}
		}
	}
}

// demoShortLength is mostly some ten messages, now and then some hundreds.
func demoShortLength(rng *rand.Rand) int {
	n := 1 + int(12*rng.ExpFloat64())
	if rng.IntN(64) == 0 {
		n *= 20
	}
	return n
}

// demoWindow gives a talk half an hour a message, but three days at most.
func demoWindow(at float64, messages int) (from, to float64) {
	length := min(float64(messages)*float64(30*time.Minute), float64(72*time.Hour)) / float64(demoSpan)
	from = at * (1 - length)
	return from, from + length
}

// pieces yields the messages of the plan, a bit's worth at a time.
func (b demoBulk) pieces(yield func(demoPiece) bool) {
	if b.messages <= 0 || len(b.people) == 0 {
		return
	}
	rng := rand.New(rand.NewPCG(2, 0))
	skip := b.skip
	for t := range demoPlan(len(b.people), b.skip+b.messages) {
		start := min(skip, t.messages)
		skip -= start
		for start < t.messages {
			end := min(start+demoBitMessages, t.messages)
			if !yield(b.piece(rng, t, start, end)) {
				return
			}
			start = end
		}
	}
}

// piece makes the talk's messages number start to end.
func (b *demoBulk) piece(rng *rand.Rand, t demoTalk, start, end int) demoPiece {
	p := demoPiece{pair: [2]uint64{b.people[t.a], b.people[t.b]}, lines: make([]demoLine, end-start), read: [2]int{end - start, end - start}}
	if t.unread {
		p.read[1] = 0
	}
	sender := p.pair[start%2]
	for i := range p.lines {
		if rng.IntN(5) < 3 {
			sender = p.pair[rng.IntN(2)]
		}
		// Within its own share of the time, so that times rise.
		at := t.from + (t.to-t.from)*(float64(start+i)+rng.Float64())/float64(t.messages)
		p.lines[i] = demoLine{sender: sender, key: b.nextKey(), body: demoSentence(rng), at: b.time(at)}
	}
	return p
}

func (b *demoBulk) time(at float64) time.Time {
	return b.end.Add(-time.Duration((1 - at) * float64(demoSpan))).Truncate(time.Microsecond)
}

// nextKey counts instead of asking for random numbers ten million times. The rest of the UUID is random, and new in each run.
func (b *demoBulk) nextKey() uuid.UUID {
	binary.BigEndian.PutUint32(b.key[12:], binary.BigEndian.Uint32(b.key[12:])+1)
	return b.key
}
