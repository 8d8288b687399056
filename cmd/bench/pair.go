package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// pair is two people who talk with each other. One message at a time is on its way between them.
type pair struct {
	talk   *talk
	number int
	sides  [2]*side
	since  uint64 // the conversation's rev before the first message

	flight  atomic.Pointer[flight]
	ended   atomic.Uint64 // the seq of the newest message that was acknowledged and waited for
	arrived chan int      // the numbers of messages whose fragment is at the other side
	timer   *time.Timer
	acked   []uint64       // each message's seq by its number; 0: not acknowledged
	due     chan time.Time // open model: when the next messages are due
}

// side is one of the two.
type side struct {
	*person
	window      *window
	send, fetch link // a page has several connections too
	mu          sync.Mutex
	heard       map[uint64]bool // the seqs that were pushed
}

// flight is the message that is on its way.
type flight struct {
	number int
	from   int // the side
	began  time.Time
	body   string
}

func (p *pair) open() (err error) {
	for i, s := range p.sides {
		s.heard = map[uint64]bool{}
		s.send, s.fetch = link{address: s.at.address}, link{address: s.at.address}
		if s.window, err = openWindow(s.person, nil, 512); err != nil {
			return err
		}
		p.talk.windows.Go(func() { p.listen(i) })
	}
	var history struct{ Rev uint64 }
	err = p.sides[0].readJSON(&p.sides[0].send, "/messages?limit=1&with="+p.sides[1].name, &history)
	p.since = history.Rev
	return err
}

func (p *pair) close() {
	for _, s := range p.sides {
		s.send.close()
		s.fetch.close()
		if s.window != nil {
			s.window.close()
		}
	}
}

// run sends one message after the other until the pair is told to stop, or until nothing is due any more.
func (p *pair) run(stop context.Context) {
	for number := 0; ; number++ {
		began := time.Now()
		if p.due != nil {
			due, more := <-p.due
			if !more {
				return
			}
			began = due
		} else if stop.Err() != nil {
			return
		}
		p.exchange(number, began)
	}
}

// arriveWithin is how long a message may take to the other side before it counts as failed.
const arriveWithin = 10 * time.Second

// exchange sends a message and waits until its fragment is at the other side.
func (p *pair) exchange(number int, began time.Time) {
	if p.talk.span.expired() {
		p.talk.unsent(began)
		return
	}
	f := &flight{number: number, began: began, body: bodyOf(token(p.talk.run, p.number, number))}
	if p.talk.o.Alternate {
		f.from = number % 2
	}
	p.acked = append(p.acked, 0)
	p.flight.Store(f)
	seq, ok := p.post(f)
	if !ok {
		return
	}
	p.talk.answered.take(began)
	p.acked[number] = seq
	p.await(f)
	p.ended.Store(seq)
}

func (p *pair) post(f *flight) (seq uint64, ok bool) {
	from, to := p.sides[f.from], p.sides[1-f.from]
	a, err := p.talk.send(from, to.name, f.body)
	if err != nil {
		p.talk.faults.failed("a send by %s: %v", from.name, err)
		return 0, false
	}
	_, seq, err = checkSent(a, p.talk.o.As, f.body)
	if err != nil && a.status == 201 {
		p.talk.faults.wrong("a send by %s: %v", from.name, err)
	} else if err != nil {
		p.talk.faults.failed("a send by %s: %v", from.name, err)
	}
	return seq, err == nil
}

func (p *pair) await(f *flight) {
	p.timer.Reset(arriveWithin)
	defer p.timer.Stop()
	for {
		select {
		case number := <-p.arrived:
			if number == f.number {
				return
			}
		case <-p.timer.C:
			p.talk.faults.failed("message %q wasn't at the other side after %v", f.body, arriveWithin)
			return
		}
	}
}

// listen takes what a side's window hears, until it is closed.
func (p *pair) listen(i int) {
	for {
		push, err := p.sides[i].window.next()
		if err != nil {
			if !p.talk.closing.Load() {
				p.talk.faults.failed("the window of %s: %v", p.sides[i].name, err)
			}
			return
		}
		if id := pushedMessage(push); id != nil {
			p.heard(i, push, id)
		}
	}
}

