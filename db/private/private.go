// Package private runs a MariaDB or MySQL server that belongs to one Parley alone: in Parley's data directory,
// behind a unix socket, without a network, and with Parley's own life span.
package private

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// firstPause and longestPause bound the wait before a dead database is started again.
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
	// steady is how long a database must live for its next death to count as the first.
	steady = time.Minute
)

// Options changes how the database runs. The zero value is right for Parley itself.
type Options struct {
	// Args follow Parley's own arguments to the server program, so they win.
	Args []string
}

// Server is a running private database. It is started again by itself whenever it dies before Stop.
type Server struct {
	home   home
	prog   program
	opts   Options
	logger *slog.Logger
	lock   *os.File

	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing watches the database any more

	mu   sync.Mutex
	proc *process
}

// Start starts the database that lives below dir, Parley's data directory, and returns once it takes statements.
// Whatever is missing it makes: the directory, the database's files, the database "parley". Each error is a
// sentence for the operator; a *RunningError says that another Parley uses the directory. When ctx ends before the
// database is ready, Start gives up; later the end of ctx means nothing.
func Start(ctx context.Context, dir string, logger *slog.Logger) (*Server, error) {
	return StartOptions(ctx, dir, logger, Options{})
}

// StartOptions is Start with options. A nil logger is silent.
func StartOptions(ctx context.Context, dir string, logger *slog.Logger, opts Options) (*Server, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	h, lock, err := claim(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &Server{home: h, opts: opts, logger: logger, lock: lock, done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.begin(ctx); err != nil {
		s.cancel()
		lock.Close()
		return nil, err
	}
	go s.watch()
	return s, nil
}

// begin is the part of Start that happens under the directory's lock.
func (s *Server) begin(ctx context.Context) (err error) {
	if s.prog, err = find(ctx, s.home); err != nil {
		return err
	}
	if err := initialise(ctx, s.home, s.prog, s.opts, s.logger); err != nil {
		return err
	}
	if err := s.home.prepare(); err != nil {
		return err
	}
	s.proc, err = s.launch(ctx)
	return err
}

// DSN is a go-sql-driver DSN for the database "parley", to be opened with db.Open. It stays the same when the
// database is started again.
func (s *Server) DSN() string { return s.home.dsn() }

// PID is the process ID of the database's present process.
func (s *Server) PID() int { return s.current().cmd.Process.Pid }

// Exited gives a channel that is closed when the present process of the database ends, by itself or by Stop. The
// Server starts another one by itself; call Exited again to watch that.
func (s *Server) Exited() <-chan struct{} { return s.current().exited }

func (s *Server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

// Stop shuts the database down and gives its directory free. When ctx ends first, the database is killed, which
// loses nothing that was committed, and Stop says so in its error. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.cancel()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return nil
	}
	err := s.proc.stop(ctx)
	s.home.tidy()
	s.lock.Close()
	s.lock = nil
	return err
}

// watch starts the database again whenever it ends before Stop.
func (s *Server) watch() {
	defer close(s.done)
	pause := firstPause
	for {
		p, since := s.current(), time.Now()
		select {
		case <-s.ctx.Done():
			return
		case <-p.exited:
		}
		if s.ctx.Err() != nil {
			return
		}
		if time.Since(since) > steady {
			pause = firstPause
		}
		s.logger.Error("The private database ended by itself; Parley starts it again.", "cause", p.cause(), "log", s.home.log())
		if pause = s.revive(pause); pause == 0 {
			return
		}
	}
}

// revive tries until the database runs again, and gives the pause for next time; 0 when Stop came first.
func (s *Server) revive(pause time.Duration) time.Duration {
	for {
		select {
		case <-s.ctx.Done():
			return 0
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
		p, err := s.launch(s.ctx)
		if err == nil {
			s.mu.Lock()
			s.proc = p
			s.mu.Unlock()
			s.logger.Info("The private database runs again.", "pid", p.cmd.Process.Pid)
			return pause
		}
		if s.ctx.Err() == nil {
			s.logger.Error("The private database could not be started again; Parley keeps trying.", "error", err, "pause", pause)
		}
	}
}

// ErrNotRunning is what Attach answers when no Parley runs a database in the directory.
var ErrNotRunning = errors.New("no Parley is running on this data directory")

// RunningError says that another Parley runs on the data directory.
type RunningError struct {
	Dir string // the data directory
	PID int    // the other Parley's process ID; 0 if unknown
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("another Parley is already running on the data directory %s (process %d): stop that one first, or give this one a directory of its own with PARLEY_DATA_DIR", e.Dir, e.PID)
}

// Attach gives the DSN of the database that another Parley runs below dir, once it takes statements, or
// ErrNotRunning. That Parley may stop it at any time.
func Attach(ctx context.Context, dir string) (dsn string, err error) {
	h, err := homeIn(dir)
	if err != nil {
		return "", err
	}
	lock, err := tryLock(h.lock())
	if err == nil {
		lock.Close()
		return "", ErrNotRunning
	}
	if !errors.Is(err, errLocked) {
		if errors.Is(err, os.ErrNotExist) {
			return "", ErrNotRunning
		}
		return "", explain(h, err)
	}
	return attach(ctx, h)
}

// attach waits, since the other Parley may be starting its database just now.
func attach(ctx context.Context, h home) (string, error) {
	err := poll(ctx, func() (bool, error) {
		return h.recallSocket() == nil && ready(ctx, h) == nil, nil
	})
	if err != nil {
		return "", fmt.Errorf("the database of the Parley that runs on the data directory %s does not answer: %w", h.dir, err)
	}
	return h.dsn(), nil
}
