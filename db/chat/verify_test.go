package chat_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/queries"
)

// sound is a database with a little of everything: conversation 1 of alice (1) and bob (2) has six messages, of which
// alice has read three and bob five; conversation 2 of alice and carl (3) has three; conversation 3 is bob's notes. Alice
// is an admin, who has opened message 1-1.
func sound(t testing.TB) *world {
	w := worldOn(dbtest.New(t), chat.Options{})
	w.clock.stop()
	people := w.people(t, "alice", "Bob", "carl")
	alice, bob, carl := people[0], people[1], people[2]
	for i := range 3 {
		w.clock.move(time.Second)
		w.send(t, alice, bob, fmt.Sprint("from alice ", i))
		w.send(t, bob, alice, fmt.Sprint("from bob ", i))
		w.send(t, alice, carl, fmt.Sprint("to carl ", i))
	}
	w.send(t, bob, bob, "a note")
	w.read(t, alice, bob, 3)
	w.read(t, bob, alice, 5)
	mustExec(t, w.db, "UPDATE users SET is_admin = TRUE, email = 'Bob@Example.org', email_key = 'bob@example.org' WHERE id = 2")
	if _, _, err := w.StartSession(t.Context(), alice, chat.Device{}); err != nil {
		t.Fatal(err)
	}
	mustExec(t, w.db, "DELETE FROM audit_events") // what is looked for is in the one below
	bob.IsAdmin = true
	if _, _, err := w.OpenBody(t.Context(), chat.Actor{User: bob, IP: "::1"}, chat.MessageID{Conversation: 1, Seq: 1}); err != nil {
		t.Fatal(err)
	}
	return w
}

var soundCounts = chat.Verified{Users: 3, Conversations: 3, Messages: 10, Members: 5, Sessions: 1, AuditEvents: 1, UnreadCounts: 10}

// verifying is Verify or VerifyInCrumbs.
type verifying func(context.Context, chat.VerifyOptions) (chat.Verified, error)

// verify gives the problems in the order of their checks, without their texts.
func verify(t testing.TB, how verifying, repair bool) (chat.Verified, []chat.Problem) {
	t.Helper()
	var found []chat.Problem
	checked, err := how(t.Context(), chat.VerifyOptions{Repair: repair, Found: func(p chat.Problem) {
		if p.Detail == "" || strings.Contains(p.Detail, "%!") {
			t.Errorf("%s says %q", p.Check, p.Detail)
		}
		t.Logf("%+v", p)
		p.Detail = ""
		found = append(found, p)
	}})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(found, func(a, b chat.Problem) int { return strings.Compare(string(a.Check), string(b.Check)) })
	return checked, found
}

func TestVerifySound(t *testing.T) {
	w := sound(t)
	for name, how := range map[string]verifying{"at once": w.Verify, "in crumbs": w.VerifyInCrumbs} {
		for _, repair := range []bool{false, true} {
			if checked, found := verify(t, how, repair); len(found) > 0 || checked != soundCounts {
				t.Errorf("%s, repair %t: checked %+v, found %+v", name, repair, checked, found)
			}
		}
	}
}

func TestVerifyEmpty(t *testing.T) {
	w := worldOn(dbtest.New(t), chat.Options{})
	if checked, found := verify(t, w.Verify, false); len(found) > 0 || checked != (chat.Verified{}) {
		t.Errorf("checked %+v, found %+v", checked, found)
	}
}

// bodies are all messages but for what a repair may change, the rev.
func (w *world) bodies(t tb) string {
	t.Helper()
	rows, err := w.db.QueryContext(t.Context(), "SELECT conversation_id, seq, sender_id, HEX(client_key), body, created_at, edited_at, deleted_at FROM messages ORDER BY 1, 2, 4")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var text strings.Builder
	for rows.Next() {
		var m queries.Message
		if err := rows.Scan(&m.ConversationID, &m.Seq, &m.SenderID, &m.ClientKey, &m.Body, &m.CreatedAt, &m.EditedAt, &m.DeletedAt); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%+v\n", m)
	}
	return text.String()
}

// What the repairs make right is what Parley itself would have.
func TestVerifyRepairsToWhatWas(t *testing.T) {
	const all = "SELECT CONCAT_WS(' ', id, user_lo, user_hi, last_seq, last_rev, last_at) FROM conversations ORDER BY id"
	for _, statement := range []string{
		"UPDATE conversations SET last_seq = 1 WHERE id = 1", "UPDATE conversations SET last_rev = 1 WHERE id = 1",
		"UPDATE conversations SET last_at = NULL", "UPDATE conversations SET last_seq = 8 WHERE id = 1",
		"UPDATE conversations SET last_seq = 0, last_rev = 0, last_at = NULL",
	} {
		w := sound(t)
		before := list(t, w, all)
		mustExec(t, w.db, statement)
		verify(t, w.Verify, true)
		if after := list(t, w, all); !slices.Equal(after, before) {
			t.Errorf("after %s and a repair there is %q, and was %q", statement, after, before)
		}
	}
}

