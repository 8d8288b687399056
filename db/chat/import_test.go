package chat_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"parley/db/chat"
	"parley/db/dbtest"
)

const importPassword = "tall beans and a heron"

// importing is a database with an Importer on it.
type importing struct {
	*testing.T
	store *chat.Store
	*chat.Importer
}

func newImporting(t *testing.T) importing {
	store := chat.New(dbtest.New(t), chat.Options{})
	return importing{t, store, importer(t, store, importPassword)}
}

func importer(t *testing.T, store *chat.Store, password string) *chat.Importer {
	t.Helper()
	i, err := store.Importer(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func importUser(username string) chat.ImportUser {
	return chat.ImportUser{Username: username, DisplayName: username, Email: username + "@example.org", CreatedAt: time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)}
}

func (t importing) people(usernames ...string) chat.ImportedUsers {
	t.Helper()
	var users []chat.ImportUser
	for _, username := range usernames {
		users = append(users, importUser(username))
	}
	all, err := t.Users(t.Context(), users)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestImportUsersTwice(t *testing.T) {
	in := newImporting(t)
	if _, err := in.store.CreateUser(t.Context(), chat.NewUser{Username: "Carol", Password: "carol's own"}); err != nil {
		t.Fatal(err)
	}
	first := in.people("bob", "carol", "ada")
	if first.Made != 2 || len(first.Users) != 2 || first.Users[0].Username != "bob" || len(first.Taken) != 1 || first.Taken[0] != "Carol" {
		t.Fatalf("the first import: %+v", first)
	}
	if again := in.people("ada", "carol", "bob"); again.Made != 0 || len(again.Users) != 2 || again.Users[0] != first.Users[1] || len(again.Taken) != 1 {
		t.Errorf("the second import: %+v after %+v", again, first)
	}
	for _, name := range []string{"B0B", "аԁа"} { // look like those who were imported
		_, err := in.store.CreateUser(t.Context(), chat.NewUser{Username: name, Password: password})
		wantKind(t, err, chat.Invalid, "username")
	}
	if none, err := in.Users(t.Context(), nil); err != nil || none.Made+len(none.Users)+len(none.Taken) != 0 {
		t.Errorf("an import of nobody: %+v %v", none, err)
	}
}

func TestImportUsersRefuses(t *testing.T) {
	in := newImporting(t)
	for field, change := range map[string]func(*chat.ImportUser){
		"username":     func(u *chat.ImportUser) { u.Username = " eve" },
		"display_name": func(u *chat.ImportUser) { u.DisplayName = "" },
		"email":        func(u *chat.ImportUser) { u.Email = "" },
	} {
		eve := importUser("eve")
		change(&eve)
		_, err := in.Users(t.Context(), []chat.ImportUser{importUser("ada"), eve})
		if rule, ok := err.(*chat.Error); !ok || rule.Kind != chat.Invalid || len(rule.Fields[field]) == 0 {
			t.Errorf("%s: %v", field, err)
		}
	}
	if found, err := in.store.AnyUser(t.Context()); found || err != nil {
		t.Errorf("somebody was imported all the same: %v", err)
	}
	if _, err := in.store.Importer(t.Context(), "short"); chat.KindOf(err) != chat.Invalid {
		t.Errorf("a short password: %v", err)
	}
}

// What is imported goes on from what was sent, and what is sent goes on from what was imported.
func TestImportMessagesBesideSent(t *testing.T) {
	in := newImporting(t)
	people := in.people("ada", "bob").Users
	ada, bob := people[0], people[1]
	send := func() chat.Message {
		m, _, err := in.store.SendMessage(t.Context(), ada, chat.Draft{Recipient: "bob", Body: "hello"})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	send()
	early := time.Now().Add(-time.Minute).UTC()
	piece := chat.ImportPiece{Pair: [2]uint64{bob.ID, ada.ID}, Read: [2]int{1, 0}, Lines: []chat.ImportLine{
		{Sender: bob.ID, ClientID: uuid.New(), Body: "one", SentAt: early}, {Sender: ada.ID, ClientID: uuid.New(), Body: "two", SentAt: early},
	}}
	if err := in.Messages(t.Context(), []chat.ImportPiece{piece}); err != nil {
		t.Fatal(err)
	}
	if m := send(); m.ID.Seq != 4 || m.Rev != 4 {
		t.Errorf("the message after an import is %+v", m)
	}
	if c, err := in.store.Conversation(t.Context(), bob, "ada"); err != nil || c.Unread != 2 {
		t.Errorf("bob has read to the first imported line, and the conversation is %+v: %v", c, err)
	}
	if err := in.Messages(t.Context(), []chat.ImportPiece{piece}); err == nil {
		t.Error("the same messages were imported twice")
	}
	if m := send(); m.ID.Seq != 5 {
		t.Errorf("a refused import left something behind: the next message is %+v", m)
	}
}

func TestImportMessagesRefuses(t *testing.T) {
	in := newImporting(t)
	people := in.people("ada", "bob", "eve").Users
	for what, change := range map[string]func(*chat.ImportPiece){
		"no lines":          func(p *chat.ImportPiece) { p.Lines, p.Read = nil, [2]int{} },
		"by a stranger":     func(p *chat.ImportPiece) { p.Lines[0].Sender = people[2].ID },
		"empty":             func(p *chat.ImportPiece) { p.Lines[0].Body = "" },
		"not trimmed":       func(p *chat.ImportPiece) { p.Lines[0].Body = "hello\n" },
		"read beyond":       func(p *chat.ImportPiece) { p.Read[1] = 2 },
		"read before a run": func(p *chat.ImportPiece) { p.Read[0] = -1 },
	} {
		good := chat.ImportPiece{Pair: [2]uint64{people[0].ID, people[1].ID}, Lines: []chat.ImportLine{{Sender: people[0].ID, ClientID: uuid.New(), Body: "hello", SentAt: time.Now()}}}
		bad := good
		bad.Lines = []chat.ImportLine{good.Lines[0]}
		change(&bad)
		if err := in.Messages(t.Context(), []chat.ImportPiece{good, bad}); err == nil {
			t.Errorf("%s: it was imported", what)
		}
	}
	if list, err := in.store.Conversations(t.Context(), people[0], chat.ConversationQuery{}); err != nil || len(list.Items) != 0 {
		t.Errorf("something was imported: %+v %v", list, err)
	}
}
