package db_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/db"
	"parley/db/dbtest"
)

// leasers are nodes that want the lease, each on the next server of the cluster, where there is one.
func leasers(t *testing.T, n int) (conns []*sql.Conn) {
	t.Helper()
	dsn, _ := dbtest.NewEmpty(t)
	peers := dbtest.Peers(t, dsn)
	for i := range n {
		pool, err := db.Open(t.Context(), peers[i%len(peers)])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pool.Close() })
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	return conns
}

func TestOneAtATimeHasTheLease(t *testing.T) {
	db.SetLease(t, time.Minute, 5*time.Millisecond)
	var holders, turns atomic.Int64
	var all sync.WaitGroup
	for _, conn := range leasers(t, 6) {
		all.Go(func() {
			for range 3 {
				keep, release, err := db.TakeLease(t.Context(), conn)
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d have the lease", n)
				}
				if err := keep(t.Context()); err != nil {
					t.Error(err)
				}
				holders.Add(-1)
				turns.Add(1)
				release()
			}
		})
	}
	all.Wait()
	if turns.Load() != 18 {
		t.Errorf("there were %d turns", turns.Load())
	}
}

// A Parley that was killed gives nothing back, and one that took too long finds out that its turn is over.
func TestLeaseRunsOut(t *testing.T) {
	db.SetLease(t, 300*time.Millisecond, 5*time.Millisecond)
	conns := leasers(t, 2)
	keep, _, err := db.TakeLease(t.Context(), conns[0])
	if err != nil {
		t.Fatal(err)
	}
	keepOwn, release, err := db.TakeLease(t.Context(), conns[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := keep(t.Context()); !errors.Is(err, db.ErrLeaseLost) {
		t.Errorf("whose lease somebody else has keeps it: %v", err)
	}
	if err := keepOwn(t.Context()); err != nil {
		t.Errorf("the new holder doesn't: %v", err)
	}
	release()
}

func TestLeaseIsWaitedForNoLongerThanTheContext(t *testing.T) {
	conns := leasers(t, 2)
	_, release, err := db.TakeLease(t.Context(), conns[0])
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := db.TakeLease(ctx, conns[1]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}
