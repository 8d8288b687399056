package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/db/dbtest"
)

// TestReadmeExample runs the example for programs as it stands in the README, with this server's address.
func TestReadmeExample(t *testing.T) {
	example := fromReadme(t, "example")
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
		bob.do(http.MethodPost, "/messages", map[string]string{"recipient": "alice", "body": "Hello, program"}) // again and again: nothing says when the follower listens
		return strings.Contains(out.String(), `{"type":"message","id":"1-`)
	}, out.String)
	_ = shell.Wait() // curl says that its time is over
	for _, want := range []string{`{"username":"alice"`, `"body":"Hello from a program"`, `"next":null`, `"client_id":"f81d4fae-7dec-41d0-a765-00a0c91e6bf6"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the example printed no %s:\n%s", want, out)
		}
	}
}

// TestReadmeTokens makes a token by the README's command, and uses it by the other.
func TestReadmeTokens(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	bob := clientFor(t, server.url(""), "bob")
	login := "parley() { curl -sS -b cookies -c cookies -H 'Accept: application/json' \"$@\"; }\nBASE=" + server.url("") + "\n" +
		`parley $BASE/login -d username=alice -d password="$PASSWORD" >/dev/null` + "\n"
	making := exec.Command("bash", "-euc", login+fromReadme(t, "make a token"))
	making.Dir, making.Env = t.TempDir(), append(os.Environ(), "PASSWORD="+password)
	out, err := making.CombinedOutput()
	var made struct{ Token string }
	if err != nil || json.Unmarshal(out, &made) != nil || made.Token == "" {
		t.Fatalf("%v: %s", err, out)
	}
	shell := exec.Command("bash", "-euc", strings.ReplaceAll(fromReadme(t, "with a token"), "http://127.0.0.1:8080", server.url("")))
	shell.Dir, shell.Env = t.TempDir(), append(os.Environ(), "TOKEN="+made.Token)
	said := &syncBuffer{}
	shell.Stdout, shell.Stderr = said, said
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "a push", func() bool {
		bob.do(http.MethodPost, "/messages", map[string]string{"recipient": "alice", "body": "Hello, bot"}) // again and again: nothing says when the follower listens
		return strings.Contains(said.String(), `{"type":"message","id":"1-`)
	}, said.String)
	_ = shell.Wait() // curl says that its time is over
	for _, want := range []string{`{"username":"alice"`, `"body":"Hello from a bot"`, `{"conversation":{"with":{"username":"bob"`} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the example printed no %s:\n%s", want, said)
		}
	}
}

// TestReadmeBackup makes a copy of a running parley's private database by the README's command.
func TestReadmeBackup(t *testing.T) {
	if _, err := exec.LookPath("mariadb-dump"); err != nil {
		dbtest.Missing(t, err)
	}
	r := startPrivate(t)
	if out, err := command(t, password+"\n", "user", "add", "zoe-in-the-backup", "--password-stdin", "--data-dir", r.args[1]); err != nil {
		t.Fatal(err, out)
	}
	here := t.TempDir()
	if err := os.Symlink(r.args[1], here+"/data"); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("bash", "-euc", fromReadme(t, "backup"))
	shell.Dir = here
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dump, err := os.ReadFile(here + "/parley.sql")
	if err != nil || !strings.Contains(string(dump), "zoe-in-the-backup") {
		t.Errorf("the copy has no account: %v", err)
	}
	restore(t, here+"/parley.sql")
}

// restore puts a copy into a new data directory by the README's words, and looks whether all is there.
func restore(t *testing.T, dump string) {
	t.Helper()
	r := startPrivate(t)
	here := t.TempDir()
	for name, target := range map[string]string{"data": r.args[1], "parley.sql": dump} {
		if err := os.Symlink(target, filepath.Join(here, name)); err != nil {
			t.Fatal(err)
		}
	}
	shell := exec.Command("bash", "-euc", fromReadme(t, "restore"))
	shell.Dir = here
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.stop()
	if found := runProgram(t, "verify", "--json", "--data-dir", r.args[1]); found.code != 0 || !strings.Contains(found.out, `"users":1`) {
		t.Errorf("what was put back: %+v", found)
	}
}

// fromReadme is a marked piece of shell from the README.
func fromReadme(t *testing.T, mark string) string {
	t.Helper()
	return blockOf(t, "sh", mark)
}

// blockOf is a marked piece of any language from the README.
func blockOf(t *testing.T, language, mark string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, piece, found := strings.Cut(string(readme), "```"+language+"\n# "+mark+"\n")
	piece, _, closed := strings.Cut(piece, "```")
	if !found || !closed {
		t.Fatalf("the README has no piece of %s that begins with # %s", language, mark)
	}
	return piece
}
