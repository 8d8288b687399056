package private_test

import (
	"database/sql"
	"path/filepath"
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

// A database that outlives its Parley must not meet the next one's on the same files. Here it hangs, so it has to
// be killed.
func TestDatabaseLeftBehindIsEnded(t *testing.T) {
	private.SetFormerPatience(t, 200*time.Millisecond)
	dir := dataDir(t)
	p := startParley(t, dir)
	w := write(t, open(t, p.dsn))
	syscall.Kill(p.database, syscall.SIGSTOP)
	p.kill()
	w.check(t, open(t, start(t, dir).DSN()))
}

func TestDatabaseEndsWithItsParley(t *testing.T) {
	p := startParley(t, dataDir(t))
	p.kill()
	eventually(t, "the end of the killed Parley's database", func() bool { return !alive(p.database) })
}

func TestKilledWhileMakingTheDatabase(t *testing.T) {
	dir := emptyDir(t)
	for _, pattern := range []string{"data.init-*", "data.init-*/ibdata1", "data.init-*/mysql/user.frm"} {
		p, _ := launchParley(t, dir)
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
