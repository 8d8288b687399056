package private

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

const (
	// schema is the database's name within the server.
	schema = "parley"
	// longestSocket is how many bytes every system takes as the path of a unix socket: macOS 103, Linux 107.
	longestSocket = 103
)

// home knows where everything of one private database lies.
type home struct {
	dir    string // Parley's data directory, absolute
	socket string // the unix socket's path
}

func homeIn(dir string) (home, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return home{}, fmt.Errorf("the data directory %s can't be found: %w", dir, err)
	}
	return home{dir: abs}, nil
}

func (h home) path(name string) string { return filepath.Join(h.dir, "database", name) }

func (h home) data() string       { return h.path("data") }
func (h home) lock() string       { return h.path("lock") }
func (h home) log() string        { return h.path("database.log") }
func (h home) tmp() string        { return h.path("tmp") }
func (h home) pidFile() string    { return h.path("database.pid") }
func (h home) running() string    { return h.path("running") }
func (h home) socketNote() string { return h.path("socket") }

// make makes the directory that holds all of it, for its owner only: who can reach the socket is the database's root.
func (h home) make() error {
	if err := os.MkdirAll(h.path(""), 0o700); err != nil {
		return explain(h, err)
	}
	if err := os.Chmod(h.path(""), 0o700); err != nil {
		return explain(h, err)
	}
	return nil
}

// prepare readies what every start needs besides the database's own files.
func (h *home) prepare() error {
	if err := h.chooseSocket(); err != nil {
		return explain(*h, err)
	}
	if err := os.Chmod(h.data(), 0o700); err != nil {
		return explain(*h, err)
	}
	os.RemoveAll(h.tmp())
	if err := os.Mkdir(h.tmp(), 0o700); err != nil {
		return explain(*h, err)
	}
	return nil
}

// chooseSocket keeps the socket beside the data when that path works as one, and otherwise in a short private
// directory. The choice is noted in a file, for Attach and for the next start.
func (h *home) chooseSocket() error {
	beside := h.path("s.sock")
	noted := h.recallSocket() == nil
	if fitsSocket(beside) {
		if noted && h.socket == beside {
			return nil
		}
		h.socket = beside
		return h.noteSocket()
	}
	if noted && privateDir(filepath.Dir(h.socket)) {
		return nil
	}
	short, err := os.MkdirTemp(shortTemp(), "parley-")
	if err != nil {
		return err
	}
	h.socket = filepath.Join(short, "s.sock")
	return h.noteSocket()
}

// shortTemp avoids a TMPDIR that is itself too long.
func shortTemp() string {
	if dir := os.TempDir(); fitsSocket(filepath.Join(dir, "parley-1234567890", "s.sock")) {
		return dir
	}
	return "/tmp"
}

// fitsSocket also asks whether the path survives in a DSN: one with an @ does not.
func fitsSocket(path string) bool {
	if len(path) > longestSocket {
		return false
	}
	cfg, err := mysql.ParseDSN(home{socket: path}.dsn())
	return err == nil && cfg.Addr == path && cfg.DBName == schema
}

// privateDir refuses what somebody else may have put at that place in a shared temporary directory.
func privateDir(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

func (h home) noteSocket() error {
	return os.WriteFile(h.socketNote(), []byte(h.socket), 0o600)
}

func (h *home) recallSocket() error {
	note, err := os.ReadFile(h.socketNote())
	if err == nil && len(note) == 0 {
		err = os.ErrNotExist
	}
	h.socket = string(note)
	return err
}

// removeSocket removes what a killed database left at the socket's place. MySQL would take the process ID in its
// lock file for a living database when some other program has that ID by now.
func (h home) removeSocket() {
	os.Remove(h.socket)
	os.Remove(h.socket + ".lock")
	os.Remove(h.pidFile())
}

// tidy removes what only a running database needs.
func (h home) tidy() {
	h.removeSocket()
	os.RemoveAll(h.tmp())
	if dir := filepath.Dir(h.socket); dir != h.path("") {
		os.Remove(dir)
		os.Remove(h.socketNote())
	}
}

func (h home) dsn() string { return h.config(schema).FormatDSN() }

// config is for root without a password: the directory's permissions guard the socket.
func (h home) config(name string) *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = "root", "unix", h.socket, name
	cfg.ParseTime = true
	cfg.Collation = "utf8mb4_bin"
	cfg.Params = map[string]string{"time_zone": "'+00:00'"}
	return cfg
}
