package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestReadmeExample runs the example for programs as it stands in the README, with this server's address.
func TestReadmeExample(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(readme), "```sh\n# example\n")
	example, _, closed := strings.Cut(example, "```")
	if !found || !closed {
		t.Fatal("the README has no example for programs")
	}
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	bob := clientFor(t, server.url(""), "bob")

	shell := exec.Command("bash", "-euc", strings.ReplaceAll(example, "http://127.0.0.1:8080", server.url("")))
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "PASSWORD="+password)
	out := &syncBuffer{}
	shell.Stdout, shell.Stderr = out, out
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "a push", func() bool {
		bob.send("alice", "Hello, program") // again and again: nothing says when the follower listens
		return strings.Contains(out.String(), `{"type":"message","id":"1-`)
	}, out.String)
	_ = shell.Wait() // curl says that its time is over
	for _, want := range []string{`{"username":"alice"`, `"body":"Hello from a program"`, `"next":null`, `"client_id":"f81d4fae-7dec-41d0-a765-00a0c91e6bf6"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the example printed no %s:\n%s", want, out)
		}
	}
}
