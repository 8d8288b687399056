package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/term"

	"parley/db"
	"parley/db/chat"
	"parley/db/demo"
)

// verifyCmd exits with 0 if all holds at its end, 1 if something is wrong, and 2 if that couldn't be found out.
//
// With --json it prints one object, also when the check broke off (then with "error", and ok is false):
//
//	{"ok":false,
//	 "checked":{"users":3,"conversations":2,"messages":57,"members":4,"sessions":1,"audit_events":0,"unread_counts":8},
//	 "problems":[{"check":"seq_hole","conversation":7,"seq":42,"detail":"…","repairable":false,"repaired":false}],
//	 "left_off":0}
//
// ok says that no problem is left. check is one of chat's Check constants. conversation, seq (of the first message) and
// user (an ID) are there where they apply. left_off counts the problems beyond the first 1,000, which aren't listed.
// Later versions add fields and checks; none is renamed or dropped.
type verifyCmd struct {
	Repair bool `help:"Put right what follows from the rest of the data: counters, watermarks, memberships, canonical names, leftovers. No text is changed and no message deleted."`
	JSON   bool `name:"json" help:"Print the result as one JSON object, for programs."`
}

// Help is what parley verify --help adds.
func (verifyCmd) Help() string {
	return "Parley may run meanwhile; nothing is changed without --repair. Each problem is a line. Exit code 0: all holds. 1: something is wrong. 2: the check couldn't be done."
}

// exitError is an error with an exit code of its own; all others have 1.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

// exitCode is what main ends with after an error.
func exitCode(err error) int {
	if e, ok := errors.AsType[exitError](err); ok {
		return e.code
	}
	return 1
}

// unusable makes a command line or settings that can't be used one of verify's failures to check, where they are verify's:
// a script that misspells a flag must not take that for damage.
func unusable(args []string, err error) error {
	if err != nil && slices.Contains(args, "verify") {
		return exitError{err, 2}
	}
	return err
}

// Run checks, and repairs if asked to.
func (cmd verifyCmd) Run(ctx context.Context, p *program) error {
	r := &verification{cmd: cmd, out: p.out, began: time.Now(), Problems: []chat.Problem{}}
	err := p.withDatabaseThere(ctx, func(pool *sql.DB) error {
		if err := schemaIsOurs(ctx, pool); err != nil {
			return err
		}
		progress, done := verifyProgress(p.err)
		defer done()
		o := chat.VerifyOptions{Repair: cmd.Repair, Found: func(problem chat.Problem) { done(); r.found(problem) }, Progress: progress}
		checked, err := chat.New(pool, chat.Options{}).Verify(ctx, o)
		r.Checked = checked
		if ctx.Err() != nil {
			return errors.New("it was interrupted before its end")
		}
		return err
	})
	return r.end(err)
}

// withDatabaseThere is withSchemaAsItIs without making a private database where there is none.
func (p *program) withDatabaseThere(ctx context.Context, f func(*sql.DB) error) error {
	if p.set.DatabaseURL == "" {
		if _, err := os.Stat(filepath.Join(p.set.DataDir, "database")); err != nil {
			return fmt.Errorf("there is no database in the data directory %s: give the right one with --data-dir, or a server with --database-url", p.set.DataDir)
		}
	}
	return p.withSchemaAsItIs(ctx, f)
}

// schemaIsOurs keeps the rules of one version from being applied to the data of another.
func schemaIsOurs(ctx context.Context, pool *sql.DB) error {
	current, latest, dirty, err := db.Status(ctx, pool)
	switch {
	case err != nil:
		return err
	case dirty:
		return fmt.Errorf("step %d of the schema isn't finished: run parley migrate up first", current)
	case current < latest:
		return fmt.Errorf("the schema is at step %d, and this Parley checks step %d: run parley migrate up first, or verify with the Parley that uses this database", current, latest)
	case current > latest:
		return fmt.Errorf("the schema is at step %d, and this Parley knows none above %d: verify with the Parley that uses this database", current, latest)
	}
	return nil
}

// mostListed bounds what --json keeps in memory.
const mostListed = 1000

