package handlers

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/db/chat"
	"parley/handlers/fanout"
)

// steps gives what a message's trace has, a word each: step, person, and what is special.
func (v *visitor) steps(id chat.MessageID) (words []string, body tracedBody) {
	v.t.Helper()
	v.get("/admin/messages/"+id.String(), asJSON).want(200).into(&body)
	for _, s := range body.Trace.Steps {
		words = append(words, strings.TrimSpace(s.Step+" "+s.User+" "+s.From))
	}
	return words, body
}

// UnmarshalText reads what MarshalText gives.
func (t *timestamp) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.RFC3339Nano, string(text))
	*t = timestamp(at)
	return err
}

// wantSteps is for steps of the two people, who don't wait for each other.
func wantSteps(t testing.TB, got []string, want ...string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the steps are %q, want %q", got, want)
	}
}

func TestTraceOfAMessage(t *testing.T) {
	w := newWorld(t)
	alice, bob, root := w.person("alice"), w.person("bob"), w.admin("root")
	addr := w.listen()
	windows := []*window{alice.open(addr), bob.open(addr), bob.open(addr)}
	before := time.Now()
	alice.post("/messages", asJSON, object(fields{"recipient": "bob", "body": "the secret of alice and bob"})).want(201)
	for _, window := range windows {
		window.next()
	}
	bob.get("/messages/1-1", asFragment).want(200)
	bob.get("/conversations/alice", asJSON).want(200) // marks it read
	id := chat.MessageID{Conversation: 1, Seq: 1}
	words, body := root.steps(id)
	wantSteps(t, words, "received alice", "committed alice", "published alice", "pushed alice", "pushed bob", "pushed bob",
		"fetched bob memory", "fetched bob database", "read bob")
	if first := strings.Join(words[:3], ", "); first != "received alice, committed alice, published alice" {
		t.Errorf("it begins with %s", first)
	}
	seen := map[uint64]bool{}
	last := int64(0)
	for _, s := range body.Trace.Steps {
		if s.After < last || time.Time(s.Timestamp).Before(before.Truncate(time.Microsecond)) || s.Node != "here" {
			t.Errorf("%+v comes after %d us, on a node called here", s, last)
		}
		last = s.After
		if s.Step == "pushed" {
			seen[s.Window] = true
		}
	}
	if len(seen) != 3 || seen[0] {
		t.Errorf("three windows have the numbers %v", seen)
	}
	page := root.get("/admin/messages/1-1", asPage).want(200).wantNoText("secret", "127.0.0.1", "0.0.0.0")
	if rows := page.doc().Find("section[aria-labelledby=trace] tbody tr").Length(); rows != 9 {
		t.Errorf("the page has %d rows", rows)
	}
	root.get("/admin/messages/1-1", asJSON).wantNoText("secret", "127.0.0.1", "0.0.0.0")
	if n := w.count("audit_events"); n != 0 {
		t.Errorf("looking at a trace opens nothing, and %d events are noted", n)
	}
}

func TestTraceIsForAdmins(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	id := alice.send("alice", "a note").ID
	for _, s := range shapes {
		alice.get("/admin/messages/"+id.String(), s.ask).want(404).wantNoText("committed", "In the database")
		w.nobody().get("/admin/messages/"+id.String(), s.ask).want(map[shape]int{page: 303, fragment: 401, program: 401}[s.shape])
	}
}

