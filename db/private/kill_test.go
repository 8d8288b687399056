package private_test

import (
	"database/sql"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/db/private"
)

// writer writes rows 1, 2, 3 ... one after another, each as soon as the last is committed.
type writer struct {
	committed atomic.Int64
	stop      chan struct{}
	stopped   chan struct{}
}

func write(t *testing.T, pool *sql.DB) *writer {
	t.Helper()
	mustExec(t, pool, "CREATE TABLE numbers (n BIGINT PRIMARY KEY)")
	w := &writer{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		for n := int64(1); ; n++ {
			select {
			case <-w.stop:
				return
			default:
			}
			if _, err := pool.Exec("INSERT INTO numbers (n) VALUES (?)", n); err != nil {
				return
			}
			w.committed.Store(n)
		}
	}()
	eventually(t, "the first rows", func() bool { return w.committed.Load() > 20 })
	return w
}

// check wants every row that was said to be committed.
func (w *writer) check(t *testing.T, pool *sql.DB) {
	t.Helper()
	close(w.stop)
	<-w.stopped
	var count, highest, want = int64(0), int64(0), w.committed.Load()
	eventually(t, "the database", func() bool {
		return pool.QueryRow("SELECT COUNT(*), COALESCE(MAX(n), 0) FROM numbers").Scan(&count, &highest) == nil
	})
	// One row more may have been committed without the writer hearing of it.
	if count != highest || highest < want || highest > want+1 {
		t.Errorf("%d rows up to %d are left of %d that were committed", count, highest, want)
	}
}

func TestKilledDatabaseComesBack(t *testing.T) {
	s := start(t, dataDir(t))
	pool := open(t, s.DSN())
	w := write(t, pool)
	for range 2 {
		pid, exited := s.PID(), s.Exited()
		syscall.Kill(pid, syscall.SIGKILL)
		<-exited
		eventually(t, "the next process", func() bool { return s.PID() != pid && pool.Ping() == nil })
	}
	w.check(t, pool)
	if err := s.Stop(within(t)); err != nil {
		t.Error(err)
	}
}

// Stop has to win whatever the watching is at.
func TestStopWhileTheDatabaseComesBack(t *testing.T) {
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond} {
		dir := dataDir(t)
		s := start(t, dir)
		exited := s.Exited()
		syscall.Kill(s.PID(), syscall.SIGKILL)
		<-exited
		time.Sleep(after) // spreads the stops over the restart; the test passes with any value
		if err := s.Stop(within(t)); err != nil {
			t.Error(err)
		}
		if alive(s.PID()) {
			t.Error("the database runs after Stop")
		}
		start(t, dir)
	}
}

func TestKilledParley(t *testing.T) {
	dir := dataDir(t)
	p := startParley(t, dir)
	w := write(t, open(t, p.dsn))
	p.kill()
	s := start(t, dir)
	if alive(p.database) {
		t.Error("the killed Parley's database still runs")
	}
	w.check(t, open(t, s.DSN()))
}

func TestKilledParleyAndDatabase(t *testing.T) {
	for _, databaseFirst := range []bool{true, false} {
		dir := dataDir(t)
		p := startParley(t, dir)
		w := write(t, open(t, p.dsn))
		if databaseFirst {
			syscall.Kill(p.database, syscall.SIGKILL)
		}
		p.kill()
		syscall.Kill(p.database, syscall.SIGKILL)
		w.check(t, open(t, start(t, dir).DSN()))
	}
}

// A database that outlives its Parley must not meet the next one's on the same files. This one is deaf to SIGTERM.
func TestDatabaseLeftBehindIsEnded(t *testing.T) {
	private.SetFormerPatience(t, 100*time.Millisecond)
	dir := dataDir(t)
	former := startHolder(t, dir)
	former.expect(t, "holding <nil>\n")
	start(t, dir)
	if state, err := former.cmd.Process.Wait(); err != nil || state.Success() {
		t.Errorf("the former database ended with %v (%v)", state, err)
	}
}

// lines is a log to be read line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// Whatever the next process of the database waits for, Stop doesn't.
func TestStopDoesNotWaitForARestart(t *testing.T) {
	dir := dataDir(t)
	logged := make(lines, 10)
	s, err := private.Start(within(t), dir, slog.New(slog.NewTextHandler(logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	holder := startHolder(t, dir)
	syscall.Kill(s.PID(), syscall.SIGKILL)
	holder.expect(t, "holding <nil>\n")
	for !strings.Contains(<-logged, "waits for its end") {
	}
	begin := time.Now()
	if err := s.Stop(within(t)); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestDatabaseEndsWithItsParley(t *testing.T) {
	p := startParley(t, dataDir(t))
	p.kill()
	eventually(t, "the end of the killed Parley's database", func() bool { return !alive(p.database) })
}

func TestKilledWhileMakingTheDatabase(t *testing.T) {
	dir := emptyDir(t)
	for _, pattern := range []string{"data.init-*", "data.init-*/ibdata1", "data.init-*/mysql/user.frm"} {
		p := launch(t, play, dir)
		eventually(t, pattern, func() bool {
			found, _ := filepath.Glob(filepath.Join(dir, "database", pattern))
			done, _ := filepath.Glob(filepath.Join(dir, "database", "data"))
			return len(found)+len(done) > 0
		})
		p.kill()
	}
	s := start(t, dir)
	mustExec(t, open(t, s.DSN()), "CREATE TABLE works (id INT PRIMARY KEY)")
	s.Stop(within(t))
	s = start(t, dir)
	mustExec(t, open(t, s.DSN()), "SELECT * FROM works")
	if left, _ := filepath.Glob(filepath.Join(dir, "database", "data.init-*")); len(left) > 0 {
		t.Errorf("half-made files are left: %v", left)
	}
}