func list(t tb, w *world, query string) (values []string) {
	t.Helper()
	rows, err := w.db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}

// A page that has seen everything sees the messages again whose revs were repaired.
func TestVerifyRepairedRevsAreNews(t *testing.T) {
	for name, c := range map[string]struct {
		sql  string
		news []uint64
	}{
		"low":   {"UPDATE messages SET rev = 0 WHERE conversation_id = 1 AND seq IN (2, 4)", []uint64{2, 4}},
		"twice": {"UPDATE messages SET rev = 6 WHERE conversation_id = 1 AND seq = 4", []uint64{6}},
		"ahead": {"UPDATE conversations SET last_rev = 9 WHERE id = 1", []uint64{6}},
	} {
		t.Run(name, func(t *testing.T) {
			w := sound(t)
			mustExec(t, w.db, c.sql)
			alice, err := w.UserByName(t.Context(), "alice")
			if err != nil {
				t.Fatal(err)
			}
			seen := w.conversation(t, alice, chat.User{Username: "bob"}).LastRev
			verify(t, w.Verify, true)
			changes, err := w.Changes(t.Context(), alice, "bob", seen, 0)
			if err != nil {
				t.Fatal(err)
			}
			var news []uint64
			for _, m := range changes.Messages {
				news = append(news, m.ID.Seq)
			}
			if !slices.Equal(news, c.news) {
				t.Errorf("the news after rev %d are %d, want %d", seen, news, c.news)
			}
		})
	}
}

func TestVerifyWrongUnreadCount(t *testing.T) {
	w := sound(t)
	defer chat.ShowOneUnreadTooMany()()
	checked, found := verify(t, w.Verify, false)
	want := []chat.Problem{byUser(chat.CheckUnread, 1, 1), byUser(chat.CheckUnread, 1, 2), byUser(chat.CheckUnread, 2, 1), byUser(chat.CheckUnread, 2, 3), byUser(chat.CheckUnread, 3, 2)}
	if !slices.Equal(found, want) || checked.UnreadCounts != soundCounts.UnreadCounts/2 {
		t.Errorf("found %+v, want %+v; compared %d", found, want, checked.UnreadCounts)
	}
}

func TestVerifyEngine(t *testing.T) {
	w := sound(t)
	mustExec(t, w.db, "ALTER TABLE sessions ENGINE = MyISAM")
	if count(t, w.db, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND engine = 'MyISAM'") == 0 {
		t.Skip("this server keeps every table by the same engine, as TiDB does")
	}
	if _, found := verify(t, w.Verify, true); !slices.Equal(found, []chat.Problem{broken(chat.CheckEngine)}) {
		t.Errorf("found %+v", found)
	}
}

func TestVerifyWithoutATable(t *testing.T) {
	w := sound(t)
	mustExec(t, w.db, "DROP TABLE members")
	if _, err := w.Verify(t.Context(), chat.VerifyOptions{}); err == nil || !strings.Contains(err.Error(), "members") {
		t.Errorf("the error is %v", err)
	}
}

// The keys that Verify knows are just those that the migrations make.
func TestVerifyKnowsTheSchema(t *testing.T) {
	there, err := worldOn(dbtest.New(t), chat.Options{}).KeysThere(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	known := chat.SchemaKeys()
	slices.Sort(there)
	slices.Sort(known)
	if !slices.Equal(there, known) {
		t.Errorf("the schema has\n%s\nand schemaKeys\n%s", strings.Join(there, "\n"), strings.Join(known, "\n"))
	}
}

// Without repair, a database that takes no writes is enough; and one connection is.
func TestVerifyOnlyReads(t *testing.T) {
	w := sound(t)
	mustExec(t, w.db, "UPDATE conversations SET last_seq = 5 WHERE id = 1")
	w.db.SetMaxOpenConns(1)
	if _, err := w.db.Exec("SET SESSION TRANSACTION READ ONLY"); err != nil {
		t.Skipf("this server has no read-only transactions: %v", err)
	}
	if _, err := w.db.Exec("UPDATE conversations SET last_seq = 4 WHERE id = 1"); err == nil {
		t.Fatal("the connection takes writes")
	}
	if _, found := verify(t, w.Verify, false); len(found) != 1 {
		t.Errorf("found %+v", found)
	}
}

func TestVerifyProgress(t *testing.T) {
	w := sound(t)
	seen := map[string]chat.VerifyProgress{}
	_, err := w.VerifyInCrumbs(t.Context(), chat.VerifyOptions{Progress: func(p chat.VerifyProgress) {
		if before := seen[p.Step]; p.Done < before.Done || p.Done > p.Total {
			t.Errorf("%+v follows %+v", p, before)
		}
		seen[p.Step] = p
	}})
	if err != nil {
		t.Fatal(err)
	}
	for step, total := range map[string]int{"people": 3, "messages": 10, "memberships": 5, "audit events": 1} {
		if p := seen[step]; p.Done != total || p.Total != total {
			t.Errorf("%s ended with %+v", step, p)
		}
	}
}
