package handlers

import (
	"strings"
	"testing"
)

func TestBlockAsJSON(t *testing.T) {
	w := newWorld(t, forgetful)
	alice, bob := w.person("alice"), w.person("bob")
	alice.get("/account/blocks", asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
	for range 2 {
		if r := alice.do("PUT", "/account/blocks/BOB", asJSON).want(204); len(r.body) > 0 {
			t.Errorf("PUT answers %s", r.body)
		}
	}
	alice.get("/account/blocks", asJSON).want(200).wantText(`{"results":[{"username":"bob","display_name":"bob","photo":null,"blocked_at":"2`)
	alice.get("/users/bob", asJSON).want(200).wantJSON(`{"username":"bob","display_name":"bob","photo":null,"about":"","blocked":true}`)
	bob.get("/users/alice", asJSON).want(200).wantJSON(`{"username":"alice","display_name":"alice","photo":null,"about":"","blocked":false}`)
	bob.get("/account/blocks", asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
	for range 2 {
		alice.do("DELETE", "/account/blocks/bob", asJSON).want(204)
	}
	alice.get("/account/blocks", asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
	alice.do("PUT", "/account/blocks/alice", asJSON).wantProblem(422)
	alice.do("PUT", "/account/blocks/nobody", asJSON).wantProblem(404)
	alice.get("/account/blocks?limit=x", asJSON).wantFields(400, "limit")
}

func TestBlockByForm(t *testing.T) {
	w := newWorld(t, forgetful)
	alice, bob := w.person("alice"), w.person("bob")
	alice.send("bob", "hello")
	for _, page := range []string{"/users/bob", "/conversations/bob"} {
		for _, action := range []string{"/users/bob/block", "/users/bob/unblock"} {
			found := alice.get(page, asPage).want(200).doc().Find(`#main form[action="` + action + `"]`)
			next := found.Find("[name=next]").AttrOr("value", "")
			if found.Length() != 1 || next != page {
				t.Fatalf("%s has %d forms for %s, and leads on to %q", page, found.Length(), action, next)
			}
			alice.post(action, asPage, form("next", next)).want(303).wantHeader("Location", page)
			blocked := action == "/users/bob/block"
			if composers := alice.get("/conversations/bob", asPage).doc().Find("form#composer").Length(); (composers == 0) != blocked {
				t.Errorf("after %s the conversation has %d composers", action, composers)
			}
		}
	}
	alice.post("/users/bob/block", asPage).want(303).wantHeader("Location", "/account/blocks")
	alice.post("/users/bob/block", asPage, form("next", "https://elsewhere.example")).want(303).wantHeader("Location", "/account/blocks")
	if n := alice.get("/users/alice", asPage).doc().Find("[action$=block]").Length(); n > 0 {
		t.Error("one can block oneself")
	}
	bob.get("/users/alice", asPage).want(200).wantNoText("You have blocked")
}

// Nothing that the blocked person is shown or sent differs from what it was, but for the refusal; and that is the one for
// somebody who was disabled.
func TestBlockedPersonSeesNoDifference(t *testing.T) {
	w := newWorld(t, forgetful)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	alice.send("bob", "hello")
	carol.send("bob", "hello")
	dora := w.person("dora") // with whom there is no conversation
	pages := []string{"/users/dora", "/conversations/dora", "/conversations/dora?limit=1", "/messages?with=dora", "/messages?with=dora&since_rev=0", "/messages?with=alice&since_rev=0", "/users?q=dora", "/users/alice", "/conversations/alice", "/conversations", "/users", "/account/blocks", "/messages/1-1", "/messages?with=alice"}
	look := func() (seen []string) {
		for _, path := range pages {
			for _, s := range shapes {
				seen = append(seen, path+" "+s.name+"\n"+anonymous(string(bob.get(path, s.ask).body)))
			}
		}
		return seen
	}
	look() // reads what is unread
	before := look()
	alice.do("PUT", "/account/blocks/bob").want(204)
	dora.do("PUT", "/account/blocks/bob").want(204)
	for i, after := range look() {
		if after != before[i] {
			t.Errorf("the blocked person saw\n%s\nand now sees\n%s", before[i], after)
		}
	}
	w.disable("carol")
	for _, s := range shapes {
		blocked := bob.post("/messages", s.ask, form("recipient", "alice", "body", "hi", "client_id", "1b4e28ba-2fa1-41d2-883f-0016d3cca427")).want(422)
		disabled := bob.post("/messages", s.ask, form("recipient", "carol", "body", "hi", "client_id", "1b4e28ba-2fa1-41d2-883f-0016d3cca427")).want(422)
		a, b := anonymous(string(blocked.body)), strings.ReplaceAll(anonymous(string(disabled.body)), "carol", "alice")
		if withoutIDs([]byte(a)) != withoutIDs([]byte(b)) {
			t.Errorf("as %s, blocked reads\n%s\nand disabled\n%s", s.name, a, b)
		}
	}
}

// anonymous leaves out what differs each time: the new client IDs that pages bring.
func anonymous(html string) string {
	before, after, found := strings.Cut(html, `name="client_id" value="`)
	if !found {
		return html
	}
	return before + after[36:]
}
