package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// descriptors is what a process has open, by kind.
type descriptors struct {
	people int // connections from people
	pool   int // connections to the database and to Redis, which it keeps
	other  int // everything else
	names  []string
}

// mostPooled is how many connections a node keeps: 16 to the database, and 10 a processor to Redis by go-redis' default.
const mostPooled = 16 + 10*8

// descriptors reads what the node has open from /proc.
func (n *node) descriptors() (*descriptors, error) {
	pid := n.process().pid()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		return nil, fmt.Errorf("what node %d has open can't be read from /proc: %w", n.number, err)
	}
	sockets, err := n.sockets(pid)
	if err != nil {
		return nil, err
	}
	d := &descriptors{}
	for _, link := range links {
		name, err := os.Readlink(link)
		if err != nil {
			continue // closed meanwhile
		}
		switch sockets[name] {
		case "people":
			d.people++
		case "pool":
			d.pool++
		default:
			d.other++
			d.names = append(d.names, name)
		}
	}
	return d, nil
}

// sockets tells what each of a node's TCP connections is for, by the name of its descriptor. The columns of
// /proc/net/tcp are those of proc(5): local and remote address, state (0A is listening), and as the tenth the inode.
func (n *node) sockets(pid int) (map[string]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return nil, err
	}
	kinds := map[string]string{}
	for _, line := range strings.Split(string(text), "\n")[1:] {
		columns := strings.Fields(line)
		if len(columns) < 10 || columns[3] == "0A" {
			continue
		}
		name := "socket:[" + columns[9] + "]"
		switch local, remote := portIn(columns[1]), portIn(columns[2]); {
		case local == n.port:
			kinds[name] = "people"
		case remote == n.database.port || n.fanout != nil && remote == n.fanout.port:
			kinds[name] = "pool"
		}
	}
	return kinds, nil
}

// portIn reads the port of an address such as 0100007F:1F90.
func portIn(text string) int {
	_, port, _ := strings.Cut(text, ":")
	number, _ := strconv.ParseInt(port, 16, 32) // 0 is nobody's
	return int(number)
}

// leaveWithin is how long a node may take to let go of what people left.
const leaveWithin = 10 * time.Second

// final has everybody leave, and looks at what they leave behind: in the database, on the nodes, and in their logs.
func (w *world) final(ctx context.Context) error {
	if err := w.checkStoredWhole(ctx); err != nil {
		return err
	}
	w.busy.Wait()
	if err := w.checkNewcomers(ctx); err != nil {
		return err
	}
	for _, d := range w.devices() {
		d.client.CloseIdleConnections()
	}
	w.newcomers.client.CloseIdleConnections()
	for _, g := range w.ghosts {
		g.window.conn.Close()
	}
	for _, n := range w.nodes {
		w.checkDescriptors(ctx, n)
		w.checkWindows(ctx, n)
	}
	if err := w.checkGoroutines(ctx); err != nil {
		return err
	}
	for _, n := range w.nodes {
		n.checkLog()
	}
	return w.verify(ctx)
}

// checkDescriptors holds what a node has open against what it had before the first person came.
func (w *world) checkDescriptors(ctx context.Context, n *node) {
	var now *descriptors
	clean := func() bool {
		found, err := n.descriptors()
		if err == nil {
			now = found
		}
		return err == nil && now.people == 0 && now.other <= n.idle.other && now.pool <= mostPooled
	}
	err := await(ctx, leaveWithin, "", clean)
	if now == nil {
		w.checks.that(leftOver, false, "what node %d has open can't be read: %v", n.number, err)
		return
	}
	w.checks.that(leftOver, now.people == 0, "node %d has %d connections of people who left", n.number, now.people)
	w.checks.that(leftOver, now.pool <= mostPooled, "node %d has %d connections to the database and Redis", n.number, now.pool)
	w.checks.that(leftOver, now.other <= n.idle.other, "node %d has %d other descriptors open, and had %d before the first person came: %v", n.number, now.other, n.idle.other, now.names)
}

// windowsForm finds the number of open windows among a node's metrics.
var windowsForm = regexp.MustCompile(`(?m)^parley_windows (\d+)$`)

// checkWindows asks a node itself, where it can tell.
func (w *world) checkWindows(ctx context.Context, n *node) {
	if n.metrics == 0 {
		return
	}
	client, said := http.Client{Timeout: time.Second}, ""
	_ = await(ctx, leaveWithin, "", func() bool {
		answer, err := client.Get("http://" + address(n.metrics) + "/metrics")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body) // what is missing is no 0
		if found := windowsForm.FindSubmatch(text); found != nil {
			said = string(found[1])
		}
		return said == "0"
	}) // what it says in the end is looked at now
	w.checks.that(leftOver, said == "0", "node %d counts %q open windows, and everybody has left", n.number, said)
}

// checkGoroutines ends the nodes: one that was used and one that hardly was by SIGQUIT, which makes Go print every
// goroutine, and the others in good order.
func (w *world) checkGoroutines(ctx context.Context) error {
	used := w.nodes[0]
	fresh, err := w.newNode(len(w.nodes))
	if err != nil {
		return err
	}
	if err := fresh.start(ctx); err != nil {
		return err
	}
	if err := w.useOnce(ctx, fresh); err != nil {
		return err
	}
	before, now := fresh.goroutines(), used.goroutines()
	w.checks.that(leftOver, len(now) > 0, "node %d printed no goroutines", used.number)
	for _, where := range slices.Sorted(maps.Keys(now)) {
		w.checks.that(leftOver, now[where] <= before[where], "node %d has %d goroutines in %s, and a fresh one %d; %d windows were opened there", used.number, now[where], where, before[where], w.windows[0])
	}
	for _, n := range w.nodes[1:] {
		n.stop()
	}
	if len(w.nodes) == 1 { // its end in good order was seen only where it was restarted
		w.checks.excuse(cleanStop, "one node, which was never restarted")
	}
	return nil
}

// useOnce opens and closes a window, which sets going whatever then goes on for ever.
func (w *world) useOnce(ctx context.Context, n *node) error {
	d := w.devices()[0]
	d.signIn(ctx)
	win, err := d.openWindow(ctx, n)
	if err != nil {
		return fmt.Errorf("a window on node %d: %w", n.number, err)
	}
	win.conn.Close()
	pause(ctx, closingTime)
	return nil
}

// closingTime is what Parley gives a window for its closing handshake, and some.
const closingTime = 1500 * time.Millisecond

// goroutineForm is the head of a goroutine in Go's print.
var goroutineForm = regexp.MustCompile(`(?m)^goroutine \d+ .*\[[^\]]*\]:$`)

// ours finds the functions of Parley in a goroutine's stack.
var ours = regexp.MustCompile(`(?m)^(?:created by )?((?:parley/|main\.)[^(\s]*(?:\(\*[^)]*\))?[^(\s]*)`)

// goroutines ends a node by SIGQUIT and counts its goroutines in Parley's own code, by the outermost function of it.
// The rest are the runtime's and the libraries' pools'.
func (n *node) goroutines() map[string]int {
	from := n.written()
	n.unwatched().end(syscall.SIGQUIT, leaveWithin)
	return countGoroutines(n.logSince(from))
}

func countGoroutines(print string) map[string]int {
	counts := map[string]int{}
	for _, stack := range goroutineForm.Split(print, -1)[1:] {
		if found := ours.FindAllStringSubmatch(stack, -1); len(found) > 0 {
			counts[found[len(found)-1][1]]++
		}
	}
	return counts
}
