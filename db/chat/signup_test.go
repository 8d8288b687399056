package chat_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/db/chat"
)

var stranger = chat.Actor{IP: "192.0.2.7"}

// opened is a world that takes new people in this way.
func opened(t *testing.T, mode chat.SignUp) (*world, chat.Actor) {
	t.Helper()
	w := newWorldWith(t, chat.Options{RememberFor: -1})
	root := w.adminOf(t, "rosa")
	w.setMode(t, root, mode)
	return w, root
}

func (w *world) setMode(t *testing.T, root chat.Actor, mode chat.SignUp) {
	t.Helper()
	if _, err := w.EditPlace(t.Context(), root, chat.PlaceEdit{SignUp: text(string(mode))}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) signUp(username, invite string) error {
	_, err := w.SignUp(context.Background(), stranger, chat.NewUser{Username: username, Password: password}, invite)
	return err
}

func (w *world) invite(t *testing.T, actor chat.Actor, n chat.NewInvitation) (string, chat.Invitation) {
	t.Helper()
	token, i, err := w.CreateInvitation(t.Context(), actor, n)
	if err != nil {
		t.Fatal(err)
	}
	return token, i
}

// lastEvent is the newest line of the audit log.
func (w *world) lastEvent(t *testing.T, root chat.Actor) chat.AuditEvent {
	t.Helper()
	log, err := w.AuditEvents(t.Context(), root, "", 1)
	if err != nil || len(log.Items) != 1 {
		t.Fatalf("the log has %+v: %v", log.Items, err)
	}
	return log.Items[0]
}

func TestSignUpWhereEverybodyMay(t *testing.T) {
	w, root := opened(t, chat.SignUpOpen)
	user, err := w.SignUp(t.Context(), stranger, chat.NewUser{Username: " Alice ", DisplayName: "Alice A.", Password: password, IsAdmin: true}, "")
	if err != nil || user.Username != "Alice" || user.DisplayName != "Alice A." || user.IsAdmin {
		t.Fatalf("%+v: %v", user, err)
	}
	if found, err := w.Authenticate(t.Context(), "alice", password); err != nil || found.IsAdmin {
		t.Errorf("signing in gives %+v: %v", found, err)
	}
	if e := w.lastEvent(t, root); e.Action != chat.AuditSignUp || e.Actor != "Alice" || e.IP != stranger.IP || e.Subject != "Alice" || e.Detail != "" {
		t.Errorf("the log has %+v", e)
	}
	for field, n := range map[string]chat.NewUser{
		"username":     {Username: "ALICE"},
		"display_name": {Username: "bob", DisplayName: "Administrator"},
		"email":        {Username: "bob", Email: "bob"},
		"password":     {Username: "bob", Password: "short"},
	} {
		if n.Password == "" {
			n.Password = password
		}
		_, err := w.SignUp(t.Context(), stranger, n, "no such invitation")
		wantKind(t, err, chat.Invalid, field)
	}
	for _, reserved := range []string{"Admin", "supp0rt", "раrlеу", "wẅw"} {
		wantKind(t, w.signUp(reserved, ""), chat.Invalid, "username")
		if _, err := w.CreateAccount(t.Context(), root, chat.NewUser{Username: reserved, Password: password}); reserved != "раrlеу" && err != nil {
			t.Errorf("an admin can't make %s: %v", reserved, err)
		}
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM users"); n != 5 {
		t.Errorf("there are %d accounts", n)
	}
}

// Whoever signs up can't find out whether an address is somebody's: the account is made without it, either way. Mail tells
// whoever reads it.
func TestSignUpTellsNothingOfAddresses(t *testing.T) {
	w, _ := opened(t, chat.SignUpOpen)
	w.withEmail(t, "alice", "alice@example.org")
	squatted := w.people(t, "squatter")[0]
	w.setEmail(t, squatted, "squatted@example.org", false)
	for name, c := range map[string]struct {
		email, to, about string
		kind             chat.MailKind
	}{
		"taken":    {"ALICE@Example.org", "alice@example.org", "alice", chat.MailEmailTaken},
		"free":     {"free@example.org", "free@example.org", "free", chat.MailConfirm},
		"someones": {"Squatted@example.org", "Squatted@example.org", "someones", chat.MailConfirm}, // who hasn't shown that it is theirs
		"without":  {},
	} {
		user, err := w.SignUp(t.Context(), stranger, chat.NewUser{Username: name, Email: c.email, Password: password}, "")
		if err != nil || user.Email != "" {
			t.Errorf("%s: %+v: %v", name, user, err)
		}
		if own, err := w.Profile(t.Context(), chat.Actor{User: user}); err != nil || own.Email != "" {
			t.Errorf("%s sees the address %q: %v", name, own.Email, err)
		}
		got := w.deliver(t, &postbox{})
		if len(got) > 1 || len(got) == 1 != (c.to != "") {
			t.Fatalf("%s: the mail is %+v", name, got)
		}
		if c.to != "" && (got[0].To != c.to || got[0].Kind != c.kind || got[0].User.Username != c.about) {
			t.Errorf("%s: the mail is %+v", name, got[0])
		}
		if name != "free" {
			continue
		}
		if _, err := w.Confirm(t.Context(), got[0].Token, stranger.IP); err != nil {
			t.Error(err)
		}
		if own, err := w.Profile(t.Context(), chat.Actor{User: user}); err != nil || own.Email != c.email || own.EmailConfirmedAt.IsZero() {
			t.Errorf("the link was followed, and the address is %q: %v", own.Email, err)
		}
	}
}

func TestSignUpWhereNobodyMay(t *testing.T) {
	w, root := opened(t, chat.SignUpInvited)
	alice := w.people(t, "alice")[0]
	ours, _ := w.invite(t, chat.Actor{User: alice}, chat.NewInvitation{})
	admins, _ := w.invite(t, root, chat.NewInvitation{Note: "for Bob"})
	wantKind(t, w.signUp("mallory", ""), chat.Forbidden)
	w.setMode(t, root, chat.SignUpClosed)
	for name, token := range map[string]string{"nothing": "", "what is none": "abc", "another's invitation": ours} {
		wantKind(t, w.signUp("mallory", token), chat.Forbidden)
		if _, err := w.MaySignUp(t.Context(), token); chat.KindOf(err) != chat.Forbidden {
			t.Errorf("with %s: %v", name, err)
		}
	}
	_, _, err := w.CreateInvitation(t.Context(), chat.Actor{User: alice}, chat.NewInvitation{})
	wantKind(t, err, chat.Forbidden)
	wantKind(t, w.signUp("bob", admins), 0) // an admin's word holds
	if e := w.lastEvent(t, root); e.Action != chat.AuditUseInvite || e.Actor != "bob" || e.Subject != "rosa" || e.Detail != "" {
		t.Errorf("the log has %+v", e)
	}
}

func TestInvitationsEnd(t *testing.T) {
	w, root := opened(t, chat.SignUpInvited)
	people := w.people(t, "alice", "gone")
	alice, gone := chat.Actor{User: people[0]}, chat.Actor{User: people[1]}
	used, _ := w.invite(t, alice, chat.NewInvitation{Uses: 2})
	revoked, r := w.invite(t, alice, chat.NewInvitation{Note: " a  note "})
	late, _ := w.invite(t, alice, chat.NewInvitation{Days: 1})
	left, _ := w.invite(t, gone, chat.NewInvitation{})
	offer, err := w.MaySignUp(t.Context(), used)
	if err != nil || offer.InvitedBy.Username != "alice" || offer.Place.SignUp != chat.SignUpInvited {
		t.Errorf("the offer is %+v: %v", offer, err)
	}
	wantKind(t, w.signUp("one", used), 0)
	wantKind(t, w.signUp("one", used), chat.Invalid, "username") // which uses nothing
	wantKind(t, w.signUp("two", used), 0)
	if i, err := w.RevokeInvitation(t.Context(), alice, r.ID); err != nil || i.RevokedAt.IsZero() || i.Note != "a note" {
		t.Errorf("%+v: %v", i, err)
	}
	w.clock.move(24*time.Hour + time.Second)
	w.disable(t, gone.User)
	for name, token := range map[string]string{"used up": used, "revoked": revoked, "expired": late, "of somebody disabled": left, "nobody's": "abc"} {
		_, err := w.MaySignUp(t.Context(), token)
		if wantKind(t, err, chat.Forbidden); t.Failed() {
			t.Fatalf("the one that is %s", name)
		}
		wantKind(t, w.signUp("three", token), chat.Forbidden)
	}
	all, err := w.AllInvitations(t.Context(), root, "", 0)
	if err != nil || len(all.Items) != 4 || len(all.Items[3].UsedBy) != 2 || all.Items[3].UsedBy[1].User.Username != "two" || all.Items[0].CreatedBy.Username != "gone" {
		t.Errorf("there are %+v: %v", all.Items, err)
	}
}

// The use is counted in the transaction that makes the account: of many who use the last one, one gets in.
func TestTheLastUseAtTheSameTime(t *testing.T) {
	w, root := opened(t, chat.SignUpInvited)
	token, _ := w.invite(t, root, chat.NewInvitation{Uses: 2})
	wantKind(t, w.signUp("first", token), 0)
	w.BePatient(patience)
	free := w.holdInvitations(t)
	errs := make([]error, 6)
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(len(errs), func(i int) { errs[i] = w.signUp(fmt.Sprint("racer", i), token) })
	}()
	const waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '-- name: UseInvitation%'"
	eventually(t, "all to have found one use left", func() bool { return count(t, w.db, waiting) == len(errs) })
	free()
	<-done
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		wantKind(t, err, chat.Forbidden)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM users"); made != 1 || n != 3 {
		t.Errorf("%d got in, and there are %d accounts", made, n)
	}
	if n := count(t, w.db, "SELECT uses FROM invitations"); n != 2 {
		t.Errorf("%d uses are counted", n)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM skeletons"); n != 2 { // people makes none
		t.Errorf("%d skeletons are there", n)
	}
}

