package handlers

import (
	"net/http"
	"testing"
	"time"

	"parley/db/chat"
	"parley/views"
)

// confirmation has alice, whose address isn't confirmed, ask for a link, and gives the path that it leads to.
func (w *world) confirmation(alice *visitor) string {
	w.t.Helper()
	if _, err := w.db.Exec("UPDATE users SET email = 'alice@example.org', email_key = 'alice@example.org' WHERE username = 'alice'"); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.AskConfirmation(w.t.Context(), chat.Actor{User: alice.user}); err != nil {
		w.t.Fatal(err)
	}
	got := w.deliver()
	if len(got) != 1 || got[0].Kind != chat.MailConfirm {
		w.t.Fatalf("the mails are %+v", got)
	}
	return views.ConfirmPath + got[0].Token
}

func TestConfirm(t *testing.T) {
	w := newWorld(t, sendsMail)
	alice, root := w.person("alice"), w.admin("root")
	link := w.confirmation(alice)
	root.get("/admin/users/alice", asPage).want(200).wantText("Not confirmed")
	for range 2 {
		w.nobody().get(link, asJSON).want(200).wantJSON(`{"user":"alice","email":"alice@example.org"}`)
		w.nobody().get(link, asPage).want(200).wantText("alice@example.org", "Confirm this address").wantHeader("Referrer-Policy", "strict-origin")
	}
	root.get("/admin/users/alice", asPage).want(200).wantText("Not confirmed")
	w.nobody().post(link, asPage, form()).want(303).wantHeader("Location", "/email/confirmed")
	w.nobody().get("/email/confirmed", asPage).want(200).wantText("is confirmed")
	root.get("/admin/users/alice", asPage).want(200).wantNoText("Not confirmed")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		w.nobody().do(method, link, asPage, form()).want(404).wantText("This link has ended")
		w.nobody().do(method, link, asJSON, form()).wantProblem(404)
	}
}

func TestConfirmAsAProgram(t *testing.T) {
	w := newWorld(t, sendsMail)
	w.nobody().post(w.confirmation(w.person("alice")), asJSON, object(fields{})).want(200).wantJSON(`{"user":"alice","email":"alice@example.org"}`)
}

func TestConfirmWhatSomebodyElseHas(t *testing.T) {
	w := newWorld(t, sendsMail)
	link := w.confirmation(w.person("alice"))
	if _, err := w.db.Exec("UPDATE users SET email = NULL, email_key = NULL"); err != nil {
		t.Fatal(err)
	}
	w.nobody().get(link, asPage).want(404) // what it rests on has changed
	w.clock.advance(10 * time.Minute)
	link = w.confirmation(w.signIn(mustFind(w, "alice")))
	if _, err := w.db.Exec("UPDATE links SET email = 'bob@example.org'"); err != nil {
		t.Fatal(err)
	}
	w.withEmail("bob")
	w.nobody().post(link, asJSON, form()).wantFields(422, "email")
	w.nobody().post(link, asPage, form()).want(422).wantText("Another account has this e-mail address", "bob@example.org")
}

func mustFind(w *world, username string) chat.User {
	w.t.Helper()
	u, err := w.store.UserByName(w.t.Context(), username)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}
