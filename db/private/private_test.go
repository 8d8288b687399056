package private_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/db"
	"parley/db/dbtest"
	"parley/db/private"
)

// play names, in the environment of this test binary, the data directory on which it is to be a Parley that a test
// can kill.
const play = "PARLEY_TEST_PLAY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(play); dir != "" {
		playParley(dir)
	}
	if file := os.Getenv(hold); file != "" {
		holdFile(file)
	}
	code := m.Run()
	if dir, _ := made(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// hold names, likewise, a file that this test binary is to lock as a database does, deaf to every request to stop.
const hold = "PARLEY_TEST_HOLD"

func holdFile(path string) {
	signal.Ignore(syscall.SIGTERM)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		fmt.Println("waiting")
		err = syscall.FcntlFlock(f.Fd(), syscall.F_SETLKW, &syscall.Flock_t{Type: syscall.F_WRLCK})
	}
	fmt.Println("holding", err)
	bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// playParley starts the database, says so, and stays until its standard input ends, as it does with its parent.
func playParley(dir string) {
	s, err := private.Start(context.Background(), dir, nil)
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	fmt.Println("running", s.PID(), s.DSN())
	bufio.NewReader(os.Stdin).ReadString('\n')
	s.Stop(context.Background())
	os.Exit(0)
}

const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// made is a data directory that holds a database, made once.
var made = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parley-private-")
	if err != nil {
		return "", err
	}
	return dir, private.Init(context.Background(), dir, private.Options{})
})

// dataDir is a data directory with a database that was never started.
func dataDir(t *testing.T) string {
	t.Helper()
	from, err := made()
	if errors.Is(err, private.ErrMissing) {
		dbtest.Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := emptyDir(t)
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// emptyDir is shorter than t.TempDir, whose path would be too long for a socket.
func emptyDir(t *testing.T) string {
	t.Helper()
	if _, err := private.Version(t.Context()); errors.Is(err, private.ErrMissing) {
		dbtest.Missing(t, err)
	}
	dir, err := os.MkdirTemp("", "parley-private-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		private.End(within(t), dir)
		os.RemoveAll(dir)
	})
	return dir
}

func start(t *testing.T, dir string) *private.Server {
	t.Helper()
	s, err := private.Start(within(t), dir, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(within(t)) })
	return s
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	pool, err := db.Open(within(t), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

func mustExec(t *testing.T, pool *sql.DB, statement string) {
	t.Helper()
	if _, err := pool.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// alive is false for a process that has ended but that nobody has asked for yet, as in a container without an init.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		return !strings.Contains(string(stat), ") Z ")
	}
	return runtime.GOOS != "linux" && syscall.Kill(pid, 0) == nil
}

func TestStartMakesEverythingAndStopLeavesTheData(t *testing.T) {
	dir := filepath.Join(emptyDir(t), "new")
	s := start(t, dir)
	pool := open(t, s.DSN())
	mustExec(t, pool, "CREATE TABLE kept (id INT PRIMARY KEY)")
	pool.Close()
	pid := s.PID()
	for range 2 {
		if err := s.Stop(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if alive(pid) {
		t.Error("the database still runs after Stop")
	}
	s = start(t, dir)
	mustExec(t, open(t, s.DSN()), "SELECT * FROM kept")
}

func TestTheDatabaseIsPrivate(t *testing.T) {
	t.Setenv("PARLEY_SECRET", "1")
	dir := dataDir(t)
	s := start(t, dir)
	for _, name := range []string{"database", "database/data"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s is open to others: %v %v", name, info.Mode(), err)
		}
	}
	if group, _ := syscall.Getpgid(s.PID()); group == syscall.Getpgrp() {
		t.Error("the database is in Parley's process group, so a Ctrl-C reaches it")
	}
	pool := open(t, s.DSN())
	for name, want := range map[string]string{"skip_networking": "1", "innodb_flush_log_at_trx_commit": "1", "innodb_doublewrite": "1", "log_bin": "0"} {
		var got string
		if err := pool.QueryRow("SELECT @@GLOBAL." + name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s (%v), not %s", name, got, err, want)
		}
	}
	checkInheritance(t, s.PID())
}

// checkInheritance looks at what the database got from Parley, where the system shows it.
func checkInheritance(t *testing.T, pid int) {
	if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil && strings.Contains(string(env), "PARLEY_SECRET") {
		t.Error("the database knows Parley's environment")
	}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		if target, _ := os.Readlink(file); filepath.Base(target) == "lock" {
			t.Error("the database has inherited Parley's lock")
		}
	}
}

func TestSecondParleyIsRefused(t *testing.T) {
	dir := dataDir(t)
	s := start(t, dir)
	_, err := private.Start(within(t), dir, nil)
	var running *private.RunningError
	if !errors.As(err, &running) || running.PID != os.Getpid() || running.Dir != dir {
		t.Fatalf("the error is %v", err)
	}
	if want := fmt.Sprintf("another Parley is already running on the data directory %s (process %d)", dir, os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v", err)
	}
	mustExec(t, open(t, s.DSN()), "SELECT 1")
	s.Stop(within(t))
	start(t, dir)
}

func TestAttach(t *testing.T) {
	dir := dataDir(t)
	for _, where := range []string{dir, filepath.Join(dir, "nowhere")} {
		if _, err := private.Attach(within(t), where); !errors.Is(err, private.ErrNotRunning) {
			t.Errorf("before the start the error is %v", err)
		}
	}
	s := start(t, dir)
	dsn, err := private.Attach(within(t), dir)
	if err != nil || dsn != s.DSN() {
		t.Fatalf("attached to %q, not to %q: %v", dsn, s.DSN(), err)
	}
	s.Stop(within(t))
	if _, err := private.Attach(within(t), dir); !errors.Is(err, private.ErrNotRunning) {
		t.Errorf("after the stop the error is %v", err)
	}
}

// A path may hold what a shell, a DSN or MariaDB's scripts trip over, or be too long for a socket.
func TestOddDirectories(t *testing.T) {
	for _, name := range []string{"with space", "at@sign", "comma,and=(more)?&#", "ünïcode", strings.Repeat("long/", 40)} {
		t.Run(name[:5], func(t *testing.T) {
			dir := filepath.Join(emptyDir(t), name)
			s := start(t, dir)
			mustExec(t, open(t, s.DSN()), "CREATE TABLE kept (id INT PRIMARY KEY)")
			if dsn, err := private.Attach(within(t), dir); err != nil || dsn != s.DSN() {
				t.Errorf("attached to %q: %v", dsn, err)
			}
			if err := s.Stop(within(t)); err != nil {
				t.Fatal(err)
			}
			s = start(t, dir)
			mustExec(t, open(t, s.DSN()), "SELECT * FROM kept")
		})
	}
}

func TestSocketDirectoriesDoNotPileUp(t *testing.T) {
	t.Setenv("TMPDIR", emptyDir(t))
	dir := filepath.Join(os.TempDir(), "at@sign")
	s := start(t, dir)
	s.Stop(within(t))
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "parley-*")); len(left) != 0 {
		t.Errorf("Stop has left %v", left)
	}
	for range 2 {
		p := startParley(t, dir)
		p.kill()
		syscall.Kill(p.database, syscall.SIGKILL)
		if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "parley-*")); len(left) != 1 {
			t.Errorf("killed Parleys have left %v", left)
		}
	}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	for name, dir := range map[string]string{"making": emptyDir(t), "starting": dataDir(t)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			begin := time.Now()
			if _, err := private.Start(ctx, dir, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the error is %v", err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			start(t, dir)
		})
	}
}