// heard takes a push. The other one's message is fetched; one's own is on the page already.
func (p *pair) heard(i int, push, id []byte) {
	s, f := p.sides[i], p.flight.Load()
	_, seq, ok := messageID(id)
	if with := between(push, `"with":"`, `"`); !ok || string(with) != p.sides[1-i].name {
		p.talk.faults.wrong("%s heard %s", s.name, push)
		return
	}
	first := s.note(seq)
	if f == nil || seq <= p.ended.Load() || !first {
		return
	}
	if f.from == i {
		p.talk.own.take(f.began)
		return
	}
	p.talk.pushed.take(f.began)
	p.fetch(s, f, string(id))
}

// note says whether this is the first push of this message.
func (s *side) note(seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.heard[seq]
	s.heard[seq] = true
	return first
}

// fetch gets the fragment of the message on its way, and tells the sender that this is over. The fragment may also be of
// an earlier message, whose send failed on the way back; the catch-up at the end sees to those.
func (p *pair) fetch(s *side, f *flight, id string) {
	a, err := s.fetch.get("/messages/"+id, s.headers, asFragment)
	if err != nil {
		p.talk.faults.failed("%s fetches message %s: %v", s.name, id, err)
	} else if err := checkFragment(a, 200, id, f.body); err == nil {
		p.talk.there.take(f.began)
		p.talk.span.finished(time.Now())
	} else if p.earlier(a.body, f.number) {
		return
	} else {
		p.talk.faults.wrong("%s fetches message %s: %v", s.name, id, err)
	}
	p.arrived <- f.number
}

func (p *pair) earlier(html []byte, number int) bool {
	for n := range number {
		if p.acked[n] == 0 && bytes.Contains(html, []byte(">"+bodyOf(token(p.talk.run, p.number, n))+"</p>")) {
			return true
		}
	}
	return false
}

// message is Parley's JSON of one.
type message struct {
	ID, User, Body string
}

// catchUp reads all messages since the run began, as a page does after it was cut off, and holds them against what was
// acknowledged.
func (p *pair) catchUp() error {
	s, rev := p.sides[p.number%2], p.since
	with := p.sides[1-p.number%2].name
	var all []message
	for {
		var page struct {
			Results []message
			Next    *string
			Rev     uint64
		}
		if err := s.readJSON(&s.send, fmt.Sprintf("/messages?with=%s&limit=100&since_rev=%d", with, rev), &page); err != nil {
			return err
		}
		all, rev = append(all, page.Results...), page.Rev
		if page.Next == nil {
			p.talk.compare(p, all)
			return nil
		}
	}
}

// unheard counts the pushes that a side's window should have had and hasn't.
func (p *pair) unheard() (n int) {
	for _, s := range p.sides {
		s.mu.Lock()
		for _, seq := range p.acked {
			if seq != 0 && !s.heard[seq] {
				n++
			}
		}
		s.mu.Unlock()
	}
	return n
}

// form is a send as a page's form makes it.
func form(recipient, body string, client uuid.UUID) []byte {
	token, _, _ := strings.Cut(body, " ")
	text := make([]byte, 0, 256)
	text = append(append(text, "recipient="...), recipient...)
	text = append(append(append(text, "&body="...), token...), "+"+tailInForm...)
	return hexUUID(append(text, "&client_id="...), client)
}

// object is a send as a program makes it.
func object(recipient, body string, client uuid.UUID) []byte {
	text := make([]byte, 0, 256)
	text = append(append(append(text, `{"recipient":"`...), recipient...), `","body":"`...)
	text = append(append(text, body...), `","client_id":"`...)
	return append(hexUUID(text, client), `"}`...)
}

func hexUUID(text []byte, id uuid.UUID) []byte {
	for i, end := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, id[max(0, end-[]int{4, 2, 2, 2, 6}[i]):end])
	}
	return text
}
