package chat_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
	"parley/queries"
)

// logged writes an event as it stands.
func (w *world) logged(t tb, at time.Time, actor, subject chat.User, action chat.AuditAction) {
	t.Helper()
	p := queries.CreateAuditEventParams{CreatedAt: at, ActorID: actor.ID, Action: string(action), Ip: "::1"}
	if subject.ID != 0 {
		p.SubjectID = sql.NullInt64{Int64: int64(subject.ID), Valid: true}
	}
	if err := w.q.CreateAuditEvent(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// walk gives the IDs of all that a query finds, page by page.
func (w *world) walk(t tb, admin chat.Actor, q chat.AuditQuery) (ids []uint64) {
	t.Helper()
	for pages := 0; ; pages++ {
		page, err := w.SearchAudit(t.Context(), admin, q)
		if err != nil || pages > 100 {
			t.Fatalf("%+v: page %d: %v", q, pages, err)
		}
		for _, e := range page.Items {
			ids = append(ids, e.ID)
		}
		if q.After = page.Next; q.After == "" {
			return ids
		}
	}
}

// Whatever is asked for, the log gives just what a look at each of its events would. Clocks of nodes differ by seconds, so
// the events aren't quite in the order of their times.
func TestSearchAudit(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	people := append(w.people(t, "alice", "bob"), chat.User{})
	actions := []chat.AuditAction{chat.AuditSignIn, chat.AuditEdit, chat.AuditOpenBody}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	type line struct {
		id             uint64
		at             time.Time
		actor, subject chat.User
		action         chat.AuditAction
	}
	var all []line
	for i := range 120 {
		l := line{uint64(i + 1), start.Add(time.Duration(i)*20*time.Second + time.Duration(i%4)*15*time.Second), people[i%3], people[i/3%3], actions[i%7%3]}
		w.logged(t, l.at, l.actor, l.subject, l.action)
		all = append(all, l)
	}
	spans := []time.Time{{}, start.Add(-time.Hour), start, start.Add(10*time.Minute + time.Microsecond), start.Add(20 * time.Minute), start.Add(24 * time.Hour)}
	for _, person := range people {
		for _, action := range append(actions, "", "nothing") {
			for _, from := range spans {
				for _, to := range spans {
					var want []uint64
					for _, l := range slices.Backward(all) {
						if (person.ID == 0 || l.actor.ID == person.ID || l.subject.ID == person.ID) && (action == "" || l.action == action) &&
							!l.at.Before(from) && (to.IsZero() || l.at.Before(to)) {
							want = append(want, l.id)
						}
					}
					q := chat.AuditQuery{Person: person.Username, Action: action, From: from, To: to, Limit: 17}
					if got := w.walk(t, root, q); !slices.Equal(got, want) {
						t.Errorf("%+v finds\n%v, want\n%v", q, got, want)
					}
				}
			}
		}
	}
	_, err := w.SearchAudit(t.Context(), root, chat.AuditQuery{Person: "nobody"})
	wantKind(t, err, chat.Invalid, "user")
	_, err = w.SearchAudit(t.Context(), chat.Actor{User: people[0]}, chat.AuditQuery{Person: "nobody"})
	wantKind(t, err, chat.NotFound)
}

func TestExportAudit(t *testing.T) {
	w := newWorld(t)
	root, alice := w.adminOf(t, "root"), w.people(t, "alice")[0]
	rows := make([]string, 2500)
	for i := range rows {
		rows[i] = fmt.Sprintf("(NOW(6), %d, 'user.edit', %d, '')", 1+i%2, alice.ID)
	}
	mustExec(t, w.db, "INSERT INTO audit_events (created_at, actor_id, action, subject_id, ip) VALUES "+strings.Join(rows, ", "))
	_, err := w.ExportAudit(t.Context(), chat.Actor{User: alice}, chat.AuditQuery{})
	wantKind(t, err, chat.NotFound)
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.FixedZone("CET", 3600))
	export, err := w.ExportAudit(t.Context(), root, chat.AuditQuery{Person: "alice", Action: chat.AuditEdit, From: from})
	wantKind(t, err, 0)
	newest, err := w.AuditEvents(t.Context(), root, "", 1)
	if e := newest.Items[0]; err != nil || e.Action != chat.AuditExported || e.Subject != "alice" || e.Actor != "root" || e.IP != root.IP || e.Detail != "user.edit, from 2026-02-28T23:00:00Z" {
		t.Errorf("the log has %+v: %v", e, err)
	}
	last, n := uint64(1<<62), 0
	for {
		events, err := export.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if n++; e.ID >= last || e.Action != chat.AuditEdit {
				t.Fatalf("after %d comes %+v", last, e)
			}
			last = e.ID
		}
		if len(events) == 0 {
			break
		}
	}
	if n != len(rows) {
		t.Errorf("%d events were exported, of %d", n, len(rows))
	}
}

