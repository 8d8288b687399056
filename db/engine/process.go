package engine

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

const (
	sigStop     = syscall.SIGSTOP
	sigContinue = syscall.SIGCONT
)

// process is one run of a server program, with the scripts that it starts, in a process group of its own.
type process struct {
	cmd    *exec.Cmd
	life   *os.File      // its closing, by us or by the kernel when we die, ends the group
	exited chan struct{} // closed when the program has ended
}

// bound runs a program, and kills the whole group when its input ends: this way no server outlives a killed test. A
// shell is what every system has for it.
const bound = `exec 3<&0; (cat <&3 >/dev/null 2>&1; kill -KILL 0) & exec "$@" 3<&- </dev/null`

func spawn(cmd *exec.Cmd) (*process, error) {
	read, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	sh := exec.Command("sh", append([]string{"-c", bound, "sh", cmd.Path}, cmd.Args[1:]...)...)
	sh.Dir, sh.Env, sh.Stdin, sh.Stdout, sh.Stderr = cmd.Dir, cmd.Env, read, cmd.Stdout, cmd.Stderr
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := sh.Start(); err != nil {
		life.Close()
		return nil, err
	}
	p := &process{cmd: sh, life: life, exited: make(chan struct{})}
	go func() {
		sh.Wait()
		life.Close()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) signal(s syscall.Signal) error { return syscall.Kill(p.cmd.Process.Pid, s) }

func (p *process) kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

func (p *process) stop(ctx context.Context) {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-ctx.Done():
		p.kill()
	}
}
