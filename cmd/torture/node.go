package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// node is one Parley, with its links to the others.
type node struct {
	number                   int
	w                        *world
	port                     int
	metrics                  int   // the port of /metrics, 0 where this Parley has none
	people, database, fanout *link // fanout is nil without Redis
	binary, dir, log         string
	mu                       sync.Mutex
	proc                     *process
	wanted                   bool // whoever finds it dead is to start it again
	idle                     *descriptors
}

func (w *world) newNode(number int) (n *node, err error) {
	n = &node{number: number, w: w, binary: w.binary, dir: filepath.Join(w.dir, fmt.Sprintf("node%d", number))}
	n.log = n.dir + ".log"
	if n.port, err = w.ports.take(); err != nil {
		return nil, err
	}
	if knows(w.ctx, w.binary, "--metrics-addr") {
		if n.metrics, err = w.ports.take(); err != nil {
			return nil, err
		}
	}
	if n.people, err = w.network.link(fmt.Sprintf("people and node %d", number), n.port); err != nil {
		return nil, err
	}
	if n.database, err = w.network.link(fmt.Sprintf("node %d and the database", number), w.database.port); err != nil {
		return nil, err
	}
	if w.redis != nil {
		if n.fanout, err = w.network.link(fmt.Sprintf("node %d and Redis", number), w.redis.port); err != nil {
			return nil, err
		}
	}
	return n, os.MkdirAll(n.dir, 0o700)
}

// start starts the node and waits until it answers.
func (n *node) start(ctx context.Context) error {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + n.dir, "GORACE=halt_on_error=0",
		"PARLEY_ADDR=" + address(n.port), "PARLEY_DATA_DIR=" + n.dir, "PARLEY_LOG_FORMAT=json", "PARLEY_THROTTLE=off",
		"PARLEY_DATABASE_URL=" + n.w.database.dsn(n.database),
	}
	if n.metrics > 0 {
		env = append(env, "PARLEY_METRICS_ADDR="+address(n.metrics))
	}
	if n.fanout != nil {
		env = append(env, "PARLEY_REDIS_URL=redis://"+address(n.fanout.port))
	}
	proc, err := spawn(n.log, n.dir, env, n.binary)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.proc, n.wanted = proc, true
	n.mu.Unlock()
	go n.watch(proc)
	return n.back(ctx)
}

// watch starts a node again that ended by itself, as a service manager does. Only one that found no database may.
func (n *node) watch(proc *process) {
	<-proc.exited
	n.mu.Lock()
	current := n.proc == proc && n.wanted
	n.mu.Unlock()
	if !current || n.w.ctx.Err() != nil {
		return
	}
	broken := n.w.faults.since(time.Now().Add(-grace))
	n.w.checks.that(surprises, broken != "", "node %d ended by itself: %v; its log is %s", n.number, proc.err, n.log)
	time.Sleep(300 * time.Millisecond)
	_ = n.start(n.w.ctx) // the next watch sees it fail
}

// back waits until the node answers.
func (n *node) back(ctx context.Context) error {
	client := http.Client{Timeout: time.Second}
	return await(ctx, time.Minute, fmt.Sprintf("node %d to answer", n.number), func() bool {
		answer, err := client.Get("http://" + address(n.port) + "/healthz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

func (n *node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// unwatched gives the node's process, whose end is from now on meant.
func (n *node) unwatched() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted = false
	return n.proc
}

func (n *node) kill() { n.unwatched().end(syscall.SIGKILL, time.Minute) }

// stopWithin is Parley's own promise: requests and windows have 5 s, the database 4.
const stopWithin = 12 * time.Second

// stop tells the node to end in good order, and checks that it does.
func (n *node) stop() {
	proc, log, open := n.unwatched(), n.written(), n.w.windowsOf(n)
	inTime := proc.end(syscall.SIGTERM, stopWithin)
	n.w.checks.that(cleanStop, inTime && proc.err == nil, "node %d, told to stop, ended in time: %v, and with %v", n.number, inTime, proc.err)
	said := n.logSince(log)
	unclean := strings.Contains(said, "not everything had ended")
	n.w.checks.that(cleanStop, !unclean, "node %d had windows or requests left over when its time for stopping was over: %s", n.number, n.log)
	for _, win := range open {
		n.w.checks.that(cleanStop, win.toldOfRestart(), "node %d, told to stop, ended the window of %s with %d instead of %d", n.number, win.device, win.ending(), closeRestart)
	}
}

// written is how long the log is.
func (n *node) written() int64 {
	info, err := os.Stat(n.log)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (n *node) logSince(offset int64) string {
	text, err := os.ReadFile(n.log)
	if err != nil || int64(len(text)) < offset {
		return ""
	}
	return string(text[offset:])
}

// build makes Parley's program, with a planted bug if there is one.
func build(ctx context.Context, o options, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "parley")
	args := []string{"build", "-o", binary}
	if o.Race {
		args = append(args, "-race")
	}
	if bug := o.planted(); bug != "" {
		overlay, err := plantInto(o.Source, dir, bug)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/parley")...)
	cmd.Dir = o.Source
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Parley: %w\n%s", err, out)
	}
	return binary, nil
}

// knows says whether the program that was built has a command or a setting.
func knows(ctx context.Context, binary, word string) bool {
	out, err := exec.CommandContext(ctx, binary, "--help").CombinedOutput()
	return err == nil && strings.Contains(string(out), word)
}
