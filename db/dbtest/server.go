package dbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"parley/db"
	"parley/db/private"
)

// options make the server fast and small: nothing that a test stores has to outlive the machine. A killed server
// still recovers, as what it wrote is in the kernel's hands.
var options = private.Options{Args: []string{
	"--innodb-flush-log-at-trx-commit=2",
	"--loose-debug-no-sync=ON",
	"--loose-innodb-log-file-size=16M",
	"--innodb-buffer-pool-size=64M",
	"--innodb-temp-data-file-path=ibtmp1:1M:autoextend",
	"--max-connections=1000",
}}

// server is where the test binary's databases are.
type server struct {
	private *private.Server // nil when the server is not ours
	nodes   []node
	made    atomic.Uint64 // databases so far
	run     *runDir
}

// node is one server of those that belong together; mostly there is just one.
type node struct {
	dsn   string
	admin *sql.DB
}

var (
	once    sync.Once
	started *server
	failed  error
)

// shared starts the test binary's server at the first call.
func shared(t testing.TB) *server {
	t.Helper()
	once.Do(func() { started, failed = start() })
	if errors.Is(failed, private.ErrMissing) {
		Missing(t, failed)
	}
	if failed != nil {
		t.Fatalf("starting the tests' database server: %v", failed)
	}
	return started
}

func start() (s *server, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s = &server{}
	dsns := strings.Fields(os.Getenv("PARLEY_TEST_DATABASE_URL"))
	if len(dsns) == 0 {
		if err := s.startPrivate(ctx); err != nil {
			return nil, err
		}
		dsns = []string{s.private.DSN()}
	}
	for _, dsn := range dsns {
		admin, err := db.Open(ctx, dsn)
		if err != nil {
			return nil, err
		}
		s.nodes = append(s.nodes, node{dsn, admin})
	}
	return s, nil
}

func (s *server) startPrivate(ctx context.Context) (err error) {
	if s.run, err = newRunDir(ctx); err != nil {
		return err
	}
	s.private, err = private.StartOptions(ctx, s.run.path, nil, options)
	return err
}

// next takes the nodes in turn, so that the tests together use all of them.
func (s *server) next() node { return s.nodes[s.made.Add(1)%uint64(len(s.nodes))] }

// stop stops what shared started.
func stop() error {
	once.Do(func() {}) // nobody starts it from now on
	if started == nil {
		return nil
	}
	for _, n := range started.nodes {
		n.admin.Close()
	}
	if started.private == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(started.private.Stop(ctx), started.run.remove())
}

// dsnOf is the node's DSN with another database.
func (n node) dsnOf(name string) string {
	cfg, err := mysql.ParseDSN(n.dsn)
	if err != nil {
		panic(err) // db.Open has parsed it
	}
	cfg.DBName = name
	return cfg.FormatDSN()
}

// runDir is the data directory of one test binary. Its lock lasts as long as the binary, so that a later one can
// tell a directory that is in use from one that was left behind.
type runDir struct {
	path string
	lock *os.File
}

// newRunDir copies the template, since making a database's files anew takes long. All test binaries of this user
// share a base directory, where whoever holds its lock makes the template and sweeps.
func newRunDir(ctx context.Context) (*runDir, error) {
	base, err := baseDir()
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(base, "lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	sweep(ctx, base)
	template, err := ensureTemplate(ctx, base)
	if err != nil {
		return nil, err
	}
	return copyTemplate(base, template)
}

// baseDir is short, for the sake of the socket's path, and nobody else's.
func baseDir() (string, error) {
	base := filepath.Join(os.TempDir(), fmt.Sprintf("parley-dbtest-%d", os.Geteuid()))
	if err := os.Mkdir(base, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(base)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s belongs to somebody else: remove it, or set TMPDIR", base)
	}
	return base, nil
}

// sweep removes what killed test binaries left behind. It first ends their database, which outlives them where the
// system can't bind it to them.
func sweep(ctx context.Context, base string) {
	left, _ := filepath.Glob(filepath.Join(base, "run-*"))
	for _, path := range left {
		lock, err := lockFile(filepath.Join(path, "run.lock"), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue
		}
		private.End(ctx, path)
		(&runDir{path, lock}).remove()
	}
}

// ensureTemplate makes, once for each version of the server program, a data directory to copy.
func ensureTemplate(ctx context.Context, base string) (string, error) {
	version, err := private.Version(ctx)
	if err != nil {
		return "", err
	}
	key := sha256.Sum256([]byte(version + strings.Join(options.Args, " ")))
	template := filepath.Join(base, fmt.Sprintf("template-%x", key[:6]))
	return template, private.Init(ctx, template, options)
}

func copyTemplate(base, template string) (*runDir, error) {
	path, err := os.MkdirTemp(base, "run-")
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(path, "run.lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(path, os.DirFS(template)); err != nil {
		lock.Close()
		return nil, err
	}
	return &runDir{path, lock}, nil
}

func (r *runDir) remove() error {
	defer r.lock.Close()
	return os.RemoveAll(r.path)
}

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
