package main

import (
	"io"
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	c := newChecks(io.Discard)
	for _, p := range promises[1:] {
		c.that(p.name, true, "")
	}
	if v := c.verdict(); v.kept() {
		t.Error("a check that looked at nothing is taken for a promise that was kept")
	}
	c.excuse(promises[0].name, "there was nothing to look at")
	if v := c.verdict(); !v.kept() {
		t.Error("a check with an excuse breaks the run")
	}
	v := c.verdict()
	v.missed = []string{"kill-node"}
	if v.kept() {
		t.Error("a fault that never happened doesn't matter")
	}
	for range 2 * mostExamples {
		c.that(unread, false, "%d is wrong", 7)
	}
	v = c.verdict()
	var said strings.Builder
	v.print(&said)
	if v.kept() || !v.brokenBy(unread) || v.brokenBy(prefix) || strings.Count(said.String(), "7 is wrong") != mostExamples {
		t.Errorf("a broken promise looks like this: %s", &said)
	}
}

// message7 is message 7-n as both people see it.
func message7(seq, rev uint64, body string) message {
	return message{ID: idOf(7, seq), User: "a", Recipient: "b", Body: body, Rev: rev, ClientID: "c"}
}

func TestThreadDiffers(t *testing.T) {
	one, two, three := message7(1, 1, "one"), message7(2, 2, "two"), message7(3, 3, "three")
	fresh := view{messages: []message{one, two, three}, rev: 3}
	for name, c := range map[string]struct {
		took  []view
		wrong string
	}{
		"everything":          {[]view{{messages: []message{one, two}, rev: 2}, {messages: []message{three}}}, ""},
		"from the middle":     {[]view{{messages: []message{two, three}, rev: 3}}, ""},
		"no history put in":   {[]view{{messages: []message{two, three}, rev: 3}, {messages: []message{one}}}, ""},
		"one too few":         {[]view{{messages: []message{one, three}, rev: 3}}, "lacks 7-2"},
		"behind":              {[]view{{messages: []message{one, two}, rev: 2}}, "rev 2 of 3"},
		"a gap is no catchup": {[]view{{messages: []message{one}, rev: 1}, {messages: []message{three}}}, "rev 1 of 3"},
		"an older self":       {[]view{{messages: []message{one, message7(2, 2, "tow"), three}, rev: 3}}, "instead of"},
		"one too many":        {[]view{{messages: []message{one, two, three, message7(4, 3, "four")}, rev: 3}}, "7-4, which isn't there"},
	} {
		thread := newThread("b")
		for _, v := range c.took {
			thread.take(v)
		}
		if got := thread.differs(fresh); (got == "") != (c.wrong == "") || !strings.Contains(got, c.wrong) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestTruth(t *testing.T) {
	truth := newTruth()
	seen := message7(3, 3, "three")
	other := seen
	other.Body = "another"
	elsewhere := message{ID: "7-4", User: "a", Recipient: "x", Rev: 4}
	withoutClient := seen
	withoutClient.ClientID = ""
	if truth.learn(seen) != "" || truth.learn(withoutClient) != "" {
		t.Error("the same message twice is a contradiction")
	}
	if truth.learn(other) == "" || truth.learn(elsewhere) == "" || truth.claim(7, pairOf("a", "x")) == "" || truth.claim(7, pairOf("b", "a")) != "" {
		t.Error("a contradiction isn't noticed, or one that is none")
	}
	truth.raise("a", "b", floor{2, 2}, 9)
	if f := truth.floorsOf("a", "b"); f.newest["b"].seq != 3 || f.marks["b"] != 9 || truth.floorsOf("b", "a").marks["a"] != 0 {
		t.Errorf("the floors are %+v", f)
	}
	if truth.foreign("b", 5) != "" || truth.foreign("c", 5) != "7-3" {
		t.Error("a stranger is one of the two, or the other way round")
	}
}

func TestCanary(t *testing.T) {
	text := []byte("to " + canary("ann", "bea") + " and " + canary("cid", "ann"))
	if strange(text, "ann") != "" || strange(text, "bea") != canary("cid", "ann") || strange(nil, "dan") != "" {
		t.Error("who may see what is mistaken")
	}
}

func TestGoroutinesAreCountedByTheirOutermostFunction(t *testing.T) {
	const print = `SIGQUIT: quit
goroutine 1 [select]:
main.(*program).serve(0xc0001, {0x1, 0x2})
	/src/serve.go:70 +0x1
main.main()
	/src/main.go:18 +0x1

goroutine 30 gp=0xc000 m=nil [chan receive, 1 minutes]:
runtime.gopark(0x1)
	/go/proc.go:1 +0x1
parley/handlers/hub.(*Window).Read(0xc0001)
	/src/window.go:70 +0x1
created by parley/handlers.(*Server).takeOver in goroutine 12
	/src/live.go:70 +0x1

goroutine 31 [IO wait]:
net.(*conn).Read(0x1)
	/go/net.go:1 +0x1
`
	got := countGoroutines(print)
	if len(got) != 2 || got["main.main"] != 1 || got["parley/handlers.(*Server).takeOver"] != 1 {
		t.Errorf("counted %v", got)
	}
}
