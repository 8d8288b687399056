package demo

import (
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"parley/db/chat"
)

// Made-up messages go on for half a year, up to a few minutes ago.
const (
	span    = 180 * 24 * time.Hour
	lastAgo = 5 * time.Minute
)

// bulk makes up conversations. What is said, by whom to whom, depends on the numbers alone, so that two machines
// measure the same; times are relative to its end.
type bulk struct {
	people   []uint64
	messages int       // how many to make
	skip     int       // how many earlier runs made: the plan is gone on with where it was left
	end      time.Time // when the last one was sent
	key      uuid.UUID // what all client IDs of this run have in common
}

// talk is one conversation of the plan, or a later part of it.
type talk struct {
	a, b     int     // indexes of people
	messages int     // at least 1
	from, to float64 // when, as parts of span
	unread   bool    // b has read nothing of it
}

// plan shares messages out among people. Real use is uneven, and so is this: the first ones have conversations of
// up to 100,000 messages, the very first has up to 1,000 conversations, and the many have a few short ones.
//
// The short ones come in the order of time, each within a few days. That makes a big demo fast: every index of the
// messages table then grows at its end, or near it, where it is in memory. In random order the pages of messages_created
// are read and written again for each message as soon as they outgrow the memory: measured, a sixth of the speed.
func plan(people, messages int) iter.Seq[talk] {
	return func(yield func(talk) bool) {
		left := messages
		if people >= crowd {
			for _, talks := range []iter.Seq[talk]{longTalks(people, messages), popularTalks(people, messages)} {
				for t := range talks {
					left -= t.messages
					if !yield(t) {
						return
					}
				}
			}
		}
		shortTalks(people, left)(yield)
	}
}

// crowd is how many people it takes for long talks and somebody popular. Fewer have each pair's talk in the one order of
// time.
const crowd = 8

// Long talks have 100,000 messages or a ninth of all, half as many, and so on down to the shortest.
const (
	longestTalk  = 100_000
	shortestLong = 100
)

func longTalks(people, messages int) iter.Seq[talk] {
	return func(yield func(talk) bool) {
		n := min(longestTalk, messages/9)
		for a := 0; a+1 < people/2 && n >= shortestLong; a += 2 {
			if !yield(talk{a: a, b: a + 1, messages: n, to: 1, unread: true}) {
				return
			}
			n /= 2
		}
	}
}

// mostPopular is how many people the very first one talks with, at most.
const mostPopular = 1000

func popularTalks(people, messages int) iter.Seq[talk] {
	return func(yield func(talk) bool) {
		n := min(mostPopular, people-2, messages/100)
		for i := range n {
			size := 1 + i*7%20
			from, to := window(float64(i)/float64(n), size)
			if !yield(talk{a: 0, b: i + 2, messages: size, from: from, to: to, unread: i%8 == 0}) {
				return
			}
		}
	}
}

// shortTalks go round: everybody with their neighbour, then everybody with the one after that, and so on. Going
// round keeps to the order of the members table, too.
func shortTalks(people, messages int) iter.Seq[talk] {
	return func(yield func(talk) bool) {
		rng := rand.New(rand.NewPCG(1, 0))
		for i, done := 0, 0; done < messages; i++ {
			a := i % people
			t := talk{a: a, b: (a + 1 + i/people%max(1, people/2)) % people, unread: i%8 == 0}
			if people >= crowd && (t.a == 0 || t.b == 0 || t.b == t.a+1) {
				continue // those are of the popular one or may have long ones, which end now
			}
			t.messages = min(shortLength(rng), messages-done)
			t.from, t.to = window(float64(done)/float64(messages), t.messages)
			done += t.messages
			if !yield(t) {
				return
			}
		}
	}
}

// shortLength is mostly some ten messages, now and then some hundreds.
func shortLength(rng *rand.Rand) int {
	n := 1 + int(12*rng.ExpFloat64())
	if rng.IntN(64) == 0 {
		n *= 20
	}
	return n
}

// window gives a talk half an hour a message, but three days at most.
func window(at float64, messages int) (from, to float64) {
	length := min(float64(messages)*float64(30*time.Minute), float64(72*time.Hour)) / float64(span)
	from = at * (1 - length)
	return from, from + length
}

// pieces yields the messages of the plan, a bit's worth at a time.
func (b bulk) pieces(yield func(chat.ImportPiece) bool) {
	if b.messages <= 0 || len(b.people) == 0 {
		return
	}
	rng := rand.New(rand.NewPCG(2, 0))
	skip := b.skip
	for t := range plan(len(b.people), b.skip+b.messages) {
		start := min(skip, t.messages)
		skip -= start
		for start < t.messages {
			end := min(start+bitMessages, t.messages)
			if !yield(b.piece(rng, t, start, end)) {
				return
			}
			start = end
		}
	}
}

// piece makes the talk's messages number start to end.
func (b *bulk) piece(rng *rand.Rand, t talk, start, end int) chat.ImportPiece {
	p := chat.ImportPiece{Pair: [2]uint64{b.people[t.a], b.people[t.b]}, Lines: make([]chat.ImportLine, end-start), Read: [2]int{end - start, end - start}}
	if t.unread {
		p.Read[1] = 0
	}
	sender := p.Pair[start%2]
	for i := range p.Lines {
		if rng.IntN(5) < 3 {
			sender = p.Pair[rng.IntN(2)]
		}
		// Within its own share of the time, so that times rise.
		at := t.from + (t.to-t.from)*(float64(start+i)+rng.Float64())/float64(t.messages)
		p.Lines[i] = chat.ImportLine{Sender: sender, ClientID: b.nextKey(), Body: sentence(rng), SentAt: b.time(at)}
	}
	return p
}

func (b *bulk) time(at float64) time.Time {
	return b.end.Add(-time.Duration((1 - at) * float64(span))).Truncate(time.Microsecond)
}

// nextKey counts instead of asking for random numbers ten million times. The rest of the UUID is random, and new in each run.
func (b *bulk) nextKey() uuid.UUID {
	binary.BigEndian.PutUint32(b.key[12:], binary.BigEndian.Uint32(b.key[12:])+1)
	return b.key
}
