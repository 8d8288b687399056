package chat_test

import (
	"slices"
	"strings"
	"testing"

	"parley/db/chat"
)

func (w *world) report(t tb, by chat.User, id chat.MessageID) chat.Report {
	t.Helper()
	r, replayed, err := w.Report(t.Context(), chat.Actor{User: by, IP: "192.0.2.9"}, id, chat.ReportDraft{Reason: chat.ReasonSpam, Note: "look"})
	if err != nil || replayed {
		t.Fatalf("%s reports %s: replayed %t, %v", by.Username, id, replayed, err)
	}
	return r
}

func TestReport(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	root := w.adminOf(t, "root")
	m := w.send(t, alice, bob, "buy this")
	r, replayed, err := w.Report(t.Context(), chat.Actor{User: bob}, m.ID, chat.ReportDraft{Reason: chat.ReasonSpam, Note: "  look\r\nhere "})
	want := chat.Report{ID: r.ID, At: r.At, Reporter: "bob", Subject: "alice", Message: m.ID, SentAt: m.SentAt, Characters: 8,
		Reason: chat.ReasonSpam, Note: "look\nhere", State: chat.ReportOpen}
	if r != want || replayed || err != nil {
		t.Errorf("it gives %+v, replayed %t: %v", r, replayed, err)
	}
	mustExec(t, w.db, "UPDATE messages SET body = 'something else'")
	opened, body, err := w.OpenReport(t.Context(), root, r.ID)
	if opened != want || body != "buy this" || err != nil {
		t.Errorf("an admin sees %+v with %q: %v", opened, body, err)
	}
	if found, err := w.FindReport(t.Context(), root, r.ID); found != want || err != nil {
		t.Errorf("an admin finds %+v: %v", found, err)
	}
	log := []string{"bob report.create alice (spam)", "root message.open_body alice (report 1)"}
	if got := w.log(t); !slices.Equal(got, log) {
		t.Errorf("the log is %q", got)
	}
}

