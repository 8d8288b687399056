package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// draft is a message to be sent, noted before anybody hears of it.
func (d *device) draft() *send {
	s := &send{from: d.person.name, to: d.partner(), client: uuid.NewString(), at: time.Now(), acked: map[string]int{}}
	s.body = d.text(s.to)
	d.w.ledger.add(s)
	return s
}

// text is unlike every other, tells whose it is, and is sometimes long or hard on encoders.
func (d *device) text(to string) string {
	text := fmt.Sprintf("%s %d", canary(d.person.name, to), d.random.Uint64())
	switch kind := d.random.IntN(20); {
	case d.w.longTexts.Load() || kind == 0:
		return text + strings.Repeat(" 林<b>&amp;</b> 👩‍👩‍👧", 50+d.random.IntN(400))
	case kind < 4:
		return text + "\n\n\"quotes\" <script>alert(1)</script> \u202e emoji 🙂 end"
	}
	return text
}

// How often a client tries, and the share of its sends that it gives up on after the first failure.
const (
	mostTries = 8
	giveUpOf  = 6
)

// send sends a message, and tries again under the same client ID until it knows, or gives up.
func (d *device) send(ctx context.Context) {
	s := d.draft()
	for range mostTries {
		if d.attempt(ctx, s) || d.random.IntN(giveUpOf) == 0 {
			return
		}
		pause(ctx, time.Duration(100+d.random.IntN(700))*time.Millisecond)
	}
}

// attempt sends once, in one of the three ways that a client may. It says whether the message is known to be stored.
func (d *device) attempt(ctx context.Context, s *send) bool {
	s.mu.Lock()
	s.tries++
	s.mu.Unlock()
	r := request{method: http.MethodPost, path: "/messages", client: s.client, within: patience}
	if rand.IntN(15) == 0 {
		r.within = 3 * time.Millisecond // who hangs up at once may have sent all the same
	}
	way := rand.IntN(4)
	if r.kind = formType; way > 1 {
		r.kind, r.body = jsonType, jsonBody(s.to, s.body, s.client)
	} else {
		r.body, r.fragment, r.page = form("recipient", s.to, "body", s.body, "client_id", s.client), way == 1, way == 0
	}
	return d.settle(s, r, d.do(ctx, r))
}

func jsonBody(recipient, body, client string) []byte {
	text, err := json.Marshal(map[string]string{"recipient": recipient, "body": body, "client_id": client})
	if err != nil {
		panic(err) // strings
	}
	return text
}

// settle notes what an answer to a send said.
func (d *device) settle(s *send, r request, got reply) bool {
	d.w.checks.that(clientIDs, got.status != http.StatusConflict, "%s sent %s again with the same body, and it was a conflict", d.name, s.client)
	switch {
	case got.status == http.StatusSeeOther && r.page:
		s.ack("", false)
		return true
	case got.status != http.StatusCreated && got.status != http.StatusOK:
		return false
	case r.page:
		return false // the conversation with a refusal in it
	}
	m, ok := d.acknowledged(s, r, got)
	if !ok {
		return false
	}
	s.ack(m.ID, got.status == http.StatusCreated)
	same := m.Body == s.body && m.User == s.from && m.Recipient == s.to && (m.ClientID == "" || m.ClientID == s.client)
	d.w.checks.that(ackedOnce, same, "%s sent %q to %s as %s, and the answer was %+v", d.name, s.body, s.to, s.client, m)
	return true
}

func (d *device) acknowledged(s *send, r request, got reply) (message, bool) {
	if r.fragment {
		v, _ := d.readPage(reply{status: http.StatusOK, body: got.body}, s.to)
		ok := d.w.checks.that(ackedOnce, len(v.messages) == 1, "%s sent %s, and the fragment has %d messages", d.name, s.client, len(v.messages))
		if !ok {
			return message{}, false
		}
		return v.messages[0], true
	}
	m, err := decode[message](got.body)
	d.w.checks.that(surprises, err == nil, "%s: an answer to a send that is no JSON: %v", d.name, err)
	d.learn(view{messages: []message{m}}, s.to)
	return m, err == nil
}

// sendTwiceAtOnce is what a doubled click, or a proxy that tries again too early, does.
func (d *device) sendTwiceAtOnce(ctx context.Context) {
	s, done := d.draft(), make(chan bool)
	for range 2 {
		go func() { done <- d.attempt(ctx, s) }()
	}
	if first, second := <-done, <-done; !first && !second {
		d.attempt(ctx, s)
	}
}

// replay sends again what was sent long ago, or what was given up on.
func (d *device) replay(ctx context.Context) {
	s := d.w.ledger.old(d.person.name, d.random.Int())
	if s == nil {
		return
	}
	before := s.id()
	if !d.attempt(ctx, s) || before == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d.w.checks.that(clientIDs, s.ids() == 1, "%s sent %s again, and it is another message now: %v", d.name, s.client, s.acked)
}

// replayChanged uses a client ID for another text: a conflict, once the first is known to be stored.
func (d *device) replayChanged(ctx context.Context) {
	s := d.w.ledger.old(d.person.name, d.random.Int())
	if s == nil || !s.isAcked() {
		return
	}
	r := request{method: http.MethodPost, path: "/messages", client: s.client, kind: jsonType, body: jsonBody(s.to, s.body+" changed", s.client)}
	got := d.do(ctx, r)
	if got.status == 0 || got.status == http.StatusUnauthorized || got.status >= http.StatusInternalServerError {
		return
	}
	d.w.checks.that(clientIDs, got.status == http.StatusConflict, "%s sent %s with another body, and the answer was %d: %.200s", d.name, s.client, got.status, got.body)
}

// sendHalf stops in the middle of a request, without a word.
func (d *device) sendHalf(ctx context.Context) {
	s := d.draft()
	body := string(jsonBody(s.to, s.body, s.client))
	n := d.w.nodes[d.random.IntN(len(d.w.nodes))]
	conn, err := net.DialTimeout("tcp", address(n.people.port), time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	head := fmt.Sprintf("POST /messages HTTP/1.1\r\nHost: %s\r\nCookie: parley=%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", address(n.people.port), d.token(), jsonType, len(body))
	_, err = conn.Write([]byte(head + body[:len(body)*2/3]))
	d.w.journal.add(time.Now(), entry{Device: d.name, Node: n.number, Did: "send half of a request", Client: s.client, Err: errText(err)})
	pause(ctx, time.Duration(d.random.IntN(300))*time.Millisecond)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
