package chat_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"parley/db/chat"
	"parley/db/dbtest"
)

// traffic is people who do all that changes the database, until it is stopped.
type traffic struct {
	all  sync.WaitGroup
	stop context.CancelFunc
}

func startTraffic(t *testing.T, w *world) *traffic {
	t.Helper()
	var names []string
	for i := range 5 {
		names = append(names, fmt.Sprint("person", i))
	}
	people := w.people(t, names...)
	ctx, stop := context.WithCancel(t.Context())
	tr := &traffic{stop: stop}
	for i := range people {
		tr.all.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				if err := bustle(ctx, w, people, i, round); err != nil && ctx.Err() == nil {
					t.Errorf("%s: %v", people[i].Username, err)
					return
				}
			}
		})
	}
	t.Cleanup(tr.end)
	return tr
}

func (tr *traffic) end() {
	tr.stop()
	tr.all.Wait()
}

// bustle sends, reads, signs in and out, and every tenth time writes to somebody new.
func bustle(ctx context.Context, w *world, people []chat.User, me, round int) error {
	with := people[(me+round)%len(people)]
	if round%10 == 9 {
		name := fmt.Sprintf("new-%d-%d", me, round)
		if _, err := w.db.ExecContext(ctx, "INSERT INTO users (username, username_key, display_name, search_key, password_hash, created_at) VALUES (?, ?, ?, ?, 'none', NOW(6))",
			name, chat.UsernameKey(name), name, chat.SearchKey(name, name)); err != nil {
			return err
		}
		with.Username = name
	}
	if _, _, err := w.SendMessage(ctx, people[me], chat.Draft{Recipient: with.Username, Body: "hello"}); err != nil {
		return err
	}
	c, err := w.Conversation(ctx, people[me], with.Username)
	if err != nil {
		return err
	}
	if err := w.MarkRead(ctx, people[me], &c, c.LastSeq); err != nil {
		return err
	}
	_, session, err := w.StartSession(ctx, people[me], chat.Device{})
	if err != nil {
		return err
	}
	return w.EndSession(ctx, session)
}

// verifyAgain verifies a number of times, in snapshots of different sizes, and gives all that it found.
func verifyAgain(t *testing.T, w *world, rounds int, repair bool) (found []chat.Problem) {
	t.Helper()
	sizes := []int32{1, 4, 1000}
	for round := range rounds {
		checked, err := w.VerifyIn(t.Context(), sizes[round%len(sizes)], chat.VerifyOptions{Repair: repair, Found: func(p chat.Problem) { found = append(found, p) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", checked)
	}
	return found
}

// While people write, a sound database is never called anything else, and has nothing to repair.
func TestVerifyWhilePeopleWrite(t *testing.T) {
	w := worldOn(dbtest.New(t), chat.Options{})
	people := startTraffic(t, w)
	for _, repair := range []bool{false, true} {
		for _, p := range verifyAgain(t, w, 9, repair) {
			t.Errorf("repair %t: %+v", repair, p)
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM messages"); n < 50 {
		t.Errorf("people wrote only %d messages meanwhile", n)
	}
	people.end()
	checkWhole(t, w.db)
}

// While people write, repairs of real damage take turns with them.
func TestVerifyRepairsWhilePeopleWrite(t *testing.T) {
	w := worldOn(dbtest.New(t), chat.Options{})
	people := startTraffic(t, w)
	repaired := map[chat.Check]int{}
	for range 5 {
		eventually(t, "conversations", func() bool { return count(t, w.db, "SELECT COUNT(*) FROM conversations") > 5 })
		mustExec(t, w.db, "UPDATE members SET last_read_seq = 1000000 WHERE user_id = 1")
		mustExec(t, w.db, "DELETE FROM members WHERE user_id = 2 LIMIT 3")
		mustExec(t, w.db, "UPDATE conversations SET last_rev = last_rev + 7 WHERE user_lo = 3")
		mustExec(t, w.db, "UPDATE messages SET rev = 0 WHERE conversation_id = 1 AND seq = 1")
		for _, p := range verifyAgain(t, w, 1, true) {
			repaired[p.Check]++
			if !p.Repaired {
				t.Errorf("%+v", p)
			}
		}
	}
	people.end()
	for _, check := range []chat.Check{chat.CheckWatermark, chat.CheckMemberMissing, chat.CheckRevLow} {
		if repaired[check] == 0 {
			t.Errorf("there was no %s to repair", check)
		}
	}
	if _, found := verify(t, w.Verify, true); len(found) > 0 {
		t.Logf("the last of the damage: %+v", found) // what was done to people after the last look at them
	}
	if _, found := verify(t, w.Verify, false); len(found) > 0 {
		t.Errorf("in the end there is %+v", found)
	}
	checkWhole(t, w.db)
}
