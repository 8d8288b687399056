package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parley/db/private"
)

// server is the Parley that is measured.
type server struct {
	place
	name     string // which one, where two are compared
	password string // of the demo people
	pid      int    // 0: not known
	database int    // the database's pid; 0: not known
	dsn      string // "": not known

	people []*person // those who have signed in
	long   *long     // nil: not made yet

	progress io.Writer // nil: silence

	own *ownServer // nil: somebody else started it
}

// ownServer is one that bench started by itself.
type ownServer struct {
	binary, dir string
	args        []string
	log         *os.File
	cmd         *exec.Cmd
	ended       chan struct{}
}

// say tells what takes long.
func (s *server) say(format string, args ...any) {
	if s.progress != nil {
		fmt.Fprintf(s.progress, format+"\n", args...)
	}
}

const demoPassword = "a demo to be measured"

// useServer takes the server at --url.
func useServer(o options) (*server, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" || u.Port() == "" {
		return nil, fmt.Errorf("--url is an address such as http://127.0.0.1:8080, not %q", o.URL)
	}
	at := place{address: u.Host, origin: "http://" + u.Host}
	return &server{place: at, name: "parley", password: o.Password, pid: o.PID, database: o.DatabasePID, dsn: o.DatabaseURL}, nil
}

// startServer starts binary with a private database below dir and makes the demo people.
func startServer(ctx context.Context, o options, name, binary, dir string) (_ *server, err error) {
	s := &server{name: name, password: demoPassword, own: &ownServer{binary: binary, dir: dir, args: o.ServerArg}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if s.address, err = freeAddress(); err != nil {
		return nil, err
	}
	s.origin = "http://" + s.address
	if s.own.log, err = os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, s.makeDemo(ctx, o)
}

// freeAddress finds a port below those that the system hands out to clients, so that none of our many connections takes
// it while the server restarts.
func freeAddress() (string, error) {
	for port := 20000 + os.Getpid()%10000; port < 32768; port++ {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("there is no free port from 20000 to 32767")
}

// start starts the program, or starts it again on the same address and directory, and returns when it is ready.
func (s *server) start(ctx context.Context) (err error) {
	cmd := s.own.command("--addr", s.address)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("parley can't be started: %w", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // the log says more
	s.own.cmd, s.own.ended, s.pid = cmd, ended, cmd.Process.Pid
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	if s.database, err = readPID(filepath.Join(s.own.dir, "database", "database.pid")); err != nil {
		return err
	}
	s.dsn, err = private.Attach(ctx, s.own.dir)
	return err
}

// command has nothing of this process's PARLEY_ variables, so that two runs are alike.
func (own *ownServer) command(args ...string) *exec.Cmd {
	cmd := exec.Command(own.binary, append(append(args, "--data-dir", own.dir), own.args...)...)
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "PARLEY_") {
			cmd.Env = append(cmd.Env, line)
		}
	}
	cmd.Env = append(cmd.Env, "PARLEY_THROTTLE=off") // a variable, which programs from before it don't mind
	cmd.Stdout, cmd.Stderr = own.log, own.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for bench, which stops it in order
	return cmd
}

// startWithin is how long a start may take, the making of a database included.
const startWithin = time.Minute

func (s *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		if answer, err := http.Get(s.origin + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.own.ended:
			return fmt.Errorf("parley ended: %s", s.logged())
		case <-ctx.Done():
			return fmt.Errorf("parley didn't get ready: %w: %s", ctx.Err(), s.logged())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// logged is the end of the server's log.
func (s *server) logged() string {
	text, _ := os.ReadFile(s.own.log.Name()) // what can't be read is not told
	return string(text[max(0, len(text)-2000):])
}

func readPID(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// makeDemo fills the database beside the running server.
func (s *server) makeDemo(ctx context.Context, o options) error {
	cmd := s.own.command("demo", "--users", strconv.Itoa(o.Users), "--messages", strconv.Itoa(o.Messages), "--password", s.password)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the demo people can't be made: %w: %s", err, out.String())
	}
	return nil
}

// stopWithin is a little more than the 10 s that parley allows itself.
const stopWithin = 12 * time.Second

// stop ends a server that bench started, and is nothing where it has ended or isn't ours.
func (s *server) stop() {
	if s.own == nil || s.own.cmd == nil {
		return
	}
	_ = s.own.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-s.own.ended:
	case <-time.After(stopWithin):
		_ = s.own.cmd.Process.Kill()
		<-s.own.ended
	}
	s.own.cmd = nil
}

// used is the CPU time that everything has taken so far.
func (s *server) used() (u usage, err error) {
	u.load = ownCPU()
	var errs [2]error
	u.parley, errs[0] = cpuOf(s.pid)
	u.database, errs[1] = cpuOf(s.database)
	if err := errors.Join(errs[:]...); err != nil {
		return u, fmt.Errorf("the CPU time of the server can't be read; it may have ended: %w", err)
	}
	return u, nil
}

// build makes the server's program from the source in this directory.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "parley")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "parley/cmd/parley").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("parley can't be built (run bench in its source, or give --binary): %w: %s", err, out)
	}
	return binary, nil
}