// A send that is tried again is received again, and committed once. A refused one leaves no trace.
func TestTraceOfARetry(t *testing.T) {
	w := newWorld(t)
	alice, root := w.person("alice"), w.admin("root")
	send := object(fields{"recipient": "alice", "body": "hi", "client_id": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"})
	alice.post("/messages", asJSON, send).want(201)
	alice.post("/messages", asJSON, send).want(200)
	alice.post("/messages", asJSON, object(fields{"recipient": "alice", "body": ""})).want(422)
	words, _ := root.steps(chat.MessageID{Conversation: 1, Seq: 1})
	wantSteps(t, words, "received alice", "received alice", "committed alice", "published alice")
}

func TestTraceIsForgotten(t *testing.T) {
	w := newWorld(t)
	alice, root := w.person("alice"), w.admin("root")
	first := alice.send("alice", "first").ID
	for n := range uint64(1 << 10) {
		w.server.Traces.Trace(chat.Step{Kind: chat.StepFetched, At: time.Now(), ID: chat.MessageID{Conversation: 1, Seq: n + 2}})
	}
	if words, _ := root.steps(first); len(words) != 0 {
		t.Errorf("the steps %q are remembered", words)
	}
	root.get("/admin/messages/"+first.String(), asPage).want(200).wantText("No node remembers", "this message is older")
}

// onRedis makes a server one of several nodes.
func onRedis(t testing.TB, address, name string) setting {
	t.Helper()
	nodes, err := fanout.NewRedis("redis://"+address, "there", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nodes.Close)
	return func(c *Config, o *chat.Options) { c.Fanout, o.Notifier, c.Node = nodes, nodes, name }
}

func (w *world) connected() *world {
	w.t.Helper()
	await(w.t, "the nodes to be connected", func() bool { return w.server.Fanout.Ready() == nil })
	return w
}

func TestTraceAcrossNodes(t *testing.T) {
	redis := miniredis.RunT(t)
	one := newWorld(t, onRedis(t, redis.Addr(), "one:1")).connected()
	two := worldOn(t, one.db, onRedis(t, redis.Addr(), "two:2")).connected()
	alice, bob, root := one.person("alice"), two.person("bob"), one.admin("root")
	window := bob.open(two.listen())
	alice.post("/messages", asJSON, object(fields{"recipient": "bob", "body": "hi"})).want(201)
	window.next()
	bob.get("/messages/1-1", asFragment).want(200)
	id := chat.MessageID{Conversation: 1, Seq: 1}
	for _, admin := range []*visitor{root, {world: two, user: root.user, token: root.token}} { // each asks the other
		await(t, "all steps", func() bool { words, _ := admin.steps(id); return len(words) == 7 })
		words, body := admin.steps(id)
		wantSteps(t, words, "received alice", "committed alice", "published alice", "sent alice", "sent bob", "pushed bob", "fetched bob database")
		for _, s := range body.Trace.Steps {
			if there := s.Step == "pushed" || s.Step == "fetched"; there != (s.Node == "two:2") {
				t.Errorf("%s was on %s", s.Step, s.Node)
			}
		}
		if len(body.Trace.Nodes) != 2 || body.Trace.Silent != 0 {
			t.Errorf("answered: %+v", body.Trace.Nodes)
		}
		admin.get("/admin/messages/1-1", asPage).want(200).wantText("one:1", "two:2", "by each node’s own clock").wantNoText("answer.")
	}
}

func TestTraceSaysWhichNodeIsSilent(t *testing.T) {
	redis := miniredis.RunT(t)
	one := newWorld(t, onRedis(t, redis.Addr(), "one:1")).connected()
	two := worldOn(t, one.db, onRedis(t, redis.Addr(), "two:2")).connected()
	root := one.admin("root")
	id := root.send("root", "a note").ID
	if _, body := root.steps(id); len(body.Trace.Nodes) != 2 {
		t.Fatalf("answered: %+v", body.Trace.Nodes)
	}
	two.server.Fanout.Answer(func([]byte) []byte { return nil })
	if _, body := root.steps(id); len(body.Trace.Nodes) != 1 || body.Trace.Silent != 1 {
		t.Errorf("answered: %+v, %d silent", body.Trace.Nodes, body.Trace.Silent)
	}
	root.get("/admin/messages/"+id.String(), asPage).want(200).wantText("1 other node didn’t answer, perhaps two:2.")
	redis.Close()
	await(t, "the node to notice", func() bool { return one.server.Fanout.Ready() != nil })
	root.get("/admin/messages/"+id.String(), asPage).want(200).wantText("can’t be asked right now", "In the database")
}

func TestNodesUnderstandEachOther(t *testing.T) {
	w := newWorld(t)
	for _, question := range []string{"", "{}", "[]", `{"trace":null}`, `{"a later version":1}`, `{"trace":"x"}`, "\xff"} {
		if answer := w.server.answerNode([]byte(question)); answer != nil {
			t.Errorf("%q is answered with %s", question, answer)
		}
	}
	want := `{"node":"here","since":`
	if answer := string(w.server.answerNode([]byte(`{"trace":"7-42"}`))); !strings.HasPrefix(answer, want) || !strings.HasSuffix(answer, `"steps":[]}`) {
		t.Errorf("the answer is %s", answer)
	}
}

func TestPeersAreForgottenInTime(t *testing.T) {
	var p peers
	now := time.Now()
	if silent := p.silent(map[string]bool{"a": true, "b": true}, now); silent != nil {
		t.Errorf("%v", silent)
	}
	if silent := p.silent(map[string]bool{"b": true}, now.Add(peersFor)); !slices.Equal(silent, []string{"a"}) {
		t.Errorf("%v", silent)
	}
	if silent := p.silent(nil, now.Add(peersFor+time.Second)); !slices.Equal(silent, []string{"b"}) {
		t.Errorf("%v", silent)
	}
}

// Tracing a push allocates nothing by itself.
func TestTracingAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	e := chat.Event{Type: chat.EventMessage, To: 7, ID: chat.MessageID{Conversation: 1, Seq: 2}}
	text := []byte("x")
	plain := testing.AllocsPerRun(200, func() { w.server.hub.Push(7, text) })
	traced := testing.AllocsPerRun(200, func() { w.server.pushTold(e, text) })
	if traced > plain {
		t.Errorf("a push allocates %v times, a traced one %v", plain, traced)
	}
}
