package chat_test

import (
	"fmt"
	"testing"

	"parley/db/chat"
)

func TestExportHoldsAllThatIsOnesOwn(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	both := w.people(t, "bob", "carol")
	bob, carol := both[0], both[1]
	for i := range 230 { // more than is read at once
		w.send(t, alice, bob, fmt.Sprint("a", i))
		w.send(t, bob, alice, fmt.Sprint("b", i))
	}
	w.send(t, alice, alice, "note")
	w.send(t, bob, carol, "secret of bob and carol")
	self := chat.Actor{User: alice, IP: "192.0.2.9"}
	if reach, err := w.ExportReach(t.Context(), self); err != nil || reach != (chat.ExportReach{Conversations: 2, Messages: 461}) {
		t.Errorf("the reach is %+v, %v", reach, err)
	}
	_, err := w.Export(t.Context(), self, "wrong")
	wantKind(t, err, chat.Invalid, "current_password")
	e, err := w.Export(t.Context(), self, leaversPassword)
	if err != nil {
		t.Fatal(err)
	}
	late := w.send(t, bob, alice, "after the export began")
	messages, conversations := 0, 0
	for c, err := range e.Conversations(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		conversations++
		seq := uint64(0)
		for m, err := range e.Messages(t.Context(), c) {
			if err != nil {
				t.Fatal(err)
			}
			if m.ID.Seq != seq+1 || m.ID == late.ID || m.ID.Conversation != c.ID || m.Sender.ID != alice.ID && m.Sender.ID != bob.ID {
				t.Fatalf("after %d comes %+v", seq, m)
			}
			seq = m.ID.Seq
			messages++
		}
	}
	if conversations != 2 || messages != 461 {
		t.Errorf("%d conversations and %d messages were exported", conversations, messages)
	}
	for s, err := range e.Sessions(t.Context()) {
		if err != nil || s.UserAgent != "alicebrowser" {
			t.Errorf("a session is %+v, %v", s, err)
		}
	}
}

// Of what others did to the account it says what, and neither who nor from where.
func TestExportTellsNothingOfOthers(t *testing.T) {
	w := newWorld(t)
	alice := w.leaver(t)
	root := w.people(t, "root")[0]
	mustExec(t, w.db, "UPDATE users SET is_admin = TRUE WHERE id = ?", root.ID)
	admin := chat.Actor{User: root, IP: "203.0.113.5"}
	if _, err := w.EndSessions(t.Context(), admin, alice.Username); err != nil {
		t.Fatal(err)
	}
	if _, err := w.DisableUser(t.Context(), admin, w.people(t, "bob")[0].Username); err != nil {
		t.Fatal(err)
	}
	e, err := w.Export(t.Context(), chat.Actor{User: alice, IP: "192.0.2.9"}, leaversPassword)
	if err != nil {
		t.Fatal(err)
	}
	var actions []chat.AuditAction
	for event, err := range e.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		actions = append(actions, event.Action)
		if event.IP == admin.IP || event.Subject == "bob" || event.Subject == "root" {
			t.Errorf("an event tells of others: %+v", event)
		}
		if event.Action == chat.AuditExportOwn && (!event.Own || event.IP != "192.0.2.9") {
			t.Errorf("one's own event is %+v", event)
		}
	}
	if got, want := fmt.Sprint(actions), "[own.edit own.set_photo session.sign_in user.end_sessions own.export]"; got != want {
		t.Errorf("the events are %s, want %s", got, want)
	}
}
