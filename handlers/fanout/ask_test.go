package fanout

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/db/chat"
)

// answering makes a node that answers each question with its name and the question.
func answering(t *testing.T, url, name string) *node {
	return startNode(t, url, func(r *Redis) {
		r.Answer(func(question []byte) []byte {
			if string(question) == "not understood" {
				return nil
			}
			return []byte(name + " hears " + string(question))
		})
	}).ready()
}

func texts(answers [][]byte) (all []string) {
	for _, a := range answers {
		all = append(all, string(a))
	}
	slices.Sort(all)
	return all
}

func TestAskHearsEveryOtherNode(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			url := server(t)
			a, b, c := answering(t, url, "a"), answering(t, url, "b"), answering(t, url, "c")
			for _, question := range []string{"one", "two", strings.Repeat("long ", 10_000)} {
				answers, asked, err := a.Ask(t.Context(), []byte(question))
				want := []string{"b hears " + question, "c hears " + question}
				if got := texts(answers); err != nil || asked != 2 || !slices.Equal(got, want) {
					t.Errorf("%d asked, %d answers, %v", asked, len(answers), err)
				}
			}
			if answers, _, _ := b.Ask(t.Context(), []byte("three")); !slices.Equal(texts(answers), []string{"a hears three", "c hears three"}) {
				t.Errorf("the second node hears %q", answers)
			}
			for _, n := range []*node{a, b, c} {
				if heard := n.events(); len(heard) > 0 {
					t.Errorf("windows hear of it: %+v", heard)
				}
			}
		})
	}
}

func TestAskAlone(t *testing.T) {
	a := answering(t, servers["sharded"](t), "a")
	began := time.Now()
	if answers, asked, err := a.Ask(t.Context(), []byte("anybody?")); len(answers) != 0 || asked != 0 || err != nil {
		t.Errorf("%q, %d, %v", answers, asked, err)
	}
	if took := time.Since(began); took > AskAtMost/2 {
		t.Errorf("it took %s to find out that there is nobody", took)
	}
	m := NewMemory()
	m.Answer(nil)
	if answers, asked, err := m.Ask(t.Context(), nil); answers != nil || asked != 0 || err != nil {
		t.Errorf("%q, %d, %v", answers, asked, err)
	}
}

func TestAskWaitsABoundedTimeForTheSilent(t *testing.T) {
	url := servers["sharded"](t)
	a, _ := answering(t, url, "a"), answering(t, url, "b")
	release := make(chan struct{})
	startNode(t, url, func(r *Redis) { r.Answer(func([]byte) []byte { <-release; return []byte("late") }) }).ready()
	defer close(release)
	began := time.Now()
	answers, asked, err := a.Ask(t.Context(), []byte("x"))
	if took := time.Since(began); !slices.Equal(texts(answers), []string{"b hears x"}) || asked != 2 || err != nil || took > 3*AskAtMost {
		t.Errorf("%q of %d after %s, %v", answers, asked, took, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := a.Ask(ctx, []byte("x")); err == nil {
		t.Error("whoever has gone is no error")
	}
	answers, asked, _ = answering(t, url, "d").Ask(t.Context(), []byte("not understood"))
	if len(answers) != 1 && len(answers) != 0 || asked != 3 {
		t.Errorf("what isn't understood is answered with %q by %d", answers, asked)
	}
}

// A node takes only so many questions at a time, and hears events all the while.
func TestManyQuestionsHoldNothingUp(t *testing.T) {
	url := servers["sharded"](t)
	a := answering(t, url, "a")
	release := make(chan struct{})
	var answers atomic.Int64
	b := startNode(t, url, func(r *Redis) {
		r.Answer(func([]byte) []byte {
			answers.Add(1)
			<-release
			return []byte("late")
		})
	}).ready()
	b.follows(7)
	for n := range uint64(3 * maxAnswering) {
		if _, err := a.tellAll(t.Context(), binary.AppendUvarint(append([]byte{questionMark}, a.node[:]...), n)); err != nil {
			t.Fatal(err)
		}
	}
	a.Notify(canary(7, 1))
	b.until(1) // it came behind the questions
	close(release)
	b.Close() // waits for what is under way
	if n := answers.Load(); n != maxAnswering {
		t.Errorf("%d answers were made at a time", n)
	}
}

func TestQuestionsAreForgotten(t *testing.T) {
	a := answering(t, servers["sharded"](t), "a")
	for range 3 {
		if _, _, err := a.Ask(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.talk.open) != 0 {
		t.Errorf("%d questions are kept", len(a.talk.open))
	}
}

func TestAskWhileRedisIsAway(t *testing.T) {
	s := startRedis(t)
	a := answering(t, s.url(), "a")
	s.signal(syscall.SIGKILL)
	await(t, "the node to notice", func() bool { return a.Ready() != nil })
	if _, _, err := a.Ask(t.Context(), []byte("x")); err == nil {
		t.Error("nobody can be asked, and that is no error")
	}
}

// Damaged talk does nothing.
func TestDamagedTalk(t *testing.T) {
	n := answering(t, servers["sharded"](t), "a")
	for _, text := range []string{"Q", "A", "Q12345678", "A12345678", "A12345678" + string(n.node[:]), "A12345678" + string(n.node[:]) + "\xff", "Q12345678\xff\xff"} {
		n.Redis.heard(text)
	}
	if heard := n.events(); len(heard) > 0 {
		t.Errorf("windows hear of it: %+v", heard)
	}
}

// Every node hears every answer, and takes those to its own questions alone.
func TestAnswersToOthers(t *testing.T) {
	n := newNode(t, servers["sharded"](t))
	number, heard := n.talk.begin()
	answer := func(to nodeID) string {
		return string(binary.AppendUvarint(append([]byte("A12345678"), to[:]...), number)) + "yes"
	}
	if n.Redis.heard(answer(nodeID{1})); len(heard) != 0 {
		t.Errorf("another node's answer was taken: %q", <-heard)
	}
	if n.Redis.heard(answer(n.node)); len(heard) != 1 || string(<-heard) != "yes" {
		t.Error("this node's own answer was not taken")
	}
	n.talk.end(number)
	if n.Redis.heard(answer(n.node)); len(heard) != 0 {
		t.Error("an answer that came too late was taken")
	}
}

// steps notes what was traced.
type steps struct{ of chan chat.Step }

func (s steps) Trace(step chat.Step) { s.of <- step }

func TestRedisTracesWhatItHasTaken(t *testing.T) {
	traced := steps{make(chan chat.Step, 10)}
	n := startNode(t, servers["sharded"](t), func(r *Redis) { r.Trace(traced) }).ready()
	before := time.Now()
	n.Notify(canary(7, 1), sample)
	select {
	case step := <-traced.of:
		if step.Kind != chat.StepSent || step.ID != sample.ID || step.User != sample.To || step.At.Before(before) {
			t.Errorf("traced %+v", step)
		}
	case <-time.After(patience):
		t.Fatal("nothing was traced")
	}
	if len(traced.of) > 0 {
		t.Errorf("traced too: %+v", <-traced.of)
	}
}
