package private

import (
	"testing"
	"time"
)

// SetFormerPatience shortens the time that a database left behind gets to shut down.
func SetFormerPatience(t *testing.T, d time.Duration) {
	before := formerPatience
	formerPatience = d
	t.Cleanup(func() { formerPatience = before })
}

// HidePrograms makes the machine look as if no database server were installed.
func HidePrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	before := moreDirs
	moreDirs = nil
	t.Cleanup(func() { moreDirs = before })
}

// Failure is how a start that failed with err is explained when the database's log says this.
func Failure(t *testing.T, dir, log string, err error) error {
	h, herr := homeIn(dir)
	if herr != nil {
		t.Fatal(herr)
	}
	if err := h.make(); err != nil {
		t.Fatal(err)
	}
	f, ferr := h.openLog()
	if ferr != nil {
		t.Fatal(ferr)
	}
	defer f.Close()
	if _, err := f.WriteString(log); err != nil {
		t.Fatal(err)
	}
	return h.failure("the private database did not start", f.size, err)
}