func TestWhatCanBeReported(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	carl := w.people(t, "carl")[0]
	m := w.send(t, alice, bob, "hello")
	spam := chat.ReportDraft{Reason: chat.ReasonSpam}
	try := func(by chat.User, id chat.MessageID, d chat.ReportDraft, kind chat.Kind, fields ...string) {
		t.Helper()
		_, _, err := w.Report(t.Context(), chat.Actor{User: by}, id, d)
		wantKind(t, err, kind, fields...)
	}
	try(carl, m.ID, spam, chat.NotFound)
	try(chat.User{}, m.ID, spam, chat.NotFound)
	try(bob, chat.MessageID{Conversation: m.ID.Conversation, Seq: 2}, spam, chat.NotFound)
	try(alice, m.ID, spam, chat.Invalid)
	try(bob, m.ID, chat.ReportDraft{}, chat.Invalid, "reason")
	try(bob, m.ID, chat.ReportDraft{Reason: "Spam", Note: strings.Repeat("x", 1001)}, chat.Invalid, "note", "reason")
	try(bob, m.ID, chat.ReportDraft{Reason: "spam", Note: "\xff"}, chat.Invalid, "note")
	for by, kind := range map[chat.User]chat.Kind{carl: chat.NotFound, alice: chat.Invalid, bob: 0} {
		_, reported, err := w.ReportableMessage(t.Context(), chat.Actor{User: by}, m.ID)
		if wantKind(t, err, kind); reported {
			t.Error("it is said to be reported")
		}
	}
	mustExec(t, w.db, "UPDATE messages SET deleted_at = created_at")
	try(bob, m.ID, spam, chat.Invalid)
	if n := count(t, w.db, "SELECT (SELECT COUNT(*) FROM reports) + (SELECT COUNT(*) FROM audit_events)"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

// There is one open report of a message by each of its readers, whoever presses how often; a closed one is no hindrance.
func TestOneOpenReport(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	root := w.adminOf(t, "root")
	m := w.send(t, alice, bob, "hello")
	draft := chat.ReportDraft{Reason: chat.ReasonThreat}
	replays := make(chan bool, 8)
	together(8, func(int) {
		_, replayed, err := w.Report(t.Context(), chat.Actor{User: bob}, m.ID, draft)
		if err != nil {
			t.Error(err)
		}
		replays <- replayed
	})
	close(replays)
	fresh := 0
	for replayed := range replays {
		if !replayed {
			fresh++
		}
	}
	if fresh != 1 || len(w.log(t)) != 1 {
		t.Errorf("%d were no replays, and the log is %q", fresh, w.log(t))
	}
	_, _, err := w.Report(t.Context(), chat.Actor{User: bob}, m.ID, chat.ReportDraft{Reason: chat.ReasonOther})
	wantKind(t, err, chat.Conflict)
	if _, reported, err := w.ReportableMessage(t.Context(), chat.Actor{User: bob}, m.ID); !reported || err != nil {
		t.Errorf("reported: %t, %v", reported, err)
	}
	for number := range uint64(2) {
		_, err = w.CloseReport(t.Context(), root, count64(t, w, "SELECT MAX(id) FROM reports"), chat.Decision{State: chat.ReportUpheld})
		wantKind(t, err, 0)
		if _, replayed, err := w.Report(t.Context(), chat.Actor{User: bob}, m.ID, draft); replayed || err != nil {
			t.Errorf("after %d it is replayed: %t, %v", number, replayed, err)
		}
	}
}

func count64(t tb, w *world, query string) uint64 { return uint64(count(t, w.db, query)) }

func TestReportQueue(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	root := w.adminOf(t, "root")
	var numbers []uint64
	for range 6 {
		numbers = append(numbers, w.report(t, bob, w.send(t, alice, bob, "hello").ID).ID)
	}
	for _, i := range []int{3, 0, 5} {
		_, err := w.CloseReport(t.Context(), root, numbers[i], chat.Decision{State: chat.ReportDismissed})
		wantKind(t, err, 0)
	}
	want := []uint64{numbers[4], numbers[2], numbers[1], numbers[5], numbers[3], numbers[0]}
	for limit := 1; limit <= 7; limit++ {
		var got []uint64
		for after := ""; ; {
			page, err := w.Reports(t.Context(), root, after, limit)
			if err != nil || len(page.Items) > limit {
				t.Fatalf("%+v: %v", page, err)
			}
			for _, r := range page.Items {
				got = append(got, r.ID)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d the queue is %v, want %v", limit, got, want)
		}
	}
	if n, err := w.CountOpenReports(t.Context()); n != 3 || err != nil {
		t.Errorf("%d wait: %v", n, err)
	}
	for _, cursor := range []string{"!", "eA", "bw"} {
		_, err := w.Reports(t.Context(), root, cursor, 0)
		wantKind(t, err, chat.Malformed, "after")
	}
}

func TestCloseReport(t *testing.T) {
	w := newWorld(t)
	root, other := w.adminOf(t, "root"), w.adminOf(t, "other")
	alice := w.people(t, "alice")[0]
	r := w.report(t, root.User, w.send(t, alice, root.User, "hello").ID)
	_, err := w.CloseReport(t.Context(), root, r.ID, chat.Decision{State: chat.ReportOpen, Note: strings.Repeat("x", 1001)})
	wantKind(t, err, chat.Invalid, "decision", "note")
	_, err = w.CloseReport(t.Context(), root, 77, chat.Decision{State: chat.ReportUpheld})
	wantKind(t, err, chat.NotFound)
	d := chat.Decision{State: chat.ReportUpheld, Note: "disabled"}
	for range 2 {
		closed, err := w.CloseReport(t.Context(), root, r.ID, d)
		if err != nil || closed.State != chat.ReportUpheld || closed.ClosedBy != "root" || !closed.CloserIn || closed.CloseNote != "disabled" || closed.ClosedAt.IsZero() {
			t.Errorf("closed it is %+v: %v", closed, err)
		}
	}
	_, err = w.CloseReport(t.Context(), other, r.ID, d)
	wantKind(t, err, chat.Conflict)
	own, err := w.OwnReports(t.Context(), root, "", 0)
	if err != nil || len(own.Items) != 1 || own.Items[0].CloseNote != "" || own.Items[0].State != chat.ReportUpheld || own.Items[0].ClosedBy != "root" {
		t.Errorf("the reporter sees %+v: %v", own.Items, err)
	}
	if log := w.log(t); len(log) != 2 || log[1] != "root report.close alice (report 1: upheld)" {
		t.Errorf("the log is %q", log)
	}
	second := w.report(t, root.User, w.send(t, alice, root.User, "again").ID)
	if closed, err := w.CloseReport(t.Context(), other, second.ID, d); err != nil || closed.CloserIn {
		t.Errorf("closed by somebody else it is %+v: %v", closed, err)
	}
}

func TestOwnReports(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	w.report(t, bob, w.send(t, alice, bob, "one").ID)
	w.report(t, alice, w.send(t, bob, alice, "two").ID)
	w.report(t, bob, w.send(t, alice, bob, "three").ID)
	first, err := w.OwnReports(t.Context(), chat.Actor{User: bob}, "", 1)
	wantKind(t, err, 0)
	second, err := w.OwnReports(t.Context(), chat.Actor{User: bob}, first.Next, 1)
	wantKind(t, err, 0)
	if len(first.Items) != 1 || first.Items[0].ID != 3 || len(second.Items) != 1 || second.Items[0].ID != 1 || second.Next != "" {
		t.Errorf("bob's are %+v, then %+v", first, second)
	}
}

// Where it can't be written down, nobody reads the reported text.
func TestOpenReportNeedsItsAuditEvent(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	root := w.adminOf(t, "root")
	r := w.report(t, bob, w.send(t, alice, bob, "secret").ID)
	mustExec(t, w.db, "RENAME TABLE audit_events TO elsewhere")
	if _, body, err := w.OpenReport(t.Context(), root, r.ID); err == nil || body != "" {
		t.Errorf("it gives %q: %v", body, err)
	}
	_, _, err := w.OpenReport(t.Context(), chat.Actor{User: bob}, r.ID)
	wantKind(t, err, chat.NotFound)
}
