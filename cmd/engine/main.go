// Command engine runs another command on a database engine that it starts and stops:
//
//	engine mariadb|galera|tidb COMMAND ...
//
// The command, go test say, finds the engine's DSNs, separated by spaces, in PARLEY_TEST_DATABASE_URL. The exit code is
// the command's. For mariadb nothing is started: the tests run a private one by themselves.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"parley/db/engine"
)

const (
	startWithin = 2 * time.Minute
	stopWithin  = 10 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		os.Exit(max(ended.ExitCode(), 1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) < 2 {
		return errors.New("say which engine, and the command to run on it: engine mariadb|galera|tidb COMMAND")
	}
	dir, err := os.MkdirTemp("", "engine") // short, for the sake of the sockets' paths
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	dsns, leave, err := start(ctx, args[0], dir)
	if err != nil {
		return err
	}
	defer leave()
	cmd := exec.CommandContext(ctx, args[1], args[2:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "PARLEY_TEST_DATABASE_URL="+dsns)
	return cmd.Run()
}

// idsFromOne has IDs begin at 1 and leave no room for other nodes, as many tests count on it. A test's database is written
// on one node alone; TestGalera, which writes on several, brings a cluster of its own and leaves its IDs as they are.
const idsFromOne = "--wsrep-auto-increment-control=OFF"

// start gives the engine's DSNs and what stops it.
func start(ctx context.Context, name, dir string) (dsns string, leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	switch name {
	case "mariadb":
		return "", func() {}, nil
	case "galera":
		g, err := engine.StartGalera(ctx, dir, 3, idsFromOne)
		if err != nil {
			return "", nil, err
		}
		return g.DSNs(), func() { within(g.Stop) }, nil
	case "tidb":
		n, err := engine.StartTiDB(ctx, dir)
		if err != nil {
			return "", nil, err
		}
		return n.DSN(), func() { within(n.Stop) }, nil
	}
	return "", nil, fmt.Errorf("there is no engine called %s: mariadb, galera or tidb", name)
}

func within(stop func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	stop(ctx)
}
