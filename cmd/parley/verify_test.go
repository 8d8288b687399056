package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/db/demo"
)

// ended is a program that has run to its end.
type ended struct {
	code     int
	out, err string
}

// runProgram runs parley as a process of its own.
func runProgram(t *testing.T, args ...string) ended {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// written is a database with two people and two messages.
func written(t *testing.T) (dsn string, pool *sql.DB) {
	t.Helper()
	dsn, pool = dbtest.NewDSN(t)
	store := chat.New(pool, chat.Options{})
	people := addPeople(t, store, "alice", "bob")
	for range 2 {
		if _, _, err := store.SendMessage(t.Context(), people["alice"], chat.Draft{Recipient: "bob", Body: "hello"}); err != nil {
			t.Fatal(err)
		}
	}
	return dsn, pool
}

func damage(t *testing.T, pool *sql.DB, statement string) {
	t.Helper()
	if _, err := pool.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyForPeople(t *testing.T) {
	dsn, pool := written(t)
	verify := func(args ...string) ended {
		return runProgram(t, append([]string{"verify", "--database-url", dsn}, args...)...)
	}
	if r := verify(); r.code != 0 || !strings.HasPrefix(r.out, "Checked 1 conversations with 2 messages, 2 people") || !strings.Contains(r.out, "All holds.") || r.err != "" {
		t.Errorf("a sound database: %+v", r)
	}
	damage(t, pool, "UPDATE conversations SET last_seq = 1")
	damage(t, pool, "UPDATE messages SET body = '' WHERE seq = 1")
	r := verify()
	if r.code != 1 || !strings.Contains(r.out, "wrong: seq_behind, conversation 1, seq 2: ") || !strings.Contains(r.out, "wrong: body, conversation 1, seq 1: ") ||
		!strings.Contains(r.err, "in 2 places; parley verify --repair puts 1 of them right") {
		t.Errorf("a damaged database: %+v", r)
	}
	if r := verify("--repair"); r.code != 1 || !strings.Contains(r.out, "repaired: seq_behind, conversation 1") || !strings.Contains(r.out, "Repaired: 1.") || !strings.Contains(r.err, "in 1 places") {
		t.Errorf("a repair: %+v", r)
	}
	damage(t, pool, "UPDATE messages SET body = 'hello' WHERE seq = 1")
	if r := verify(); r.code != 0 {
		t.Errorf("after the repair: %+v", r)
	}
	damage(t, pool, "UPDATE conversations SET last_seq = 1")
	if r := verify("--repair"); r.code != 0 || !strings.Contains(r.out, "Repaired: 1. All holds.") {
		t.Errorf("a repair of everything: %+v", r)
	}
}

// result is what programs see, spelt out here once more: a change of verifyCmd's promise has to be made twice.
type result struct {
	OK      bool
	Checked struct {
		Users         int
		Conversations int
		Messages      int
		Members       int
		Sessions      int
		AuditEvents   int `json:"audit_events"`
		UnreadCounts  int `json:"unread_counts"`
	}
	Problems []problem
	LeftOff  int `json:"left_off"`
	Error    string
}

type problem struct {
	Check                   string
	Conversation, Seq, User uint64
	Detail                  string
	Repairable, Repaired    bool
}

func verifyJSON(t *testing.T, args ...string) (result, ended) {
	t.Helper()
	r := runProgram(t, append([]string{"verify", "--json"}, args...)...)
	decoder := json.NewDecoder(strings.NewReader(r.out))
	decoder.DisallowUnknownFields()
	var found result
	if err := decoder.Decode(&found); err != nil || decoder.More() {
		t.Fatalf("parley printed no object as promised: %v, %+v", err, r)
	}
	for i := range found.Problems {
		if found.Problems[i].Detail == "" {
			t.Errorf("%+v has no detail", found.Problems[i])
		}
		found.Problems[i].Detail = ""
	}
	return found, r
}

func TestVerifyForPrograms(t *testing.T) {
	dsn, pool := written(t)
	found, r := verifyJSON(t, "--database-url", dsn)
	c := found.Checked
	if !found.OK || r.code != 0 || found.Problems == nil || c.Users != 2 || c.Conversations != 1 || c.Messages != 2 || c.Members != 2 || c.UnreadCounts != 4 {
		t.Errorf("a sound database: %+v", r)
	}
	damage(t, pool, "UPDATE conversations SET last_rev = 1")
	damage(t, pool, "UPDATE messages SET sender_id = 99 WHERE seq = 2")
	want := []problem{{Check: "sender", Conversation: 1, Seq: 2}, {Check: "rev_behind", Conversation: 1, Repairable: true}}
	if found, r := verifyJSON(t, "--database-url", dsn); found.OK || r.code != 1 || !slices.Equal(found.Problems, want) {
		t.Errorf("a damaged database: %+v", r)
	}
	want[1].Repaired = true
	if found, r := verifyJSON(t, "--database-url", dsn, "--repair"); found.OK || r.code != 1 || !slices.Equal(found.Problems, want) {
		t.Errorf("a repair: %+v", r)
	}
}

func TestVerifyListsABoundedNumber(t *testing.T) {
	dsn, pool := dbtest.NewDSN(t)
	var rows []string
	for i := range mostListed {
		rows = append(rows, fmt.Sprintf("(%d, 99999)", i+1))
	}
	damage(t, pool, "INSERT INTO conversations (user_lo, user_hi) VALUES "+strings.Join(rows, ", "))
	found, _ := verifyJSON(t, "--database-url", dsn)
	if len(found.Problems) != mostListed || found.LeftOff != mostListed {
		t.Errorf("%d conversations of two who aren't there give %d problems and %d more", len(rows), len(found.Problems), found.LeftOff)
	}
}

func TestVerifyThatCantBeDone(t *testing.T) {
	newer, pool := dbtest.NewDSN(t)
	damage(t, pool, "UPDATE schema_migrations SET version = version + 1")
	older, _ := dbtest.NewDSN(t)
	if out, err := command(t, "", "migrate", "down", "--database-url", older); err != nil {
		t.Fatal(err, out)
	}
	partial, pool := written(t)
	damage(t, pool, "DROP TABLE audit_events")
	empty := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no server":    {[]string{"--database-url", "parley:secret@tcp(127.0.0.1:1)/parley"}, "127.0.0.1:1"},
		"newer schema": {[]string{"--database-url", newer}, "knows none above"},
		"older schema": {[]string{"--database-url", older}, "parley migrate up"},
		"lost table":   {[]string{"--database-url", partial}, "audit_events is missing"},
		"no database":  {[]string{"--data-dir", empty}, "there is no database in the data directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := runProgram(t, append([]string{"verify"}, c.args...)...); r.code != 2 || r.out != "" || !strings.Contains(r.err, "couldn't be checked: ") || !strings.Contains(r.err, c.want) {
				t.Errorf("for people: %+v", r)
			}
			if found, r := verifyJSON(t, c.args...); r.code != 2 || found.OK || !strings.Contains(found.Error, c.want) {
				t.Errorf("for programs: %+v", r)
			}
		})
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("a database was made: %v, %v", left, err)
	}
	if r := runProgram(t, "verify", "--no-such-flag"); r.code != 2 {
		t.Errorf("an unknown flag: %+v", r)
	}
	for _, bad := range []string{"PARLEY_TIME_ZONE=No/Where", "PARLEY_SETTINGS=/no/such/file", "PARLEY_MESSAGES_TO_LOAD=none"} {
		name, value, _ := strings.Cut(bad, "=")
		t.Setenv(name, value)
		if r := runProgram(t, "verify"); r.code != 2 {
			t.Errorf("%s: %+v", bad, r)
		}
		os.Unsetenv(name)
	}
	if r := runProgram(t, "migrate", "--no-such-flag"); r.code != 1 {
		t.Errorf("an unknown flag of another command: %+v", r)
	}
}

// Parley's private database is checked while Parley runs and while it doesn't.
func TestVerifyBesideARunningParley(t *testing.T) {
	r := startPrivate(t)
	dir := r.args[1]
	for _, running := range []bool{true, false} {
		if found, ended := verifyJSON(t, "--data-dir", dir); !found.OK || ended.code != 0 {
			t.Errorf("running %t: %+v", running, ended)
		}
		if running {
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestVerifyProgressOnATerminal(t *testing.T) {
	var screen bytes.Buffer
	line := &statusLine{to: &screen}
	line.clear()
	at := time.Unix(0, 0)
	p := &progress{to: line, every: time.Second, now: func() time.Time { at = at.Add(time.Second); return at }}
	for done := range 3 {
		p.report(demo.Progress{Step: "messages", Done: 10 * done, Total: 100})
	}
	line.clear()
	line.clear()
	if want := "\r\x1b[K10 of 100 messages, 10 per second, 9s left\r\x1b[K20 of 100 messages, 10 per second, 8s left\r\x1b[K"; screen.String() != want {
		t.Errorf("the screen got %q, want %q", screen.String(), want)
	}
}
