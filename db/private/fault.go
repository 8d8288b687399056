package private

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// longestLog is the size in bytes at which the database's log is put aside at the next start.
	longestLog = 4 << 20
	// longestTail is how much of what the database wrote in one start is read to explain its failure.
	longestTail = 256 << 10

	// cramped is how many free bytes explain a failure; with fewer than hopeless free for fullPatience, the
	// database is not waited for any longer.
	cramped      = 1 << 20
	hopeless     = 64 << 10
	fullPatience = 2 * time.Second
)

// logFile is the database's log, to which a process appends. size is its length before that process.
type logFile struct {
	*os.File
	size int64
}

func (h home) openLog() (logFile, error) {
	if info, err := os.Stat(h.log()); err == nil && info.Size() > longestLog {
		os.Rename(h.log(), h.log()+".old")
	}
	f, err := os.OpenFile(h.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return logFile{}, explain(h, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return logFile{}, explain(h, err)
	}
	return logFile{f, info.Size()}, nil
}

// explain turns an error of the operating system about the data directory into a sentence for the operator.
func explain(h home, err error) error {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, cause) {
			return sentence(h, cause)
		}
	}
	return fmt.Errorf("the data directory %s can't be used: %w", h.dir, err)
}

func sentence(h home, cause error) error {
	switch cause {
	case syscall.ENOSPC, syscall.EDQUOT:
		return fmt.Errorf("the disk that holds the data directory %s is full: free some space on it and start Parley again (%w)", h.dir, cause)
	case syscall.EROFS:
		return fmt.Errorf("the data directory %s can't be written, because its disk is mounted read-only: mount it writable, or give Parley another directory with PARLEY_DATA_DIR (%w)", h.dir, cause)
	}
	return fmt.Errorf("the data directory %s can't be written by user %d, as whom Parley runs: make that user its owner (chown -R), or give Parley another directory with PARLEY_DATA_DIR (%w)", h.dir, os.Geteuid(), cause)
}

// phrases are how the database says in its log what an operator can mend.
var phrases = []struct {
	texts []string
	cause error
}{
	{[]string{"no space left on device", "errcode: 28", "error 28", "error number 28", "out of disk space", "disk is full", "disk quota exceeded"}, syscall.ENOSPC},
	{[]string{"read-only file system", "errcode: 30", "error 30", "error number 30"}, syscall.EROFS},
	{[]string{"permission denied", "errcode: 13", "error 13", "error number 13"}, syscall.EACCES},
	{[]string{"unsupported redo log", "newer version", "invalid mysql server downgrade", "downgrade"}, errNewer},
	{[]string{"cannot allocate memory", "out of memory"}, syscall.ENOMEM},
}

var errNewer = errors.New("made by a newer version")

// failure explains by the log, from the byte offset from on, why the database or its installer failed.
func (h home) failure(what string, from int64, err error) error {
	said := complaints(h.readLog(from))
	if cause := recognise(said); cause != nil {
		return h.known(what, cause)
	}
	if h.full(cramped) {
		return h.known(what, syscall.ENOSPC)
	}
	line := lastError(said)
	if line == "" {
		return fmt.Errorf("%s: %w; its log is %s", what, err, h.log())
	}
	return fmt.Errorf("%s: %w; its log %s says: %s", what, err, h.log(), line)
}

// complaints leaves out the lines that the database itself calls harmless: it warns, say, of too little memory for a
// faster kind of input and output, and then does without.
func complaints(log string) (lines []string) {
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "[Note]") && !strings.Contains(line, "[Warning]") && !strings.Contains(line, "[System]") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// recognise finds a cause that an operator can mend, or nil.
func recognise(lines []string) error {
	lower := strings.ToLower(strings.Join(lines, "\n"))
	for _, p := range phrases {
		for _, text := range p.texts {
			if strings.Contains(lower, text) {
				return p.cause
			}
		}
	}
	return nil
}

// full is for a disk so full that the database could not even write why it failed.
func (h home) full(free uint64) bool {
	var s syscall.Statfs_t
	err := syscall.Statfs(h.path(""), &s)
	return err == nil && uint64(s.Bavail)*uint64(s.Bsize) < free
}

// whileRoom gives a context that ends when the disk stays full: MariaDB, rather than fail, may then wait for ever
// for somebody to free some space.
func (h home) whileRoom(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		look := time.NewTicker(fullPatience / 4)
		defer look.Stop()
		for times := 0; times < 4; times++ {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
			if !h.full(hopeless) {
				times = -1
			}
		}
		cancel(sentence(h, syscall.ENOSPC))
	}()
	return ctx, func() { cancel(nil) }
}

func (h home) known(what string, cause error) error {
	switch cause {
	case errNewer:
		return fmt.Errorf("%s: the files in the data directory %s were %w of the database server than the one that is installed; install that version again (the log is %s)", what, h.dir, cause, h.log())
	case syscall.ENOMEM:
		return fmt.Errorf("%s: this machine has too little free memory for it (%w); the log is %s", what, cause, h.log())
	}
	return fmt.Errorf("%s: %w; the log is %s", what, sentence(h, cause), h.log())
}

func (h home) readLog(from int64) string {
	f, err := os.Open(h.log())
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		from = max(from, info.Size()-longestTail)
	}
	text, _ := io.ReadAll(io.NewSectionReader(f, from, longestTail))
	return string(text)
}

// empty are error lines that only say that there was an error.
var empty = []string{"Aborting", "Unknown/unsupported storage engine", "registration as a STORAGE ENGINE failed", "init function returned error", "Failed to initialize plugins", "aborted with error"}

// lastError finds the last line that says what went wrong, or "".
func lastError(lines []string) (last string) {
	for _, line := range lines {
		vain := slices.ContainsFunc(empty, func(text string) bool { return strings.Contains(line, text) })
		if !vain && strings.Contains(line, "ERROR") {
			last = line
		}
	}
	return last
}
