package dbtest

import (
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func TestNew(t *testing.T) {
	for range 5 {
		begin := time.Now()
		t.Run("x", func(t *testing.T) {
			New(t)
			t.Log("new", time.Since(begin))
			begin = time.Now()
		})
		t.Log("drop", time.Since(begin))
	}
}
