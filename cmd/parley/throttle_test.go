package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"parley/db/chat"
	"parley/db/dbtest"
)

// flood sends to oneself as fast as it goes until the context ends.
func (c *client) flood(ctx context.Context) {
	for ctx.Err() == nil {
		_, _, _ = c.try(ctx, http.MethodPost, "/messages", map[string]string{"recipient": "alice", "body": "flood"}) // most are refused
	}
}

// What a page sends too fast is neither lost nor doubled: it waits as long as it is asked to, and goes out by itself.
func TestPageKeepsWhatItSendsTooFast(t *testing.T) {
	server, store := startOn(t)
	people := addPeople(t, store, "alice", "bob")
	b := openBrowser(t, server.url(""))
	b.signIn("alice")
	b.open("/conversations/bob")
	script := clientFor(t, server.url(""), "alice")
	ctx, calm := context.WithCancel(t.Context())
	var floods sync.WaitGroup
	defer floods.Wait()
	defer calm()
	for range 4 {
		floods.Go(func() { script.flood(ctx) })
	}
	await(t, "the script to be too fast", func() bool {
		status, _ := script.do(http.MethodPost, "/messages", map[string]string{"recipient": "alice", "body": "x"})
		return status == http.StatusTooManyRequests
	}, func() string { return "" })
	for i := range 5 {
		b.say(fmt.Sprint("message ", i))
	}
	b.shows("that it is too fast", `[...document.querySelectorAll(".pending .state")].some(e => e.textContent.includes("you are sending very fast"))`)
	calm()
	b.shows("all of them sent", `document.querySelectorAll("#thread .pending").length === 0 && document.querySelectorAll("#thread article.message").length === 5`)
	thread, err := store.Thread(t.Context(), people["bob"], "alice", chat.ThreadQuery{})
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]bool{}
	for _, m := range thread.Messages {
		bodies[m.Body] = true
	}
	if len(bodies) != 5 || thread.Conversation.LastSeq != 5 {
		t.Errorf("%d different messages of %d were stored", len(bodies), thread.Conversation.LastSeq)
	}
}

// What measures Parley can go as fast as it likes.
func TestThrottleOff(t *testing.T) {
	for setting, want := range map[string]int{"on": http.StatusTooManyRequests, "off": http.StatusUnauthorized} {
		server, last := start(t, "--throttle", setting, "--database-url", databaseOf(t)), 0
		for range 7 {
			answer, err := http.Post(server.url("/login"), "application/x-www-form-urlencoded", strings.NewReader("username=alice&password=x"))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			last = answer.StatusCode
		}
		if last != want {
			t.Errorf("%s: the seventh guess is answered with %d, want %d", setting, last, want)
		}
	}
}

func databaseOf(t *testing.T) string {
	t.Helper()
	dsn, _ := dbtest.NewDSN(t)
	return dsn
}

// Two Parleys on one Redis count guesses together.
func TestNodesThrottleTogether(t *testing.T) {
	redis, dsn := "redis://"+startRedis(t).addr, databaseOf(t)
	one := start(t, "--database-url", dsn, "--redis-url", redis)
	two := start(t, "--database-url", dsn, "--redis-url", redis)
	tried := 0
	for i := range 12 {
		answer, err := http.Post([]*running{one, two}[i%2].url("/login"), "application/x-www-form-urlencoded", strings.NewReader("username=alice&password=x"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusUnauthorized {
			tried++
		}
	}
	if tried != 5 {
		t.Errorf("%d guesses went through on two nodes", tried)
	}
}

func TestTrustedProxiesSetting(t *testing.T) {
	for text, want := range map[string]string{
		"": "[]", "127.0.0.1": "[127.0.0.1/32]", "127.0.0.1, 10.1.2.3/8  fd00::/8": "[127.0.0.1/32 10.0.0.0/8 fd00::/8]", "::1": "[::1/128]",
	} {
		got, err := settings{TrustedProxies: text}.trustedProxies()
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q gives %v: %v", text, got, err)
		}
	}
	for _, text := range []string{"localhost", "10.0.0.0/33", "10.0.0", "*"} {
		if got, err := (settings{TrustedProxies: text}).trustedProxies(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q gives %v: %v", text, got, err)
		}
	}
}