// Rights that are taken away end an export.
func TestExportNeedsAnAdminToItsEnd(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	export, err := w.ExportAudit(t.Context(), root, chat.AuditQuery{})
	wantKind(t, err, 0)
	mustExec(t, w.db, "UPDATE users SET is_admin = FALSE")
	events, err := export.Next(t.Context())
	if wantKind(t, err, chat.NotFound); len(events) > 0 {
		t.Errorf("it gives %+v", events)
	}
}

func TestSweepAudit(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	w.clock.stop()
	now := w.clock.Now().UTC().Truncate(time.Microsecond)
	rows := make([]string, 2100)
	for i := range rows {
		rows[i] = "('2026-01-01', 1, 'user.edit', '')"
	}
	mustExec(t, w.db, "INSERT INTO audit_events (created_at, actor_id, action, ip) VALUES "+strings.Join(rows, ", "))
	w.logged(t, now.Add(-time.Hour-time.Microsecond), root.User, root.User, chat.AuditEdit)
	w.logged(t, now.Add(-time.Hour), root.User, root.User, chat.AuditDemote)
	n, err := w.SweepAudit(t.Context(), time.Hour)
	if err != nil || n != int64(len(rows)+1) {
		t.Errorf("%d were deleted: %v", n, err)
	}
	if left := w.log(t); !slices.Equal(left, []string{"root user.demote root"}) {
		t.Errorf("left is %q", left)
	}
}

