package main

import (
	"io"
	"log/slog"
	"testing"

	"github.com/chromedp/chromedp"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/handlers/fanout"
)

// A page that is told to look fetches what nobody pushed, in the conversation and in the list, leaves alone what is being
// typed, and does so as well while it is hidden.
func TestPageCatchesUpWhenItIsToldTo(t *testing.T) {
	dsn, pool := dbtest.NewDSN(t)
	redis := "redis://" + startRedis(t).addr
	server := start(t, "--database-url", dsn, "--redis-url", redis)
	silent := chat.New(pool, chat.Options{}) // a node that tells nobody
	people := addPeople(t, silent, "alice", "bob", "carol")
	node, err := fanout.NewRedis(redis, "here", slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	node.Subscribe(func(chat.Event) {})
	await(t, "the test's node", func() bool { return node.Ready() == nil })
	send := func(from, body string) {
		if _, _, err := silent.SendMessage(t.Context(), people[from], chat.Draft{Recipient: "alice", Body: body}); err != nil {
			t.Fatal(err)
		}
	}

	alice := openBrowser(t, server.url(""))
	alice.signIn("alice")
	alice.open("/conversations/bob")
	clientFor(t, server.url(""), "bob").send("alice", "pushed")
	alice.showsMessage("pushed")
	alice.run(chromedp.SendKeys(`.composer textarea`, "half a sent"))
	for i, hidden := range []string{"false", "true"} {
		evaluate[bool](alice, `Object.defineProperty(document, "hidden", {configurable: true, get: () => `+hidden+`}), true`)
		body := []string{"not pushed", "not pushed either"}[i]
		send("bob", body)
		send("carol", body+", from carol")
		node.Notify(chat.Event{Type: chat.EventCheck})
		alice.showsMessage(body)
		alice.shows("the list", `document.querySelector("#conversations").textContent.includes("`+body+`, from carol")`)
	}
	alice.shows("what is being typed", `document.querySelector(".composer textarea").value === "half a sent" && document.activeElement.matches(".composer textarea")`)
	alice.noErrors()
}