// holdInvitations has whoever would use one wait until free is called.
func (w *world) holdInvitations(t *testing.T) (free func()) {
	t.Helper()
	tx, err := w.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	free = sync.OnceFunc(func() { _ = tx.Rollback() }) // nothing was written
	t.Cleanup(free)
	if _, err := tx.Exec("SELECT id FROM invitations FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	return free
}

func TestInvitationRules(t *testing.T) {
	w, root := opened(t, chat.SignUpOpen)
	people := w.people(t, "alice", "bob")
	alice, bob := chat.Actor{User: people[0]}, chat.Actor{User: people[1]}
	for field, n := range map[string]chat.NewInvitation{
		"note": {Note: strings.Repeat("x", 101)}, "days": {Days: 91}, "uses": {Uses: 101},
	} {
		_, _, err := w.CreateInvitation(t.Context(), alice, n)
		wantKind(t, err, chat.Invalid, field)
	}
	_, _, err := w.CreateInvitation(t.Context(), alice, chat.NewInvitation{Note: "a\u202eb", Days: -1, Uses: -1})
	wantKind(t, err, chat.Invalid, "days", "note", "uses")
	token, i := w.invite(t, alice, chat.NewInvitation{})
	if i.UsesAllowed != 1 || !i.ExpiresAt.Equal(i.CreatedAt.AddDate(0, 0, 7)) || len(token) < 22 {
		t.Errorf("by default it is %+v", i)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM invitations WHERE token_hash = UNHEX(SHA2(?, 256))", token); n != 1 {
		t.Error("the token's hash isn't what is stored")
	}
	_, err = w.RevokeInvitation(t.Context(), bob, i.ID)
	wantKind(t, err, chat.NotFound)
	_, err = w.RevokeAnyInvitation(t.Context(), bob, i.ID)
	wantKind(t, err, chat.NotFound)
	_, err = w.AllInvitations(t.Context(), bob, "", 0)
	wantKind(t, err, chat.NotFound)
	if mine, err := w.Invitations(t.Context(), bob, "", 0); err != nil || len(mine.Items) != 0 {
		t.Errorf("bob sees %+v: %v", mine.Items, err)
	}
	if _, err = w.RevokeAnyInvitation(t.Context(), root, i.ID); err != nil {
		t.Error(err)
	}
	if e := w.lastEvent(t, root); e.Action != chat.AuditUninvite || e.Actor != "rosa" || e.Subject != "alice" {
		t.Errorf("the log has %+v", e)
	}
	for range 3 {
		w.invite(t, alice, chat.NewInvitation{})
	}
	first, err := w.Invitations(t.Context(), alice, "", 3)
	if err != nil || len(first.Items) != 3 || first.Next == "" {
		t.Fatalf("%+v: %v", first, err)
	}
	if rest, err := w.Invitations(t.Context(), alice, first.Next, 3); err != nil || len(rest.Items) != 1 || rest.Items[0].ID != i.ID || rest.Next != "" {
		t.Errorf("the rest is %+v: %v", rest, err)
	}
}

func TestOpenInvitationsAreBounded(t *testing.T) {
	w, _ := opened(t, chat.SignUpOpen)
	alice := chat.Actor{User: w.people(t, "alice")[0]}
	var last chat.Invitation
	for range chat.MaxOpenInvitations {
		_, last = w.invite(t, alice, chat.NewInvitation{})
	}
	_, _, err := w.CreateInvitation(t.Context(), alice, chat.NewInvitation{})
	wantKind(t, err, chat.Invalid)
	if _, err := w.RevokeInvitation(t.Context(), alice, last.ID); err != nil {
		t.Fatal(err)
	}
	w.invite(t, alice, chat.NewInvitation{})
}

// A display name may be anybody's, but nobody can look like those who have a say here.
func TestDisplayNamesThatLookOfficial(t *testing.T) {
	w, root := opened(t, chat.SignUpOpen)
	if _, err := w.FillSkeletons(t.Context()); err != nil { // rosa's
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob"} {
		wantKind(t, w.signUp(name, ""), 0)
	}
	bob, err := w.UserByName(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{"alice": true, "Alice": true, "Bob": true, "rosa": false, "R0SA": false, "Rоsа": false, "Rosa B.": true, "Admin": false, "Support": false, "Supp0rt": false} {
		_, err := w.EditProfile(t.Context(), chat.Actor{User: bob}, chat.ProfileEdit{DisplayName: text(name)})
		if (err == nil) != ok {
			t.Errorf("bob calls himself %q: %v", name, err)
		} else if err != nil {
			wantKind(t, err, chat.Invalid, "display_name")
		}
	}
	if _, err := w.EditProfile(t.Context(), root, chat.ProfileEdit{DisplayName: text("Admin")}); err != nil {
		t.Error(err)
	}
}

// Whoever invited somebody and leaves is in nobody's lines of the audit log by name, nor is what they noted.
func TestInvitersLeaveNoName(t *testing.T) {
	w, root := opened(t, chat.SignUpInvited)
	alice := w.leaver(t)
	token, _ := w.invite(t, chat.Actor{User: alice}, chat.NewInvitation{Note: "secretnoted"})
	wantKind(t, w.signUp("bob", token), 0)
	if err := leave(w, alice, false); err != nil {
		t.Fatal(err)
	}
	w.finish(t)
	eachText(t, w.db, func(where, text string) {
		if lower := strings.ToLower(text); strings.Contains(lower, "leaver") || strings.Contains(lower, "secretnoted") {
			t.Errorf("%s still has %q", where, text)
		}
	})
	all, err := w.AllInvitations(t.Context(), root, "", 0)
	if err != nil || len(all.Items) != 1 || all.Items[0].UsedBy[0].User.Username != "bob" || all.Items[0].CreatedBy.DisplayName != chat.DeletedName {
		t.Errorf("there are %+v: %v", all.Items, err)
	}
}
