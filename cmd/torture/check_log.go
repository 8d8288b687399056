package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"time"
)

// expected are the errors that a fault explains. Anything else is a surprise even then.
var expected = []string{
	"can't be reached", "can't answer right now", "context deadline exceeded", "invalid connection", "bad connection",
	"connection refused", "connection reset", "broken pipe", "EOF", "i/o timeout", "is full", "Redis", "redis",
	"No space left", "Got error 28", "Error 1114", "Error 1021", "Error 1026", "Error 3024", "Server shutdown", "went away",
}

// logLine is a line of a node's log.
type logLine struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"`
	Msg   string    `json:"msg"`
	Error string    `json:"error"`
}

// checkLog reads a node's whole log, up to the print of its goroutines if it was ended by that.
func (n *node) checkLog() {
	text, _, _ := strings.Cut(n.logSince(0), "SIGQUIT: quit")
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line != "" {
			n.checkLine(line)
		}
	}
}

func (n *node) checkLine(text string) {
	var line logLine
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		// A node that starts without a database says so in one sentence.
		n.w.checks.that(surprises, strings.HasPrefix(text, "parley: ") && anyOf(text, expected), "node %d says: %.500s", n.number, text)
		return
	}
	if line.Level != "ERROR" && !strings.Contains(text, "panic") {
		n.w.checks.that(surprises, true, "")
		return
	}
	broken := n.w.faults.between(line.Time.Add(-logGrace), line.Time)
	explained := broken != "" && anyOf(text, expected) && !strings.Contains(text, "panic")
	n.w.checks.that(surprises, explained, "node %d logs (broken just then: %s): %.500s", n.number, broken, text)
}

// logGrace is how long after a fault a request may end that began during it: Parley gives each 10 s.
const logGrace = 11 * time.Second

func anyOf(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// verify has Parley look at its own database.
func (w *world) verify(ctx context.Context) error {
	if !knows(ctx, w.binary, "verify") {
		w.checks.excuse(verifiedByIt, "this Parley has no such command")
		return nil
	}
	cmd := exec.CommandContext(ctx, w.binary, "verify", "--json")
	cmd.Env = []string{"PARLEY_DATABASE_URL=" + w.database.server.DSN(), "HOME=" + w.dir, "PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	w.checks.that(verifiedByIt, err == nil, "parley verify: %v: %.2000s", err, out)
	if err == nil {
		w.say("parley verify: %.300s", bytes.TrimSpace(out))
	}
	return nil
}
