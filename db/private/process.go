package private

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// formerPatience is how long a database that a dead Parley left behind may take to shut down before it is killed.
var formerPatience = 10 * time.Second

// process is one run of a program.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed after err is set
	err    error
}

// spawn starts cmd in a process group of its own, so that a Ctrl-C in the terminal reaches Parley alone, which then
// stops the database in good order.
func spawn(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := startBound(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// wait waits for the end of a program that ends by itself, and kills it when ctx ends first.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		p.kill()
		return context.Cause(ctx)
	}
}

// kill ends the whole group: an installer is a script with children.
func (p *process) kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

func (p *process) stop(ctx context.Context) error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("the private database did not shut down in time and was killed; it repairs itself at the next start: %w", context.Cause(ctx))
	}
}

// cause tells how an ended process ended.
func (p *process) cause() string {
	if p.err == nil {
		return "it shut down"
	}
	return p.err.Error()
}

// environment keeps Parley's settings, which may hold passwords, and what a service manager tells Parley alone
// (NOTIFY_SOCKET) away from the database.
func environment() (env []string) {
	for _, name := range []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// launch starts the database's process and waits until it takes statements.
func (s *Server) launch(ctx context.Context) (*process, error) {
	alone, err := endFormer(ctx, s.home, s.logger)
	if err != nil {
		return nil, err
	}
	defer alone.Close()
	s.home.removeSocket()
	log, err := s.home.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p, err := spawn(s.command(log.File, alone))
	if err != nil {
		return nil, explain(s.home, err)
	}
	if err := s.awaitReady(ctx, p); err != nil {
		p.kill()
		return nil, s.home.failure("the private database did not start", log.size, err)
	}
	return p, nil
}

// command hands the lock alone down to the database, for which it is just one more open file: so the lock lasts
// exactly as long as that process.
func (s *Server) command(log, alone *os.File) *exec.Cmd {
	return &exec.Cmd{
		Path:       s.prog.path,
		Args:       append([]string{s.prog.path}, s.prog.serverArgs(s.home, s.opts)...),
		Dir:        s.home.data(),
		Env:        environment(),
		Stdout:     log,
		Stderr:     log,
		ExtraFiles: []*os.File{alone},
	}
}

// awaitReady polls, as there is no other sign that MariaDB and MySQL both give.
func (s *Server) awaitReady(ctx context.Context, p *process) error {
	ctx, done := s.home.whileRoom(ctx)
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.exited:
			cancel(fmt.Errorf("its process ended (%s)", p.cause()))
		case <-ctx.Done():
		}
	}()
	return poll(ctx, func() (bool, error) {
		err := ready(ctx, s.home)
		var said *mysql.MySQLError
		if errors.As(err, &said) {
			return false, err
		}
		return err == nil, nil
	})
}

// ready makes the database within the server, unless it is there, which also proves that the server can write.
func ready(ctx context.Context, h home) error {
	if _, err := os.Stat(h.socket); err != nil {
		return err
	}
	cfg := h.config("")
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	pool := sql.OpenDB(connector)
	defer pool.Close()
	_, err = pool.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+schema+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	return err
}

// endFormer ends a database that an earlier Parley, killed before it could stop it, left behind on the same files.
// It gives the lock that says that no database's process is left. Only who holds the directory's lock may call it.
func endFormer(ctx context.Context, h home, logger *slog.Logger) (alone *os.File, err error) {
	alone, pid, err := h.tryAlone()
	if !errors.Is(err, errLocked) {
		return alone, err
	}
	logger.Warn("The database of an earlier Parley is still running; Parley waits for its end.", "pid", pid)
	patience, cancel := context.WithTimeout(ctx, formerPatience)
	defer cancel()
	alone, err = h.takeOver(patience, syscall.SIGTERM)
	if err != nil && patience.Err() != nil {
		alone, err = h.takeOver(ctx, syscall.SIGKILL)
	}
	if err != nil {
		return nil, fmt.Errorf("the database of an earlier Parley (process %d) still uses the data directory %s and could not be ended: end it and start Parley again (%w)", pid, h.dir, err)
	}
	return alone, nil
}

// takeOver sends sig to whoever holds the database's files until nobody does.
func (h home) takeOver(ctx context.Context, sig syscall.Signal) (alone *os.File, err error) {
	signalled := 0
	err = poll(ctx, func() (bool, error) {
		file, pid, err := h.tryAlone()
		if !errors.Is(err, errLocked) {
			alone = file
			return err == nil, err
		}
		if pid > 1 && pid != signalled {
			signalled = pid
			syscall.Kill(pid, sig)
		}
		return false, nil
	})
	return alone, err
}

// tryAlone takes the lock that a database's process holds for its whole life (see command), or answers errLocked.
// InnoDB's own lock ends a little earlier, but it tells which process it is; pid is 0 where that can't be told.
func (h home) tryAlone() (alone *os.File, pid int, err error) {
	held, pid, err := holder(h.path("data/ibdata1"))
	if err == nil && held {
		return nil, pid, errLocked
	}
	if err == nil {
		alone, err = openLock(h.running())
	}
	if err != nil && !errors.Is(err, errLocked) {
		err = explain(h, err)
	}
	return alone, 0, err
}
