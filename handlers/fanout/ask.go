package fanout

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// Besides events, nodes send each other questions and answers, all of them to every node. They are rare: an admin looks
// at something that each node knows a part of.
const (
	questionMark = 'Q' // node, number, text
	answerMark   = 'A' // node, the node that asked, its question's number, text
)

const (
	// AskAtMost is how long answers are waited for.
	AskAtMost = time.Second
	// maxAnswering is how many questions are answered at a time; further ones go unanswered.
	maxAnswering = 4
)

// talk is what this node has asked, and how it answers others.
type talk struct {
	mu     sync.Mutex
	last   uint64
	open   map[uint64]chan []byte
	answer func(question []byte) []byte
	busy   chan struct{}
}

func newTalk() *talk {
	return &talk{open: map[uint64]chan []byte{}, busy: make(chan struct{}, maxAnswering), answer: func([]byte) []byte { return nil }}
}

// Ask implements Fanout.
func (r *Redis) Ask(ctx context.Context, question []byte) (answers [][]byte, asked int, err error) {
	ctx, cancel := context.WithTimeout(ctx, AskAtMost)
	defer cancel()
	if err := r.Ready(); err != nil {
		return nil, 0, err
	}
	number, heard := r.talk.begin()
	defer r.talk.end(number)
	text := binary.AppendUvarint(append([]byte{questionMark}, r.node[:]...), number)
	reached, err := r.tellAll(ctx, append(text, question...))
	if err != nil {
		return nil, 0, err
	}
	asked = max(0, reached-1) // it came back here too
	for len(answers) < asked {
		select {
		case a := <-heard:
			answers = append(answers, a)
		case <-ctx.Done():
			return answers, asked, nil
		}
	}
	return answers, asked, nil
}

// Answer implements Fanout.
func (r *Redis) Answer(answer func(question []byte) []byte) { r.talk.answer = answer }

// tellAll publishes to every node that listens, and says how many that are.
func (r *Redis) tellAll(ctx context.Context, text []byte) (nodes int, err error) {
	publish := r.client.SPublish
	if r.plain.Load() {
		publish = r.client.Publish
	}
	n, err := publish(ctx, commonChannel(0), text).Result()
	return int(n), err
}

func (t *talk) begin() (number uint64, heard chan []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	heard = make(chan []byte, 64) // more nodes than that, and some of them go unheard
	t.open[t.last] = heard
	return t.last, heard
}

func (t *talk) end(number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, number)
}

// heardTalk says whether an envelope was a question or an answer. It doesn't block.
func (r *Redis) heardTalk(envelope string) bool {
	if len(envelope) <= nodeLen {
		return false
	}
	from, rest := envelope[1:1+nodeLen], envelope[1+nodeLen:]
	switch envelope[0] {
	case questionMark:
		r.heardQuestion(from, rest)
	case answerMark:
		r.heardAnswer(rest)
	default:
		return false
	}
	return true
}

// heardQuestion answers aside, since an answer takes a round trip.
func (r *Redis) heardQuestion(from, rest string) {
	reader := envelopeReader{rest: rest}
	number := reader.number()
	select {
	case r.talk.busy <- struct{}{}:
	default:
		return
	}
	r.running.Go(func() {
		defer func() { <-r.talk.busy }()
		answer := r.talk.answer([]byte(reader.rest))
		if answer == nil {
			return // a later version's question
		}
		text := append(append([]byte{answerMark}, r.node[:]...), from...)
		ctx, cancel := context.WithTimeout(context.Background(), AskAtMost)
		defer cancel()
		_, _ = r.tellAll(ctx, append(binary.AppendUvarint(text, number), answer...)) // whoever asked says that none came
	})
}

func (r *Redis) heardAnswer(rest string) {
	if len(rest) <= nodeLen || rest[:nodeLen] != string(r.node[:]) {
		return // somebody else has asked
	}
	reader := envelopeReader{rest: rest[nodeLen:]}
	number := reader.number()
	r.talk.mu.Lock()
	defer r.talk.mu.Unlock()
	select {
	case r.talk.open[number] <- []byte(reader.rest): // never ready where nobody waits any more
	default:
	}
}

// Ask implements Fanout: one node has nobody to ask.
func (m *Memory) Ask(context.Context, []byte) ([][]byte, int, error) { return nil, 0, nil }

// Answer implements Fanout.
func (m *Memory) Answer(func([]byte) []byte) {}
