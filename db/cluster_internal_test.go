package db

import (
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
)

func members(n int) (nodes []*member) {
	for i := range n {
		m := &member{seed: seedOf(fmt.Sprint("10.0.0.", i+1, ":3306"))}
		m.well.Store(true)
		nodes = append(nodes, m)
	}
	return nodes
}

// homes gives how many of many pairs each node has, and each pair's node.
func homes(nodes []*member) (each map[*member]int, of map[[2]uint64]*member) {
	each, of = map[*member]int{}, map[[2]uint64]*member{}
	for lo := uint64(1); lo <= 60; lo++ {
		for hi := lo; hi <= 60; hi++ {
			m := home(nodes, lo, hi)
			each[m]++
			of[[2]uint64{lo, hi}] = m
		}
	}
	return each, of
}

func TestHomesAreSpread(t *testing.T) {
	nodes := members(3)
	each, of := homes(nodes)
	for i, m := range nodes {
		if n := each[m]; n < len(of)/4 || n > len(of)/2 {
			t.Errorf("node %d is home to %d of %d conversations", i, n, len(of))
		}
	}
	turned := []*member{nodes[2], nodes[0], nodes[1]}
	if _, again := homes(turned); fmt.Sprint(again) != fmt.Sprint(of) {
		t.Error("in another order the nodes have other homes")
	}
}

// What was on the lost node spreads over the others, nothing else moves, and all of it comes back.
func TestHomesMoveOnlyFromTheLostNode(t *testing.T) {
	nodes := members(4)
	_, before := homes(nodes)
	nodes[1].well.Store(false)
	each, without := homes(nodes)
	for pair, m := range before {
		if m != nodes[1] && without[pair] != m {
			t.Errorf("%v moved though its home is there", pair)
		}
	}
	for i, m := range nodes {
		if n := each[m]; i == 1 && n > 0 || i != 1 && n < len(before)/5 {
			t.Errorf("node %d is home to %d of %d without node 1", i, n, len(before))
		}
	}
	nodes[1].well.Store(true)
	if _, after := homes(nodes); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("not all came back")
	}
	for _, m := range nodes {
		m.well.Store(false)
	}
	if _, none := homes(nodes); fmt.Sprint(none) != fmt.Sprint(before) {
		t.Error("without any node that is well, the homes are others than with all")
	}
}

// A node that comes and goes is not taken for well at its first good answer.
func TestANodeIsBackAfterTwoLooks(t *testing.T) {
	m := members(1)[0]
	m.cfg = &mysql.Config{}
	m.note(fmt.Errorf("gone"), 0)
	if m.well.Load() {
		t.Error("well after a failure")
	}
	if m.note(nil, 1); m.well.Load() {
		t.Error("back after one look")
	}
	if m.note(nil, 2); !m.well.Load() {
		t.Error("not back after two looks")
	}
}
