package dbtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"parley/db"
)

func TestMain(m *testing.M) { Main(m) }

func TestNewIsMigratedAndApart(t *testing.T) {
	one, two := New(t), New(t)
	current, latest, dirty, err := db.Status(t.Context(), one)
	if err != nil || current != latest || dirty {
		t.Errorf("a new database is at version %d of %d, dirty %t: %v", current, latest, dirty, err)
	}
	if _, err := one.Exec("CREATE TABLE apart (id INT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Exec("SELECT * FROM apart"); err == nil {
		t.Error("two tests share a database")
	}
}

func TestNewIsDroppedAtTheEnd(t *testing.T) {
	var name string
	t.Run("inner", func(t *testing.T) {
		if err := New(t).QueryRow("SELECT DATABASE()").Scan(&name); err != nil {
			t.Fatal(err)
		}
	})
	var left int
	row := shared(t).nodes[0].admin.QueryRow("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", name)
	if err := row.Scan(&left); err != nil || left != 0 {
		t.Errorf("the database %s is still there: %v", name, err)
	}
}

// A run directory is nobody's as soon as the process that locked it has ended.
func TestSweepRemovesOnlyWhatIsNotInUse(t *testing.T) {
	base := t.TempDir()
	used, left := filepath.Join(base, "run-used"), filepath.Join(base, "run-left")
	for _, dir := range []string{used, left} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := lockFile(filepath.Join(used, "run.lock"), syscall.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	sweep(t.Context(), base)
	if _, err := os.Stat(used); err != nil {
		t.Errorf("a directory in use was removed: %v", err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("a directory that was left behind is still there")
	}
}

func BenchmarkNew(b *testing.B) {
	shared(b)
	for b.Loop() {
		New(b)
	}
}
