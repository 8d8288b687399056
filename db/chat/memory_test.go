package chat

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryHoldsForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory[string, int](time.Second, 100)
		m.add("a", 1, m.asks())
		time.Sleep(time.Second - 1)
		m.add("b", 2, m.asks())
		if v, ok := m.find("a"); v != 1 || !ok {
			t.Errorf("in its last moment it is %d, %t", v, ok)
		}
		time.Sleep(time.Nanosecond)
		if v, ok := m.find("a"); ok {
			t.Errorf("then it is %d", v)
		}
		if v, ok := m.find("b"); v != 2 || !ok {
			t.Errorf("what came later is %d, %t", v, ok)
		}
		time.Sleep(time.Second / 2)
		m.add("c", 3, m.asks()) // a is dropped, b isn't
		if len(m.old) != 2 || len(m.young) != 1 {
			t.Errorf("%d and %d are held", len(m.old), len(m.young))
		}
		m.add("b", 4, m.asks())
		if v, ok := m.find("b"); v != 4 || !ok {
			t.Errorf("the newer of two is %d, %t", v, ok)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory[int, int](time.Hour, 100)
	for i := range 1000 {
		m.add(i, i, m.asks())
		if n := len(m.young) + len(m.old); n > 100 {
			t.Fatalf("%d are held", n)
		}
	}
	if _, ok := m.find(960); !ok {
		t.Error("the newest are gone")
	}
	if m := newMemory[int, int](-1, 100); func() bool { m.add(1, 1, m.asks()); _, ok := m.find(1); return ok }() {
		t.Error("it holds what it shouldn't")
	}
}

// Somebody asks the database, the session is ended, and then the answer comes: it is that of before.
func TestMemoryHoldsNoAnswerThatIsOver(t *testing.T) {
	m := newMemory[string, int](time.Hour, 100)
	m.add("a", 1, m.asks())
	m.add("b", 2, m.asks())
	mark := m.asks()
	m.forget(func(k string, v int) bool { return k == "a" && v == 1 })
	m.add("a", 1, mark)
	if _, ok := m.find("a"); ok {
		t.Error("what is over is held")
	}
	if _, ok := m.find("b"); !ok {
		t.Error("what isn't was forgotten")
	}
	m.add("a", 3, m.asks())
	if v, _ := m.find("a"); v != 3 {
		t.Errorf("a later answer is %d", v)
	}
}