func TestMissingProgram(t *testing.T) {
	dir := dataDir(t)
	private.HidePrograms(t)
	_, err := private.Start(within(t), dir, nil)
	if !errors.Is(err, private.ErrMissing) {
		t.Fatalf("the error is %v", err)
	}
	for _, word := range []string{"apt-get install mariadb-server", "dnf install", "brew install", "PARLEY_DATABASE_URL"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not name %s: %v", word, err)
		}
	}
}

// other is this test binary in another role, to be killed.
type other struct {
	cmd      *exec.Cmd
	out      *bufio.Reader
	database int    // of a Parley, its database's process ID
	dsn      string // of a Parley
}

func launch(t *testing.T, role, value string) *other {
	t.Helper()
	o := &other{cmd: exec.Command(os.Args[0])}
	o.cmd.Env = append(os.Environ(), role+"="+value)
	if _, err := o.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o.cmd.Stdout, o.out = w, bufio.NewReader(r)
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { o.kill(); r.Close() })
	return o
}

func (o *other) kill() {
	o.cmd.Process.Kill()
	o.cmd.Wait()
}

// startParley gives another Parley, whose database runs.
func startParley(t *testing.T, dir string) *other {
	t.Helper()
	o := launch(t, play, dir)
	line, err := o.out.ReadString('\n')
	if _, scanned := fmt.Sscan(line, new(string), &o.database, &o.dsn); scanned != nil {
		t.Fatalf("the other Parley says %q (%v)", line, err)
	}
	return o
}

// startHolder gives a process that waits for the lock on the database's files, and holds it from then on.
func startHolder(t *testing.T, dir string) *other {
	t.Helper()
	o := launch(t, hold, filepath.Join(dir, "database", "data", "ibdata1"))
	o.expect(t, "waiting\n")
	return o
}

func (o *other) expect(t *testing.T, want string) {
	t.Helper()
	if line, err := o.out.ReadString('\n'); line != want {
		t.Fatalf("the other process says %q (%v), not %q", line, err, want)
	}
}
