package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"parley/db/chat"
)

// The log is read by people who may not read messages. Secrets go in wherever something can be put in; none comes out.
func TestLogHoldsNoSecrets(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	secret := "s3cr3t-" + uuid.NewString()
	alice.send("bob", "earlier "+secret)
	everywhere := []option{
		header("Cookie", alice.cookie()+"; other="+secret), header("Authorization", "Basic "+secret), header("Referer", "https://x.example/?"+secret),
		header("HX-Current-URL", "https://x.example/"+secret), header("X-Request-ID", "<"+secret+">"), header("X-Anything", secret),
	}
	query := "q=" + secret + "&after=" + secret + "&with=" + secret + "&next=/" + secret + "&limit=" + secret + "&since_rev=" + secret
	contents := []option{
		form("recipient", "bob", "body", secret, "client_id", secret, "username", "alice", "password", secret, "next", "/"+secret, "seq", secret),
		object(fields{"recipient": "bob", "body": secret, "username": "alice", "password": secret}), body("application/json", `{"body":"`+secret), body("text/"+secret, secret),
		form("recipient", "bob", "body", secret),
	}
	for _, r := range w.server.App().GetRoutes(true) {
		path := strings.NewReplacer(":username", "bob", ":id", "1-1", ":name", "x").Replace(r.Path)
		if path == "/logout" {
			continue
		}
		for i, content := range contents {
			for _, target := range []string{path + "?" + query, path + "?q=" + secret} {
				alice.do(r.Method, target, append(slices.Clone(everywhere), shapes[i%len(shapes)].ask, content)...)
			}
		}
	}
	w.server.app.Get("/wrong", failingOn(w))
	alice.get("/wrong?"+query, everywhere...).want(500)
	w.nobody().post("/login", asPage, credentials("alice", secret)).want(401)
	alice.post("/logout", append(everywhere, asPage)...).want(303)
	w.nobody().get("/users?"+query, underToken(secret)).want(401)
	w.disable("bob")
	bob.get("/conversations?q="+secret, everywhere[1:]...)
	log := w.log.String()
	for what, text := range map[string]string{
		"a secret": secret, "a session's token": alice.token, "another token": bob.token, "an escaped secret": url.QueryEscape("<" + secret), "a password": password, "a query": "since_rev=",
	} {
		if i := strings.Index(log, text); i >= 0 {
			t.Errorf("the log holds %s: …%s…", what, log[max(0, i-300):min(len(log), i+300)])
		}
	}
	if len(w.linesOfLog(`"path":"/messages/1-1"`)) == 0 {
		t.Error("the log doesn't even hold the requests")
	}
}

// One request is one line at the level of debugging: method, path, status, who, from where, how long.
func TestLogOfARequest(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	r := alice.get("/messages/1-1?x=y", asJSON).want(http.StatusNotFound)
	found := w.linesOfLog(r.header.Get("X-Request-Id"))
	if len(found) != 1 {
		t.Fatalf("the log has %v", found)
	}
	line := found[0]
	if line["level"] != "DEBUG" || line["msg"] != "request" || line["method"] != "GET" || line["path"] != "/messages/1-1" || line["status"] != 404.0 || line["user"] != float64(alice.user.ID) || line["ip"] == "" || line["took"] == nil {
		t.Errorf("the log has %v", line)
	}
}

// A name in an address can't forge a line.
func logLinesCantBeForged(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	before := strings.Count(w.log.String(), "\n")
	for _, path := range []string{"/users/a%0a%7B%22level%22:%22ERROR%22%7D", "/x%0d%0ay", "/\u2028"} {
		alice.get(path, asJSON)
	}
	if lines := strings.Count(w.log.String(), "\n") - before; lines != 3 {
		t.Errorf("three requests are %d lines", lines)
	}
	for _, line := range w.linesOfLog("") {
		if line["level"] != "DEBUG" {
			t.Errorf("a line was forged: %v", line)
		}
	}
}

// What is seen of whoever signs in is kept for them to see, cut to what the columns hold.
func TestDeviceOfASession(t *testing.T) {
	w := newWorld(t)
	w.account(chat.NewUser{Username: "alice"})
	for _, agent := range []string{"Mozilla/5.0 (X11)", strings.Repeat("é", 3000), "", "\xff\xfe", "🙂"} {
		w.nobody().post("/login", asJSON, credentials("alice", password), header("User-Agent", agent)).want(200)
	}
	var agents, ips int
	if err := w.db.QueryRow("SELECT COUNT(DISTINCT user_agent), COUNT(DISTINCT ip) FROM sessions").Scan(&agents, &ips); err != nil || agents < 4 || ips != 1 {
		t.Errorf("%d agents and %d addresses are kept: %v", agents, ips, err)
	}
}

// failingOn asks the database for what it hasn't got, so that a driver's error comes with the request.
func failingOn(w *world) func(*fiber.Ctx) error {
	return func(c *fiber.Ctx) error {
		_, err := w.db.ExecContext(c.UserContext(), "SELECT * FROM missing WHERE x = ?", c.Query("q"))
		return err
	}
}
