package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// The names of the promises, one for each entry of promises.
const (
	ackedOnce    = "acked-once"
	zeroOrOne    = "zero-or-one"
	noHoles      = "no-holes"
	prefix       = "prefix"
	oneOrder     = "one-order"
	convergence  = "convergence"
	afterCommit  = "push-after-commit"
	strangers    = "strangers"
	watermarks   = "watermarks"
	unread       = "unread"
	clientIDs    = "client-ids"
	signOut      = "sign-out"
	revocation   = "revocation"
	single       = "good-once"
	invitations  = "invitations"
	blocking     = "blocking"
	erasure      = "erasure"
	windowRules  = "window-rules"
	cleanStop    = "clean-stop"
	leftOver     = "left-over"
	surprises    = "surprises"
	verifiedByIt = "verify"
)

// promises is what a run holds Parley to, in the order of the verdict.
var promises = []struct{ name, about string }{
	{ackedOnce, "a send that was acknowledged is stored exactly once, with its body"},
	{zeroOrOne, "a send that got no answer, or an error, is stored once or not at all"},
	{noHoles, "each conversation's messages are numbered 1 to N, and so are its revs"},
	{prefix, "who can read message n can read every one below it, and whatever was read or acknowledged before"},
	{oneOrder, "a message is the same for everybody, whenever they look"},
	{convergence, "5 s after a fault every device shows what a reload shows, with nobody doing anything"},
	{afterCommit, "what a push names can be read at once, on every node"},
	{strangers, "nobody hears of, or reads, a conversation that isn't theirs"},
	{watermarks, "how far somebody has read never falls, on whichever device"},
	{unread, "unread counts equal a recount"},
	{clientIDs, "a client ID stands for one message for ever; with another body it is a conflict"},
	{signOut, "signing out ends that session on every node, and closes its windows with 1008, within 1 s"},
	{revocation, "a new password, a reset, a deletion and a revoked token end what they end on every node, and close its windows with 1008, within 1 s"},
	{single, "a link to a new password, a code of an app and a recovery code are good once, also on two nodes at once"},
	{invitations, "an invitation lets in as many as it is for, however many use it at once"},
	{blocking, "what somebody sends after they were blocked is refused and never stored; once unblocked they can write again"},
	{erasure, "who deleted their account is seen by nobody, and nothing is left of what they wrote"},
	{windowRules, "a window that speaks is closed with 1008, one that speaks too much with 1009"},
	{cleanStop, "a node that is told to stop ends well and in time, and tells its windows so"},
	{leftOver, "in the end no window, goroutine or file descriptor is left over"},
	{surprises, "no panic, no node that dies, no error without a fault"},
	{verifiedByIt, "parley verify finds nothing wrong with the database"},
}

// check counts how often a promise was looked at, and what broke it.
type check struct {
	name, about string
	looked      int
	excused     string // why it may have looked at nothing
	broken      int
	examples    []string
}

// The first few cases say what is wrong; the rest only that it is.
const mostExamples = 5

// checks is the verdict while it grows. It is safe for concurrent use.
type checks struct {
	mu    sync.Mutex
	start time.Time
	all   map[string]*check
	out   io.Writer
	broke chan string // the names of checks that broke, as far as somebody listens
}

func newChecks(out io.Writer) *checks {
	c := &checks{start: time.Now(), all: map[string]*check{}, out: out, broke: make(chan string, 1000)}
	for _, p := range promises {
		c.all[p.name] = &check{name: p.name, about: p.about}
	}
	return c
}

// that looks at one case: it breaks the promise unless it holds.
func (c *checks) that(name string, holds bool, format string, args ...any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	this := c.all[name]
	this.looked++
	if holds {
		return true
	}
	this.broken++
	if len(this.examples) < mostExamples {
		text := fmt.Sprintf("%.2fs %s", time.Since(c.start).Seconds(), fmt.Sprintf(format, args...))
		this.examples = append(this.examples, text)
		fmt.Fprintf(c.out, "BROKEN %s: %s\n", name, text)
	}
	select {
	case c.broke <- name:
	default:
	}
	return false
}

// excuse lets a check have looked at nothing.
func (c *checks) excuse(name, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[name].excused = why
}

// verdict is what a run found.
type verdict struct {
	checks []check
	faults map[string]int
	missed []string // kinds of fault that were asked for and never happened
}

func (c *checks) verdict() (v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range promises {
		v.checks = append(v.checks, *c.all[p.name])
	}
	return v
}

func (c check) kept() bool { return c.broken == 0 && (c.looked > 0 || c.excused != "") }

func (v verdict) kept() bool {
	for _, c := range v.checks {
		if !c.kept() {
			return false
		}
	}
	return len(v.missed) == 0
}

// brokenBy says whether a named check found something.
func (v verdict) brokenBy(name string) bool {
	for _, c := range v.checks {
		if c.name == name {
			return c.broken > 0
		}
	}
	return false
}

func (v verdict) print(out io.Writer) {
	fmt.Fprintln(out, "\nVerdict:")
	for _, c := range v.checks {
		fmt.Fprintf(out, "  %-9s %-18s %8d times: %s%s\n", c.word(), c.name, c.looked, c.about, c.reason())
		for _, example := range c.examples {
			fmt.Fprintf(out, "              %s\n", example)
		}
	}
	var happened []string
	for _, name := range slices.Sorted(maps.Keys(v.faults)) {
		happened = append(happened, fmt.Sprintf("%s %d", name, v.faults[name]))
	}
	fmt.Fprintf(out, "Broken on purpose: %s\n", strings.Join(happened, ", "))
	for _, name := range v.missed {
		fmt.Fprintf(out, "  MISSED    the fault %s never happened: give the run more time\n", name)
	}
}

func (c check) word() string {
	switch {
	case c.broken > 0:
		return fmt.Sprintf("BROKEN %d", c.broken)
	case c.looked == 0 && c.excused == "":
		return "UNPROVED"
	case c.looked == 0:
		return "-"
	}
	return "kept"
}

func (c check) reason() string {
	if c.looked == 0 && c.excused != "" {
		return " (not looked at: " + c.excused + ")"
	}
	return ""
}
