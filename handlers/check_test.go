package handlers

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"parley/db/chat"
	"parley/handlers/fanout"
	"parley/handlers/hub"
)

// brokenNodes is a fan-out that can be told to be broken. It notes what it is asked.
type brokenNodes struct {
	*fanout.Memory
	broken   atomic.Bool
	silent   atomic.Bool // another node is, no more than that
	deliver  func(chat.Event)
	awaited  atomic.Int64
	awaiting func()
}

func newBrokenNodes() *brokenNodes {
	return &brokenNodes{Memory: fanout.NewMemory(), awaiting: func() {}}
}

func (b *brokenNodes) with(c *Config, o *chat.Options) { c.Fanout, o.Notifier = b, b }

func (b *brokenNodes) Subscribe(deliver func(chat.Event)) {
	b.deliver = deliver
	b.Memory.Subscribe(deliver)
}

func (b *brokenNodes) Ready() error {
	if b.broken.Load() {
		return errors.New("Redis is away")
	}
	if b.silent.Load() {
		return fmt.Errorf("%w: host process 1", fanout.ErrPeerSilent)
	}
	return nil
}

func (b *brokenNodes) Await(context.Context, uint64) {
	b.awaited.Add(1)
	b.awaiting()
}

// set breaks or mends it, as a fan-out does: an end of either kind is a reason to look.
func (b *brokenNodes) set(broken bool) {
	b.broken.Store(broken)
	b.deliver(chat.Event{Type: chat.EventCheck})
}

const check = `{"type":"check"}`

func TestOneUserIsCheckedAtOnce(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice, bob := w.person("alice"), w.person("bob")
	alices, bobs := alice.open(addr), bob.open(addr)
	w.nodes.Notify(chat.Event{Type: chat.EventCheck, To: alice.user.ID})
	alices.want(check)
	bob.nodes.Notify(chat.Event{Type: chat.EventRead, To: bob.user.ID, With: "canary", Seq: 1})
	bobs.want(`{"type":"read","with":"canary","seq":1}`)
}

