package private

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// lockPatience is how long Start waits for another Parley to go: one that was just killed, or a short command.
	lockPatience = 2 * time.Second
	// tick is how often poll looks; the database's start and end are measured in tens of milliseconds.
	tick = 2 * time.Millisecond
)

var errLocked = errors.New("locked by another process")

// claim makes the home below dir and takes its lock, which the kernel gives back however this process ends.
func claim(ctx context.Context, dir string) (home, *os.File, error) {
	h, err := homeIn(dir)
	if err != nil {
		return home{}, nil, err
	}
	if err := h.make(); err != nil {
		return home{}, nil, err
	}
	lock, err := waitLock(ctx, h)
	if err != nil {
		return home{}, nil, err
	}
	return h, lock, nil
}

func waitLock(ctx context.Context, h home) (lock *os.File, err error) {
	patience, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	err = poll(patience, func() (bool, error) {
		f, err := openLock(h.lock())
		if errors.Is(err, errLocked) {
			return false, nil
		}
		lock = f
		return err == nil, err
	})
	switch {
	case err == nil:
		return lock, nil
	case patience.Err() != nil:
		return nil, &RunningError{Dir: h.dir, PID: lockOwner(h.lock())}
	}
	return nil, explain(h, err)
}

// openLock takes the lock and writes this process's ID into its file, for the other's error message.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err = flock(f); err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// tryLock takes the lock of a file that exists, and changes nothing.
func tryLock(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// flock is not inherited by the database: Go opens every file close-on-exec.
func flock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

func lockOwner(path string) int {
	text, _ := os.ReadFile(path)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// holder tells which process holds a record lock on a file, as InnoDB does on ibdata1 for its whole life. Unlike a
// process ID in a file this can't be a stranger. The pid is 0 when that process is in another container.
func holder(path string) (held bool, pid int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	defer f.Close()
	l := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &l); err != nil {
		return false, 0, err
	}
	return l.Type != syscall.F_UNLCK, max(int(l.Pid), 0), nil
}

// poll calls done until it says so, it fails, or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