// verification is the result as --json prints it.
type verification struct {
	OK       bool           `json:"ok"`
	Checked  chat.Verified  `json:"checked"`
	Problems []chat.Problem `json:"problems"`
	LeftOff  int            `json:"left_off"`
	Error    string         `json:"error,omitempty"`

	cmd             verifyCmd
	out             io.Writer
	began           time.Time
	wrong, repaired int
	repairable      int
}

func (r *verification) found(p chat.Problem) {
	switch {
	case p.Repaired:
		r.repaired++
	case p.Repairable:
		r.repairable++
		fallthrough
	default:
		r.wrong++
	}
	switch {
	case !r.cmd.JSON:
		fmt.Fprintln(r.out, problemLine(p))
	case len(r.Problems) < mostListed:
		r.Problems = append(r.Problems, p)
	default:
		r.LeftOff++
	}
}

// problemLine is such as "wrong: seq_hole, conversation 7, seq 42: missing messages: 1, the first is 42; …".
func problemLine(p chat.Problem) string {
	line := "wrong: "
	if p.Repaired {
		line = "repaired: "
	}
	line += string(p.Check)
	if p.Conversation > 0 {
		line += fmt.Sprintf(", conversation %d", p.Conversation)
	}
	if p.Seq > 0 {
		line += fmt.Sprintf(", seq %d", p.Seq)
	}
	if p.User > 0 {
		line += fmt.Sprintf(", user %d", p.User)
	}
	return line + ": " + p.Detail
}

// end prints the result and gives the error that makes the exit code.
func (r *verification) end(err error) error {
	r.OK = err == nil && r.wrong == 0
	if err != nil {
		r.Error = err.Error()
		err = exitError{fmt.Errorf("the database couldn't be checked: %w", err), 2}
	}
	switch {
	case r.cmd.JSON:
		if printErr := json.NewEncoder(r.out).Encode(r); printErr != nil {
			return exitError{printErr, 2}
		}
	case err == nil:
		fmt.Fprintln(r.out, r.summary())
	}
	if err == nil && r.wrong > 0 {
		return exitError{errors.New(r.verdict()), 1}
	}
	return err
}

func (r *verification) summary() string {
	c := r.Checked
	text := fmt.Sprintf("Checked %d conversations with %d messages, %d people, %d memberships, %d sessions, %d audit events and %d counts of unread messages in %s.",
		c.Conversations, c.Messages, c.Users, c.Members, c.Sessions, c.AuditEvents, c.UnreadCounts, time.Since(r.began).Round(10*time.Millisecond))
	if r.repaired > 0 {
		text += fmt.Sprintf(" Repaired: %d.", r.repaired)
	}
	if r.wrong == 0 {
		text += " All holds."
	}
	return text
}

func (r *verification) verdict() string {
	text := fmt.Sprintf("the database breaks what Parley promises, in %d places", r.wrong)
	if r.repairable > 0 {
		text += fmt.Sprintf("; parley verify --repair puts %d of them right", r.repairable)
	}
	return text
}

// Progress is one line that changes every second on a terminal, and otherwise a line every half a minute.
const (
	terminalEvery = time.Second
	logEvery      = 30 * time.Second
)

// verifyProgress gives what shows progress, and what takes its line off a terminal.
func verifyProgress(to io.Writer) (report func(chat.VerifyProgress), clear func()) {
	p, clear := &progress{to: to, every: logEvery, now: time.Now}, func() {}
	if file, ok := to.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		line := &statusLine{to: to}
		p.to, p.every, clear = line, terminalEvery, line.clear
	}
	return func(at chat.VerifyProgress) { p.report(demo.Progress(at)) }, clear
}

// statusLine writes each line over the one before.
type statusLine struct {
	to   io.Writer
	used bool
}

// eraseLine is what terminals understand (ECMA-48, EL): back to the start of the line, and erase it.
const eraseLine = "\r\x1b[K"

func (s *statusLine) Write(line []byte) (int, error) {
	s.used = true
	_, err := fmt.Fprintf(s.to, "%s%s", eraseLine, line[:len(line)-1])
	return len(line), err
}

func (s *statusLine) clear() {
	if s.used {
		fmt.Fprint(s.to, eraseLine)
		s.used = false
	}
}
