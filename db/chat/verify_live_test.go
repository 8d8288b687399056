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
	written := func() int { return count(t, w.db, "SELECT COUNT(*) FROM messages") }
	for _, repair := range []bool{false, true} {
		enough := written() + 300
		eventually(t, "messages that were written meanwhile", func() bool {
			for _, p := range verifyAgain(t, w, 3, repair) {
				t.Errorf("repair %t: %+v", repair, p)
			}
			return written() >= enough
		})
	}
	people.end()
	checkWhole(t, w.db)
}

// Somebody who begins conversations as fast as they are verified can't keep that from coming to its end.
func TestVerifyCatchesUp(t *testing.T) {
	w := worldOn(dbtest.New(t), chat.Options{})
	alice := w.people(t, "alice")[0]
	w.send(t, alice, alice, "a note")
	made := 0
	_, err := w.VerifyIn(t.Context(), 1, chat.VerifyOptions{Progress: func(p chat.VerifyProgress) {
		if p.Step != "messages" {
			return
		}
		for range 3 {
			if made++; made > 1000 {
				t.Fatal("it goes on for ever")
			}
			w.send(t, alice, w.people(t, fmt.Sprint("new", made))[0], "hello")
		}
	}})
	if err != nil || made == 0 {
		t.Errorf("made %d: %v", made, err)
	}
}

// A repair waits for a message that is just being sent, and looks again.
func TestVerifyRepairsUnderTheLock(t *testing.T) {
	w := sound(t)
	mustExec(t, w.db, "UPDATE conversations SET last_rev = 9 WHERE id = 1")
	tx, err := w.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, statement := range []string{
		"UPDATE conversations SET last_seq = 7, last_rev = 10, last_at = '2100-01-01' WHERE id = 1",
		"INSERT INTO messages (conversation_id, seq, sender_id, client_key, rev, body, created_at) VALUES (1, 7, 1, REPEAT('x', 16), 10, 'on the way', '2100-01-01')",
	} {
		if _, err := tx.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	repaired := make(chan []chat.Problem)
	go func() {
		defer close(repaired)
		_, found := verify(t, w.Verify, true)
		repaired <- found
	}()
	eventually(t, "the repair to wait", func() bool {
		return count(t, w.db, `SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()
			AND (info LIKE '-- name: VerifyLockConversation%' OR info LIKE '-- name: RepairConversation%')`) > 0
	})
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if found := <-repaired; len(found) > 0 {
		t.Errorf("what the message put right itself was called %+v", found)
	}
	if _, found := verify(t, w.Verify, false); len(found) > 0 {
		t.Errorf("after the repair there is %+v", found)
	}
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
