package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a program that a run started. It ends with the run, however that ends.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed after err is set
	err    error
}

// spawn starts a program in a process group of its own, with its output at the end of a file.
func spawn(log, dir string, env []string, name string, args ...string) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, file, file
	if err := startBound(cmd); err != nil {
		return nil, fmt.Errorf("%s can't be started: %w", name, err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// signal sends a signal to the whole group. A process that is gone is no error.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.pid(), s) }

// end sends a signal and says whether the process ended in time. It is killed when it didn't.
func (p *process) end(s syscall.Signal, within time.Duration) bool {
	p.signal(s)
	select {
	case <-p.exited:
		return true
	case <-time.After(within):
	}
	p.signal(syscall.SIGKILL)
	p.signal(syscall.SIGCONT)
	<-p.exited
	return false
}

// pollEvery is the pause between two looks at something that gives no sign by itself.
const pollEvery = 20 * time.Millisecond

// await looks until something holds, or the time is up.
func await(ctx context.Context, within time.Duration, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, within, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
	return nil
}

// Servers that come back get the address that they had, so their ports are below those that the system hands out.
const lowestPort, highestPort = 20_000, 32_000

// ports hands out free ports, each once.
type ports struct{ next int }

func newPorts(seed uint64) *ports {
	return &ports{next: lowestPort + int(seed*97)%(highestPort-lowestPort)}
}

func (p *ports) take() (int, error) {
	for range highestPort - lowestPort {
		port := p.next
		if p.next++; p.next > highestPort {
			p.next = lowestPort
		}
		if l, err := net.Listen("tcp", address(port)); err == nil {
			l.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port between %d and %d is free", lowestPort, highestPort)
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
