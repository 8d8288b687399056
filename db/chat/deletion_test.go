package chat_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/db/chat"
)

const leaversPassword = "correct horse battery"

// leaver is alice with a password, and with traces of her in every table.
func (w *world) leaver(t *testing.T) chat.User {
	t.Helper()
	u, err := w.CreateUser(t.Context(), chat.NewUser{Username: "Alice.Leaver", DisplayName: "Alicia Secretname", Email: "alice.mail@example.org", Password: leaversPassword})
	if err != nil {
		t.Fatal(err)
	}
	self := chat.Actor{User: u, IP: "198.51.100.77"}
	about, zone := "aboutalicia", "Pacific/Chatham"
	if _, err := w.EditProfile(t.Context(), self, chat.ProfileEdit{About: &about, TimeZone: &zone}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SetPhoto(t.Context(), self, chat.Picture{ContentType: "image/png", Small: []byte("alicesmall"), Large: []byte("alicelarge")}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.StartSession(t.Context(), u, chat.Device{UserAgent: "alicebrowser", IP: "198.51.100.77"}); err != nil {
		t.Fatal(err)
	}
	return u
}

func leave(w *world, u chat.User, erase bool) error {
	return w.DeleteAccount(context.Background(), chat.Actor{User: u, IP: "198.51.100.77"}, chat.Deletion{Username: "alice.leaver", Password: leaversPassword, EraseMessages: erase})
}

// finish does what is left of deletions, once they have settled.
func (w *world) finish(t *testing.T) {
	t.Helper()
	w.clock.move(time.Minute)
	if n, err := w.FinishDeletions(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d were finished, %v", n, err)
	}
}

// eachText gives the text of every column of every table, binary ones too, by table and column.
func eachText(t *testing.T, db *sql.DB, f func(where, text string)) {
	t.Helper()
	columns, err := db.Query("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()")
	if err != nil {
		t.Fatal(err)
	}
	var all [][2]string
	for columns.Next() {
		var c [2]string
		if err := columns.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for _, c := range all {
		rows, err := db.Query(fmt.Sprintf("SELECT `%s` FROM `%s`", c[1], c[0]))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var text sql.RawBytes
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			f(c[0]+"."+c[1], string(text))
		}
		rows.Close()
	}
}

// Nothing that says who somebody was is anywhere afterwards; nor, where they wanted that, what they wrote.
func TestDeletionLeavesNothingPersonal(t *testing.T) {
	for _, erase := range []bool{true, false} {
		t.Run(fmt.Sprintf("erase %t", erase), func(t *testing.T) {
			w := newWorld(t)
			alice := w.leaver(t)
			bob := w.people(t, "bob")[0]
			w.send(t, alice, bob, "alicewrote one")
			theirs := w.send(t, bob, alice, "bobwrote back")
			w.send(t, alice, bob, "alicewrote two")
			w.send(t, alice, alice, "alicewrote a note")
			w.traces(t, alice)
			var hash string
			if err := w.db.QueryRow("SELECT password_hash FROM users WHERE id = ?", alice.ID).Scan(&hash); err != nil || len(hash) < 50 {
				t.Fatal(hash, err)
			}
			w.events.take()
			if err := leave(w, alice, erase); err != nil {
				t.Fatal(err)
			}
			if events := w.events.take(); len(events) != 1 || events[0].Type != chat.EventSessionEnded || events[0].To != alice.ID {
				t.Errorf("the windows are told %+v", events)
			}
			w.finish(t)
			if got := w.deliver(t, &postbox{}); len(got) != 1 || got[0].Kind != chat.MailDeleted || got[0].To != "alice.mail@example.org" {
				t.Errorf("she is told %+v", got)
			}
			seen := map[string]bool{}
			eachText(t, w.db, func(where, text string) {
				for _, secret := range []string{"leaver", "secretname", "alice.mail", "aboutalicia", "chatham", "alicesmall", "alicelarge", "alicesecret", "alicekey", "alicenoted", "alicebrowser", "198.51.100.77", strings.ToLower(hash)} {
					if strings.Contains(strings.ToLower(text), secret) {
						t.Errorf("%s still has %q: %.80q", where, secret, text)
					}
				}
				for _, body := range []string{"alicewrote", "bobwrote", "a note"} {
					seen[body] = seen[body] || strings.Contains(text, body)
				}
			})
			if seen["alicewrote"] == erase || !seen["bobwrote"] || seen["a note"] {
				t.Errorf("what is left is %v", seen)
			}
			if m, err := w.Message(t.Context(), bob, theirs.ID); err != nil || m.Body != "bobwrote back" || m.Recipient.DisplayName != chat.DeletedName {
				t.Errorf("the other one's message is %+v, %v", m, err)
			}
			if n := count(t, w.db, "SELECT COUNT(*) FROM deletions"); n != 0 {
				t.Errorf("%d deletions are left to do", n)
			}
		})
	}
}

// stays names the tables in which a user_id is of no harm.
var stays = map[string]bool{
	"members":          true, // the other people's conversations need it
	"former_usernames": true,
	"blocks":           true, // by nobody who is known, of what the conversations repeat and verify holds them against
}

// traces is a row of hers, whose ID is the parameter, in each table that no call above fills.
var traces = map[string]string{
	"tokens":          "(hash, user_id, name, scope, created_at, used_ip) VALUES (REPEAT('x', 32), ?, 'x', 'read', NOW(6), '198.51.100.77')",
	"known_browsers":  "(user_id, hash, seen_at) VALUES (?, REPEAT('x', 32), NOW(6))",
	"invitation_uses": "(user_id, invitation_id, used_at) VALUES (?, 1, NOW(6))",
	"links":           "(user_id, kind, token_hash, state_hash, email, mail_id, created_at, expires_at) VALUES (?, 'x', REPEAT('x', 32), '', 'alice.mail@example.org', 0, NOW(6), NOW(6))",
	"mails":           "(user_id, kind, email, ip, created_at) VALUES (?, 'x', 'alice.mail@example.org', '198.51.100.77', NOW(6))",
	"sign_ins":        "(id_hash, user_id, password_key, expires_at) VALUES (REPEAT('x', 32), ?, '', NOW(6))",
	"totps":           "(user_id, confirmed, secret, created_at) VALUES (?, TRUE, 'alicesecret', NOW(6))",
	"recovery_codes":  "(user_id, code_hash, created_at) VALUES (?, REPEAT('x', 32), NOW(6))",
	"passkeys":        "(user_id, credential_hash, credential_id, public_key, handle, name, transports, sign_count, backup_eligible, created_at) VALUES (?, REPEAT('x', 32), 'alicekey', 'x', 'x', 'x', '', 0, FALSE, NOW(6))",
}

func (w *world) traces(t *testing.T, u chat.User) {
	t.Helper()
	for table, row := range traces {
		mustExec(t, w.db, "INSERT INTO "+table+" "+row, u.ID)
	}
	mustExec(t, w.db, "INSERT INTO mails (user_id, kind, email, ip, created_at) VALUES (0, 'x', 'alice.mail@example.org', '198.51.100.77', NOW(6))")
	mustExec(t, w.db, "INSERT INTO audit_events (created_at, actor_id, action, subject_id, ip, detail) VALUES (NOW(6), 0, 'x', ?, '198.51.100.77', 'Alice.Leaver')", u.ID)
	mustExec(t, w.db, "INSERT INTO invitations (token_hash, creator_id, note, uses_allowed, created_at, expires_at) VALUES (REPEAT('x', 32), ?, 'alicenoted', 1, NOW(6), NOW(6))", u.ID)
	const report = "INSERT INTO reports (created_at, reporter_id, subject_id, conversation_id, seq, sent_at, reason, note, body) VALUES (NOW(6), ?, ?, 1, 1, NOW(6), 'spam', ?, ?)"
	mustExec(t, w.db, report, u.ID, u.ID+1, "alicenoted", "bobwrote")
	mustExec(t, w.db, report, u.ID+1, u.ID, "bobnoted", "alicewrote one")
}

// A table that comes later and has something of somebody's has to be wiped too.
func TestDeletionKnowsEveryTable(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	bob := w.people(t, "bob")[0]
	w.send(t, alice, bob, "hi")
	rows, err := w.db.Query("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name LIKE '%user\\_id'")
	if err != nil {
		t.Fatal(err)
	}
	var tables [][2]string
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, c)
	}
	w.traces(t, alice)
	if err := leave(w, alice, true); err != nil {
		t.Fatal(err)
	}
	w.finish(t)
	w.deliver(t, &postbox{fail: func(chat.Mail) error { return chat.ErrMailRefused }}) // then it is given up, and gone
	// What no row of hers shows, the code does: each table is either among the wiped ones, or said to stay.
	wiped := append(slices.Sorted(maps.Keys(traces)), "skeletons", "sessions", "profiles", "photos", "deletions")
	for _, c := range tables {
		if !stays[c[0]] && !slices.Contains(wiped, c[0]) {
			t.Errorf("%s has a %s: have wipe (deletion.go) delete what is somebody's there, and say so here, or say that it stays", c[0], c[1])
		}
		if n := count(t, w.db, fmt.Sprintf("SELECT COUNT(*) FROM `%s` WHERE `%s` = ?", c[0], c[1]), alice.ID); n > 0 && !stays[c[0]] {
			t.Errorf("%s still has %d rows of hers", c[0], n)
		}
	}
}