// log gives the whole audit log, the oldest first.
func (w *world) log(t tb) (lines []string) {
	t.Helper()
	found, err := w.q.SearchAuditEvents(t.Context(), queries.AuditSearch{BeforeID: 1 << 62, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Backward(found) {
		line := strings.TrimSpace(fmt.Sprint(e.Actor, " ", e.Action, " ", e.Subject))
		if e.Detail != "" {
			line += " (" + e.Detail + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestSignInAndOutAreLogged(t *testing.T) {
	w := newWorld(t)
	root, alice := w.adminOf(t, "root"), w.people(t, "alice")[0]
	_, session, err := w.StartSession(t.Context(), alice, chat.Device{IP: "192.0.2.9"})
	wantKind(t, err, 0)
	for range 2 { // the second time there is no such session
		wantKind(t, w.SignOut(t.Context(), session, "192.0.2.10"), 0)
	}
	if open, err := w.SessionOpen(t.Context(), session); open || err != nil {
		t.Errorf("the session is open: %t, %v", open, err)
	}
	if events := w.events.take(); len(events) != 2 || events[0].Type != chat.EventSessionEnded {
		t.Errorf("the windows were told %+v", events)
	}
	page, err := w.AuditEvents(t.Context(), root, "", 0)
	if err != nil || len(page.Items) != 2 || page.Items[1].IP != "192.0.2.9" || page.Items[0].IP != "192.0.2.10" {
		t.Errorf("the log is %+v: %v", page.Items, err)
	}
	if log := w.log(t); !slices.Equal(log, []string{"alice session.sign_in alice", "alice session.sign_out alice"}) {
		t.Errorf("the log is %q", log)
	}
}

// An answer that is lost makes no second line.
func TestSignInIsLoggedOnce(t *testing.T) {
	w, line := newWired(t, asItIs)
	alice := w.people(t, "alice")[0]
	line.planFor("COMMIT", 1, loseAfter)
	_, session, err := w.StartSession(t.Context(), alice, chat.Device{})
	wantKind(t, err, 0)
	line.planFor("COMMIT", 1, loseAfter)
	wantKind(t, w.SignOut(t.Context(), session, ""), 0)
	if log := w.log(t); !slices.Equal(log, []string{"alice session.sign_in alice", "alice session.sign_out alice"}) {
		t.Errorf("the log is %q", log)
	}
}

func (w *world) fail(t tb, name, ip string) {
	t.Helper()
	if err := w.SignInFailed(t.Context(), name, ip); err != nil {
		t.Errorf("a failed sign-in as %q: %v", name, err)
	}
}

// What is typed into the name's field and isn't one may be a password: it is nowhere.
func TestFailedSignIns(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	_, bob := w.two(t)
	w.disable(t, bob)
	for range 3 {
		w.fail(t, "ALICE", "192.0.2.1")
		w.fail(t, "correct horse", "192.0.2.1")
	}
	w.fail(t, "alice", "192.0.2.2")
	w.fail(t, "bob", "192.0.2.2")
	w.clock.move(time.Minute)
	w.fail(t, "alice", "192.0.2.1")
	w.fail(t, "battery staple", strings.Repeat("1", 99))
	want := []string{
		"session.sign_in_failed alice (3 times)", "session.sign_in_failed (unknown name, 3 times)", "session.sign_in_failed alice",
		"session.sign_in_failed bob", "session.sign_in_failed alice", "session.sign_in_failed (unknown name)",
	}
	if log := w.log(t); !slices.Equal(log, want) {
		t.Errorf("the log is\n%s\nand not\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
	}
}

// A flood, from however many addresses and with however many names, writes a bounded number of lines, and counts.
func TestFloodOfFailedSignIns(t *testing.T) {
	w := newWorld(t)
	w.clock.stop()
	alice, _ := w.two(t)
	together(20, func(i int) {
		for k := range 20 {
			w.fail(t, "alice", fmt.Sprint("192.0.2.", i))
			w.fail(t, fmt.Sprint("nobody ", i, " ", k), fmt.Sprint("198.51.100.", k))
		}
	})
	lines := count(t, w.db, "SELECT COUNT(*) FROM audit_events")
	if lines != 10 {
		t.Errorf("800 failures wrote %d lines", lines)
	}
	for _, who := range []string{fmt.Sprint("subject_id = ", alice.ID), "subject_id IS NULL"} {
		n := count(t, w.db, `SELECT SUM(CASE WHEN detail LIKE '%times%' THEN REGEXP_REPLACE(detail, '.*?([0-9]+) times.*', '\\1') ELSE 1 END) FROM audit_events WHERE `+who)
		if n != 400 {
			t.Errorf("where %s, %d are counted, of 400", who, n)
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM audit_events WHERE detail LIKE '%also from other addresses'"); n != 2 {
		t.Errorf("%d lines say that there were other addresses", n)
	}
}

// Whoever tries names can't tell by the database's work which of them are accounts.
func TestFailedSignInsCostTheSame(t *testing.T) {
	w, line := newWired(t, asItIs)
	w.two(t)
	statements := func(name string) (s []string) {
		line.plan(nil)
		w.fail(t, name, "192.0.2.1")
		for _, c := range line.sent() {
			if c != "OTHER" && !strings.HasPrefix(c, "PREPARE ") {
				s = append(s, c)
			}
		}
		return s
	}
	first := statements("alice")
	if len(first) != 2 {
		t.Errorf("a failed sign-in has the statements %q", first)
	}
	for _, name := range []string{"nobody", "bob", "alice", "nobody else", "", "alice"} {
		if s := statements(name); !slices.Equal(s, first) {
			t.Errorf("as %q it has %q, and as alice %q", name, s, first)
		}
	}
}

// A line that could not be written is no reason to lose the next ones.
func TestFailedSignInsWhileTheLogIsAway(t *testing.T) {
	w := newWorld(t)
	w.two(t)
	mustExec(t, w.db, "RENAME TABLE audit_events TO elsewhere")
	if err := w.SignInFailed(t.Context(), "alice", ""); err == nil {
		t.Error("it is said to be written")
	}
	mustExec(t, w.db, "RENAME TABLE elsewhere TO audit_events")
	w.fail(t, "alice", "")
	if log := w.log(t); !slices.Equal(log, []string{"session.sign_in_failed alice (2 times)"}) {
		t.Errorf("the log is %q", log)
	}
}

func TestActivity(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	alice, bob := w.two(t)
	own := chat.Actor{User: alice, IP: "192.0.2.9"}
	m := w.send(t, alice, bob, "hello")
	_, _, err := w.StartSession(t.Context(), alice, chat.Device{IP: "192.0.2.9"})
	wantKind(t, err, 0)
	w.fail(t, "alice", "203.0.113.5")
	w.fail(t, "bob", "203.0.113.6")
	r, _, err := w.Report(t.Context(), chat.Actor{User: bob}, m.ID, chat.ReportDraft{Reason: chat.ReasonSpam})
	wantKind(t, err, 0)
	_, _, err = w.OpenReport(t.Context(), root, r.ID)
	wantKind(t, err, 0)
	_, err = w.CloseReport(t.Context(), root, r.ID, chat.Decision{State: chat.ReportDismissed})
	wantKind(t, err, 0)
	_, err = w.EndSessions(t.Context(), root, "alice")
	wantKind(t, err, 0)
	var got []string
	for after := ""; ; {
		page, err := w.Activity(t.Context(), own, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Items {
			got = append(got, strings.TrimSpace(fmt.Sprint(e.Actor, " ", e.Action, " ", e.Message, " ", e.IP, e.Detail)))
		}
		if after = page.Next; after == "" {
			break
		}
	}
	want := []string{
		"root user.end_sessions", "root message.open_body " + m.ID.String(), "session.sign_in_failed 203.0.113.5", "alice session.sign_in 192.0.2.9",
	}
	for i := range got {
		got[i] = strings.Join(strings.Fields(strings.ReplaceAll(got[i], "0-0", "")), " ")
	}
	if !slices.Equal(got, want) {
		t.Errorf("alice sees\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	_, err = w.Activity(t.Context(), own, "!", 0)
	wantKind(t, err, chat.Malformed, "after")
}

// However long the log is, a page of any search reads hardly more rows than it has.
func TestAuditSearchReadsFewRows(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	alice, bob := w.two(t)
	for from := 1; from <= 30_000; from += 1000 {
		rows := make([]string, 1000)
		for i := range rows {
			n := from + i
			actor, action := root.User.ID, chat.AuditSignIn
			if n%100 == 0 {
				actor = alice.ID
			}
			if n%97 == 0 {
				action = chat.AuditEdit
			}
			rows[i] = fmt.Sprintf("('2026-01-01' + INTERVAL %d SECOND, %d, '%s', %d, '')", n, actor, action, bob.ID)
		}
		mustExec(t, w.db, "INSERT INTO audit_events (created_at, actor_id, action, subject_id, ip) VALUES "+strings.Join(rows, ", "))
	}
	day := time.Date(2026, 1, 1, 4, 0, 0, 0, time.UTC)
	for _, q := range []chat.AuditQuery{
		{}, {Action: chat.AuditEdit}, {Action: "nothing"}, {Person: "alice"}, {Person: "bob"}, {Person: "alice", Action: chat.AuditEdit}, {Person: "bob", Action: "nothing"},
		{From: day}, {To: day}, {From: day, To: day.Add(time.Hour)}, {Person: "bob", From: day, To: day.Add(time.Hour)}, {Person: "alice", Action: chat.AuditEdit, To: day},
		{From: day.AddDate(1, 0, 0)}, {To: day.AddDate(-1, 0, 0)},
	} {
		if n := w.rowsRead(t, func(s *chat.Store) {
			if _, err := s.SearchAudit(t.Context(), root, q); err != nil {
				t.Error(err)
			}
		}); n > 500 {
			t.Errorf("%+v reads %d rows", q, n)
		} else {
			t.Logf("%+v reads %d rows", q, n)
		}
	}
}

// rowsRead gives how many rows the server has read for what f does on its only connection.
func (w *world) rowsRead(t tb, f func(*chat.Store)) (n int) {
	t.Helper()
	read := func() (n int) {
		rows, err := w.db.QueryContext(context.Background(), "SHOW SESSION STATUS LIKE 'Handler_read%'")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var value int
			if err := rows.Scan(&name, &value); err != nil {
				t.Fatal(err)
			}
			n += value
		}
		return n
	}
	w.db.SetMaxOpenConns(1)
	defer w.db.SetMaxOpenConns(0)
	before := read()
	f(w.Store)
	return read() - before
}