// arrivals opens windows of people, and gives when each of them is told to catch up.
func arrivals(w *world, addr string, people int) (told chan time.Time) {
	told = make(chan time.Time, 100*people)
	for i := range people {
		name := fmt.Sprintf("p%d", i)
		w.crowd(name)
		user, err := w.store.UserByName(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		one := w.signIn(user).open(addr)
		go func() {
			for {
				_, text, err := one.conn.ReadMessage()
				if err != nil {
					return // the test is over
				}
				if string(text) == check {
					told <- time.Now()
				}
			}
		}()
	}
	w.awaitWindows(people)
	return told
}

func take(t *testing.T, from chan time.Time, n int) (at []time.Time) {
	t.Helper()
	for range n {
		select {
		case one := <-from:
			at = append(at, one)
		case <-time.After(patience):
			t.Fatalf("only %d of %d windows were told", len(at), n)
		}
	}
	return at
}

// Everybody is told soon, and never all at once: each window then asks the database.
func TestEverybodyIsCheckedSoonButNotAtOnce(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	told := arrivals(w, addr, 30)
	start := time.Now()
	w.nodes.Notify(chat.Event{Type: chat.EventCheck})
	at := take(t, told, 30)
	if last := at[29].Sub(start); last > 2*time.Second {
		t.Errorf("the last window is told after %s", last)
	}
	if between := at[29].Sub(at[0]); between < promptRound/2 {
		t.Errorf("all are told within %s", between)
	}
}

// Other nodes can't be heard any more: each window is told promptly, then again and again, and once more when they can.
func TestWindowsPollWhileOtherNodesCannotBeHeard(t *testing.T) {
	nodes := newBrokenNodes()
	w := newWorld(t, nodes.with)
	addr := w.listen()
	told := arrivals(w, addr, 20)
	nodes.set(true)
	start := time.Now()
	at := take(t, told, 60)
	if first := at[19].Sub(start); first > 2*time.Second {
		t.Errorf("all were told of what was lost within %s", first)
	}
	if second := at[39].Sub(start); second < slowRound*3/4 || second > promptRound+slowRound+time.Second {
		t.Errorf("all were told again within %s, want about %s", second, slowRound)
	}
	if third := at[59].Sub(start); third > promptRound+2*slowRound+time.Second {
		t.Errorf("all were told a third time within %s", third)
	}
	nodes.broken.Store(false) // without a word: it is enough that it is over
	end := time.Now()
	take(t, told, 20)
	if took := time.Since(end); took > 2*time.Second {
		t.Errorf("when it was over, all were told within %s", took)
	}
	select {
	case <-told:
		t.Error("a window is told although all is well")
	case <-time.After(slowRound / 10 * 3):
	}
}

// A node that was killed leaves the others polling slowly for a while. What is known to be lost meanwhile doesn't wait
// for that.
func TestALossIsMadeGoodPromptlyThoughANodeIsSilent(t *testing.T) {
	nodes := newBrokenNodes()
	w := newWorld(t, nodes.with)
	addr := w.listen()
	told := arrivals(w, addr, 20)
	nodes.silent.Store(true)
	nodes.deliver(chat.Event{Type: chat.EventCheck})
	take(t, told, 25) // the slow round is under way
	nodes.deliver(chat.Event{Type: chat.EventCheck})
	start := time.Now()
	if took := take(t, told, 20)[19].Sub(start); took > 2*time.Second {
		t.Errorf("all were told within %s", took)
	}
}

// Ending a session closes its windows within a second, also on nodes that can't be told.
func TestSessionsEndedElsewhereWhileOtherNodesCannotBeHeard(t *testing.T) {
	nodes := newBrokenNodes()
	w := newWorld(t, nodes.with)
	addr := w.listen()
	alice, bob := w.person("alice"), w.person("bob")
	desk := w.signIn(alice.user)
	elsewhere := chat.New(w.db, chat.Options{}) // a node that tells nobody
	gone, stays, bobs := alice.open(addr), desk.open(addr), bob.open(addr)
	w.awaitWindows(3)
	nodes.set(true)
	session, err := w.store.SessionByToken(t.Context(), alice.token)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := elsewhere.EndSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	if code := gone.closeCode(); code != hub.CloseRevoked {
		t.Errorf("closed with %d", code)
	}
	if took := time.Since(start); took > sessionsEvery+time.Second/2 {
		t.Errorf("it took %s", took)
	}
	w.awaitWindows(2)
	w.disable("bob")
	if code := bobs.closeCode(); code != hub.CloseRevoked {
		t.Errorf("closed with %d", code)
	}
	nodes.set(false)
	await(t, "a look at the end", func() bool { return stays.next() == check })
	w.awaitWindows(1)
}

// A node that hears of a session's end, and one whose window opens after an end that it hasn't heard of, don't go by what
// they remember.
func TestSessionsEndedElsewhereAreNotRemembered(t *testing.T) {
	w := newWorld(t, func(_ *Config, o *chat.Options) { o.RememberFor = time.Hour })
	addr := w.listen()
	alice := w.person("alice")
	elsewhere := chat.New(w.db, chat.Options{})
	session, err := elsewhere.SessionByToken(t.Context(), alice.token)
	if err != nil {
		t.Fatal(err)
	}
	alice.get("/conversations", asJSON).want(200)
	if err := elsewhere.EndSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	alice.get("/conversations", asJSON).want(200) // nobody has told this node
	_, answer, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+addr+"/ws", alice.handshakeHeader(addr))
	if err == nil || answer == nil || answer.StatusCode != 401 {
		t.Errorf("a window of an ended session: %v (%+v)", err, answer)
	}
	w.nodes.Notify(chat.Event{Type: chat.EventSessionEnded, To: alice.user.ID, Session: session.Hash})
	alice.get("/conversations", asJSON).want(401)
}

// A session that was ended while nobody could tell, and just before they could again, is found as well.
func TestSessionsAreLookedUpWhenOtherNodesReturn(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	gone := alice.open(addr)
	w.awaitWindows(1)
	if _, err := w.db.Exec("DELETE FROM sessions"); err != nil {
		t.Fatal(err)
	}
	w.nodes.Notify(chat.Event{Type: chat.EventCheck})
	if code := gone.closeCode(); code != hub.CloseRevoked {
		t.Errorf("closed with %d", code)
	}
}

// Without a database nobody knows who is signed in, and so nobody is signed out.
func TestWindowsStayWhileTheDatabaseIsAway(t *testing.T) {
	nodes := newBrokenNodes()
	w := newWorld(t, nodes.with)
	addr := w.listen()
	one := w.person("alice").open(addr)
	w.awaitWindows(1)
	w.db.Close()
	nodes.set(true)
	for range 2 {
		one.want(check)
	}
}

// The window is registered, then other nodes' events come here, then the session is looked at once more, and then the
// handshake is answered: an end of the session at any time is found.
func TestHandshakeWaitsForOtherNodes(t *testing.T) {
	nodes := newBrokenNodes()
	w := newWorld(t, nodes.with)
	addr := w.listen()
	alice := w.person("alice")
	nodes.awaiting = func() {
		if w.server.Windows() != 1 {
			t.Error("the window isn't registered yet")
		}
		if _, err := w.db.Exec("DELETE FROM sessions"); err != nil {
			t.Error(err)
		}
	}
	if answer, _ := rawHandshake(t, addr, alice, "GET"); answer.StatusCode != 401 || nodes.awaited.Load() != 1 {
		t.Errorf("answered with %d, after %d waits", answer.StatusCode, nodes.awaited.Load())
	}
}