func TestWhoeverIsDeletedIsGone(t *testing.T) {
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	alice := w.leaver(t)
	both := w.people(t, "bob", "carol")
	bob, carol := both[0], both[1]
	w.send(t, bob, alice, "hi")
	if err := leave(w, alice, false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Authenticate(t.Context(), "alice.leaver", leaversPassword); chat.KindOf(err) != chat.Denied {
		t.Errorf("signing in: %v", err)
	}
	stone := fmt.Sprintf("~deleted-%d", alice.ID)
	for _, password := range []string{"", leaversPassword, "AAAA"} {
		if _, err := w.Authenticate(t.Context(), stone, password); chat.KindOf(err) != chat.Denied {
			t.Errorf("signing in as what is left: %v", err)
		}
	}
	for _, q := range []string{"", "alice", "deleted", "secret"} {
		if people, err := w.Users(t.Context(), bob, chat.UserQuery{Search: q}); err != nil || slices.ContainsFunc(people.Items, func(u chat.User) bool { return u.ID == alice.ID }) {
			t.Errorf("searching for %q finds %+v, %v", q, people.Items, err)
		}
	}
	for _, name := range []string{stone, "alice.leaver", "ALICE.Leaver"} {
		thread, err := w.Thread(t.Context(), bob, name, chat.ThreadQuery{})
		if err != nil || len(thread.Messages) != 1 || !thread.Conversation.With.Deleted() || thread.Conversation.With.DisplayName != chat.DeletedName {
			t.Errorf("the conversation with %s is %+v, %v", name, thread, err)
		}
	}
	if _, err := w.Conversation(t.Context(), carol, "alice.leaver"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("to a stranger the former name is somebody's: %v", err)
	}
	_, _, err := w.SendMessage(t.Context(), bob, chat.Draft{Recipient: stone, Body: "hello?"})
	wantKind(t, err, chat.Invalid, "recipient")
	for _, name := range []string{"alice.leaver", "Alice.LEAVER", "ａlice.leaver", "álice.leaver", "al1ce.leaver"} { // also what looks like it
		_, err := w.CreateUser(t.Context(), chat.NewUser{Username: name, Password: leaversPassword})
		wantKind(t, err, chat.Invalid, "username")
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM users"); n != 3 {
		t.Errorf("%d accounts are there", n)
	}
	_, err = w.CreateUser(t.Context(), chat.NewUser{Username: "other", Email: "alice.mail@example.org", Password: leaversPassword})
	wantKind(t, err, 0) // the address is free again
	if err := leave(w, alice, true); chat.KindOf(err) != chat.Invalid && chat.KindOf(err) != chat.NotFound {
		t.Errorf("once more: %v", err)
	}
}

func TestDeletionAsksTwice(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	for _, c := range []struct {
		d      chat.Deletion
		fields []string
	}{
		{chat.Deletion{Username: "alice.leaver", Password: "wrong"}, []string{"current_password"}},
		{chat.Deletion{Username: "bob", Password: leaversPassword}, []string{"username"}},
		{chat.Deletion{}, []string{"current_password", "username"}},
	} {
		wantKind(t, w.DeleteAccount(t.Context(), chat.Actor{User: alice}, c.d), chat.Invalid, c.fields...)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM users WHERE deleted_at IS NOT NULL"); n != 0 {
		t.Error("it was deleted all the same")
	}
}

func TestTheLastAdminCannotGo(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	mustExec(t, w.db, "UPDATE users SET is_admin = TRUE WHERE id = ?", alice.ID)
	wantKind(t, leave(w, alice, false), chat.Invalid)
	root := w.people(t, "root")[0]
	mustExec(t, w.db, "UPDATE users SET is_admin = TRUE WHERE id = ?", root.ID)
	wantKind(t, leave(w, alice, false), 0)
	admin := chat.Actor{User: root}
	stone := fmt.Sprintf("~deleted-%d", alice.ID)
	name := "Alice again"
	for what, err := range map[string]error{
		"enabling": second(w.EnableUser(t.Context(), admin, stone)),
		"editing":  second(w.EditUser(t.Context(), admin, stone, chat.UserEdit{DisplayName: &name, Password: leaversPassword})),
	} {
		if chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s what is left: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Pages that know the conversation catch up on what was erased, as on any change.
func TestErasedMessagesAreChanges(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	bob := w.people(t, "bob")[0]
	var last chat.Message
	for i := range 250 { // more than are erased at once
		last = w.send(t, alice, bob, fmt.Sprintf("alicewrote %d", i))
	}
	theirs := w.send(t, bob, alice, "bobwrote")
	if err := leave(w, alice, true); err != nil {
		t.Fatal(err)
	}
	w.events.take()
	w.finish(t)
	if events := w.events.take(); !slices.ContainsFunc(events, func(e chat.Event) bool { return e.Type == chat.EventCheck && e.To == bob.ID }) {
		t.Errorf("bob's windows are told %+v", events)
	}
	erased, rev := 0, theirs.Rev
	for {
		changes, err := w.Changes(t.Context(), bob, "alice.leaver", rev, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range changes.Messages {
			if m.Body != "" || m.DeletedAt.IsZero() || m.Rev <= rev {
				t.Fatalf("%s is %q, deleted at %s, with rev %d after %d", m.ID, m.Body, m.DeletedAt, m.Rev, rev)
			}
			erased, rev = erased+1, m.Rev
		}
		if rev = changes.Rev; !changes.More {
			break
		}
	}
	c, err := w.Conversation(t.Context(), bob, "alice.leaver")
	if err != nil || erased != 250 || c.LastRev != theirs.Rev+250 || c.LastSeq != theirs.ID.Seq || c.Unread != 0 {
		t.Errorf("%d messages were erased, and the conversation is %+v, %v", erased, c, err)
	}
	if m, err := w.Message(t.Context(), bob, last.ID); err != nil || m.Body != "" {
		t.Errorf("%+v, %v", m, err)
	}
}

// A node that stops in the middle leaves the rest to whoever comes next, and nothing is done twice.
func TestErasingGoesOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	for _, other := range w.people(t, "bob", "carol", "dora") {
		for i := range 120 {
			w.send(t, alice, other, fmt.Sprintf("alicewrote %d", i))
		}
	}
	if err := leave(w, alice, true); err != nil {
		t.Fatal(err)
	}
	if n, err := w.FinishDeletions(t.Context()); n != 0 || err != nil {
		t.Errorf("before it has settled, %d were finished, %v", n, err)
	}
	left := func() int { return count(t, w.db, "SELECT COUNT(*) FROM messages WHERE body <> ''") }
	if left() != 360 {
		t.Fatalf("%d messages are left before it has settled", left())
	}
	w.clock.move(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	first := w.restarted(chat.Options{Now: w.clock.Now, Notifier: chat.NotifierFunc(func(...chat.Event) { cancel() })})
	if n, err := first.FinishDeletions(ctx); n != 0 || err == nil {
		t.Fatalf("the node that stops has finished %d, %v", n, err)
	}
	if n := left(); n == 0 || n == 360 {
		t.Fatalf("when it stopped, %d messages were left", n)
	}
	next := w.restarted(chat.Options{Now: w.clock.Now})
	if n, err := next.FinishDeletions(t.Context()); n != 0 || err != nil || left() == 0 {
		t.Errorf("another node doesn't leave it to the first: %d, %v", n, err)
	}
	w.clock.move(time.Minute)
	if n, err := next.FinishDeletions(t.Context()); n != 1 || err != nil || left() != 0 {
		t.Errorf("another node has finished %d, %v, and %d messages are left", n, err, left())
	}
	var detail string
	if err := w.db.QueryRow("SELECT detail FROM audit_events WHERE action = ?", chat.AuditErasedOwn).Scan(&detail); err != nil {
		t.Errorf("nothing is written down: %v", err)
	}
	for range 2 {
		if n, err := next.FinishDeletions(t.Context()); n != 0 || err != nil {
			t.Errorf("there is more to do: %d, %v", n, err)
		}
	}
}

// What somebody reports while the rest is still being erased doesn't stay in the report.
func TestReportsWhileErasing(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	people := w.people(t, "bob", "carol")
	w.send(t, alice, people[0], "alicewrote to bob")
	late := w.send(t, alice, people[1], "alicewrote to carol")
	if err := leave(w, alice, true); err != nil {
		t.Fatal(err)
	}
	w.clock.move(time.Minute)
	reported := false
	node := w.restarted(chat.Options{Now: w.clock.Now, Notifier: chat.NotifierFunc(func(...chat.Event) {
		if !reported { // bob's conversation is done, carol's isn't
			reported = true
			if _, _, err := w.Report(t.Context(), chat.Actor{User: people[1]}, late.ID, chat.ReportDraft{Reason: chat.ReasonSpam}); err != nil {
				t.Error(err)
			}
		}
	})})
	if n, err := node.FinishDeletions(t.Context()); n != 1 || err != nil || !reported {
		t.Fatalf("%d, %v, reported: %t", n, err, reported)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM reports WHERE body <> ''"); n != 0 {
		t.Error("the report still has the text")
	}
}

// People go on writing in the conversations meanwhile.
func TestErasingWhileOthersWrite(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	bob := w.people(t, "bob")[0]
	for i := range 150 {
		w.send(t, alice, bob, fmt.Sprintf("alicewrote %d", i))
		w.send(t, bob, bob, "a note")
	}
	if err := leave(w, alice, true); err != nil {
		t.Fatal(err)
	}
	w.clock.move(time.Minute)
	// Two nodes at once, of which one holds it; and sends that were on their way when the account went.
	together(3, func(i int) {
		if i == 0 {
			for range 30 {
				_, _, _ = w.SendMessage(context.Background(), bob, chat.Draft{Recipient: "bob", Body: "a note"})
			}
			return
		}
		if _, err := w.restarted(chat.Options{Now: w.clock.Now}).FinishDeletions(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if n := count(t, w.db, "SELECT COUNT(*) FROM messages WHERE sender_id = ? AND body <> ''", alice.ID); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

// Of two who take the name and give it up at the same moment, the new one never gets it.
func TestAFormerNameIsNeverTakenOver(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	var made atomic.Int32
	together(4, func(i int) {
		if i == 0 {
			if err := leave(w, alice, false); err != nil {
				t.Error(err)
			}
			return
		}
		for range 5 {
			if _, err := w.CreateUser(context.Background(), chat.NewUser{Username: "alice.leaver", Password: leaversPassword}); err == nil {
				made.Add(1)
			}
		}
	})
	if n := made.Load(); n > 0 {
		t.Errorf("%d people have the name of somebody who left", n)
	}
}
