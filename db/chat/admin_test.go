package chat_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/db/chat"
	"parley/db/dbtest"
)

// office is a database with an admin in it, and what the windows were told.
type office struct {
	*testing.T
	db    *sql.DB
	store *chat.Store
	ada   chat.Actor // an admin

	mu     sync.Mutex
	events []chat.Event
}

func newOffice(t *testing.T) *office {
	o := &office{T: t, db: dbtest.New(t)}
	o.store = chat.New(o.db, chat.Options{Notifier: chat.NotifierFunc(func(events ...chat.Event) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.events = append(o.events, events...)
	})})
	o.ada = o.actor("ada", true)
	return o
}

// user makes an account without the price of a password.
func (o *office) user(username string, admin bool) chat.User {
	o.Helper()
	_, err := o.db.Exec("INSERT INTO users (username, username_key, display_name, search_key, email, email_key, password_hash, is_admin, created_at) VALUES (?, ?, ?, ?, ?, ?, '', ?, NOW(6))",
		username, username, "The "+username, username+" the "+username, username+"@example.org", username+"@example.org", admin)
	o.must(err)
	u, err := o.store.UserByName(o.Context(), username)
	o.must(err)
	return u
}

func (o *office) actor(username string, admin bool) chat.Actor {
	return chat.Actor{User: o.user(username, admin), IP: "192.0.2.7"}
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) account(username string) chat.Account {
	o.Helper()
	u, err := o.store.UserByName(o.Context(), username)
	o.must(err)
	return chat.Account{User: u}
}

// log is the audit log, oldest first, in the form "ada user.edit bob".
func (o *office) log() (lines []string) {
	o.Helper()
	rows, err := o.db.Query("SELECT CONCAT_WS(' ', a.username, e.action, s.username, CONCAT(e.conversation_id, '-', e.seq)) FROM audit_events e JOIN users a ON a.id = e.actor_id LEFT JOIN users s ON s.id = e.subject_id WHERE e.action NOT LIKE 'session.sign%' ORDER BY e.id")
	o.must(err)
	defer rows.Close()
	for rows.Next() {
		var line string
		o.must(rows.Scan(&line))
		lines = append(lines, line)
	}
	o.must(rows.Err())
	return lines
}

func (o *office) wantLog(want ...string) {
	o.Helper()
	if got := o.log(); !slices.Equal(got, want) {
		o.Errorf("the audit log is\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (o *office) wantKind(what string, err error, kind chat.Kind, fields ...string) {
	o.Helper()
	if chat.KindOf(err) != kind {
		o.Errorf("%s: the error is %v, not of kind %v", what, err, kind)
		return
	}
	rule, _ := errors.AsType[*chat.Error](err)
	for _, field := range fields {
		if len(rule.Fields[field]) == 0 {
			o.Errorf("%s: nothing is said about %s: %v", what, field, err)
		}
	}
	if len(rule.Fields) != len(fields) {
		o.Errorf("%s: the fields are %v and not %v", what, rule.Fields, fields)
	}
}

// ended says for whom all windows were told to close.
func (o *office) ended() (users []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.events {
		if e.Type == chat.EventSessionEnded && len(e.Session) == 0 {
			users = append(users, e.To)
		}
	}
	return users
}

func (o *office) session(u chat.User) (token string) {
	o.Helper()
	token, _, err := o.store.StartSession(o.Context(), u, chat.Device{})
	o.must(err)
	return token
}

func (o *office) send(from chat.User, to, body string) chat.Message {
	o.Helper()
	m, _, err := o.store.SendMessage(o.Context(), from, chat.Draft{Recipient: to, Body: body})
	o.must(err)
	return m
}

// everything is each of the things that only admins may do, done to bob and his message.
func everything(s *chat.Store, ctx context.Context, a chat.Actor, id chat.MessageID) map[string]error {
	did := map[string]error{}
	_, did["Accounts"] = s.Accounts(ctx, a, chat.UserQuery{})
	_, did["Account"] = s.Account(ctx, a, "bob")
	_, did["CreateAccount"] = s.CreateAccount(ctx, a, chat.NewUser{Username: "new", Password: "correct horse"})
	_, did["CreateAccount, wrongly filled in"] = s.CreateAccount(ctx, a, chat.NewUser{})
	_, did["EditUser"] = s.EditUser(ctx, a, "bob", chat.UserEdit{IsAdmin: new(true), DisplayName: new("Robert")})
	_, did["EditUser, wrongly filled in"] = s.EditUser(ctx, a, "bob", chat.UserEdit{Email: new("x")})
	_, did["DisableUser"] = s.DisableUser(ctx, a, "bob")
	_, did["EnableUser"] = s.EnableUser(ctx, a, "bob")
	_, did["EndSessions"] = s.EndSessions(ctx, a, "bob")
	_, did["EndSessions of nobody"] = s.EndSessions(ctx, a, "nobody")
	_, did["Messages"] = s.Messages(ctx, a, chat.MessageQuery{})
	_, did["Messages of nobody"] = s.Messages(ctx, a, chat.MessageQuery{Person: "nobody"})
	_, did["MessageFacts"] = s.MessageFacts(ctx, a, id)
	_, _, did["OpenBody"] = s.OpenBody(ctx, a, id)
	_, did["AuditEvents"] = s.AuditEvents(ctx, a, "", 0)
	_, did["SearchAudit of nobody"] = s.SearchAudit(ctx, a, chat.AuditQuery{Person: "nobody"})
	_, did["ExportAudit"] = s.ExportAudit(ctx, a, chat.AuditQuery{})
	_, did["Reports"] = s.Reports(ctx, a, "", 0)
	_, did["FindReport"] = s.FindReport(ctx, a, 1)
	_, _, did["OpenReport"] = s.OpenReport(ctx, a, 1)
	_, did["CloseReport"] = s.CloseReport(ctx, a, 1, chat.Decision{State: chat.ReportUpheld})
	_, did["CloseReport, wrongly filled in"] = s.CloseReport(ctx, a, 1, chat.Decision{})
	return did
}

func TestOnlyAdminsAdminister(t *testing.T) {
	o := newOffice(t)
	bob, demoted, disabled := o.user("bob", false), o.actor("demoted", true), o.actor("disabled", true)
	m := o.send(bob, "ada", "hello")
	token := o.session(bob)
	bob = o.account("bob").User // seen now
	o.must(exec(o.db, "UPDATE users SET is_admin = FALSE WHERE username = 'demoted'"))
	o.must(exec(o.db, "UPDATE users SET disabled_at = NOW(6) WHERE username = 'disabled'"))
	texts := map[string]bool{}
	for name, a := range map[string]chat.Actor{"a plain user": {User: bob}, "somebody just demoted": demoted, "somebody just disabled": disabled, "nobody": {}} {
		for what, err := range everything(o.store, t.Context(), a, m.ID) {
			o.wantKind(name+": "+what, err, chat.NotFound)
			if err != nil {
				texts[err.Error()] = true
			}
		}
	}
	if len(texts) != 1 {
		t.Errorf("the answers tell things apart: %v", texts)
	}
	o.wantLog()
	if after := o.account("bob"); after.User != bob {
		t.Errorf("bob is now %+v", after.User)
	}
	if _, err := o.store.SessionByToken(t.Context(), token); err != nil {
		t.Errorf("bob's session: %v", err)
	}
	if _, err := o.store.UserByName(t.Context(), "new"); chat.KindOf(err) != chat.NotFound {
		t.Error("an account was made")
	}
}

func exec(db *sql.DB, statement string, args ...any) error {
	_, err := db.Exec(statement, args...)
	return err
}

func TestLastAdmin(t *testing.T) {
	o := newOffice(t)
	o.must(exec(o.db, "UPDATE users SET disabled_at = NOW(6) WHERE id = ?", o.user("eve", true).ID))
	token := o.session(o.ada.User)

	_, err := o.store.DisableUser(t.Context(), o.ada, "ada")
	o.wantKind("disabling the last admin", err, chat.Invalid)
	_, err = o.store.EditUser(t.Context(), o.ada, "ada", chat.UserEdit{IsAdmin: new(false), DisplayName: new("X"), Password: "another horse"})
	o.wantKind("demoting the last admin", err, chat.Invalid, "is_admin")
	if a := o.account("ada"); a.Disabled() || !a.IsAdmin || a.DisplayName != "The ada" {
		t.Errorf("ada is now %+v", a)
	}
	if _, err := o.store.SessionByToken(t.Context(), token); err != nil || len(o.ended()) > 0 {
		t.Errorf("ada was signed out though nothing changed: %v, %v", err, o.ended())
	}
	o.wantLog()

	_, err = o.store.EnableUser(t.Context(), o.ada, "eve")
	o.must(err)
	_, err = o.store.EditUser(t.Context(), o.ada, "ada", chat.UserEdit{IsAdmin: new(false)})
	o.must(err)
	o.wantLog("ada user.enable eve", "ada user.demote ada")
}

// Whoever of the two comes second is either no admin any more or the last one.
func TestLastTwoAdminsGoAtOnce(t *testing.T) {
	o := newOffice(t)
	eve := o.actor("eve", true)
	demote := func(a chat.Actor, whom string) error {
		_, err := o.store.EditUser(t.Context(), a, whom, chat.UserEdit{IsAdmin: new(false)})
		return err
	}
	disable := func(a chat.Actor, whom string) error {
		_, err := o.store.DisableUser(t.Context(), a, whom)
		return err
	}
	for name, both := range map[string][2]func() error{
		"each demotes the other":    {func() error { return demote(o.ada, "eve") }, func() error { return demote(eve, "ada") }},
		"each demotes themself":     {func() error { return demote(o.ada, "ada") }, func() error { return demote(eve, "eve") }},
		"one demotes both":          {func() error { return demote(o.ada, "ada") }, func() error { return demote(o.ada, "eve") }},
		"each disables the other":   {func() error { return disable(o.ada, "eve") }, func() error { return disable(eve, "ada") }},
		"one demotes, one disables": {func() error { return demote(o.ada, "eve") }, func() error { return disable(eve, "ada") }},
	} {
		t.Run(name, func(t *testing.T) {
			for range 8 {
				o.must(exec(o.db, "UPDATE users SET is_admin = TRUE, disabled_at = NULL"))
				o.wantOneLeft(atOnce(both))
			}
		})
	}
}

func atOnce(both [2]func() error) (errs [2]error) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i, f := range both {
		group.Go(func() {
			<-start
			errs[i] = f()
		})
	}
	close(start)
	group.Wait()
	return errs
}

func (o *office) wantOneLeft(errs [2]error) {
	o.Helper()
	var left int
	o.must(o.db.QueryRow("SELECT COUNT(*) FROM users WHERE is_admin AND disabled_at IS NULL").Scan(&left))
	if left != 1 || (errs[0] == nil) == (errs[1] == nil) {
		o.Errorf("%d admins are left; the errors were %v and %v", left, errs[0], errs[1])
	}
}

func TestDisabledUserIsOut(t *testing.T) {
	o := newOffice(t)
	_, err := o.store.CreateAccount(t.Context(), o.ada, chat.NewUser{Username: "bob", Password: "correct horse"})
	o.must(err)
	bob := o.account("bob").User
	token := o.session(bob)

	a, err := o.store.DisableUser(t.Context(), o.ada, "BOB")
	if err != nil || !a.Disabled() || a.OpenSessions != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	_, err = o.store.SessionByToken(t.Context(), token)
	o.wantKind("the session", err, chat.NotFound)
	_, err = o.store.Authenticate(t.Context(), "bob", "correct horse")
	o.wantKind("signing in", err, chat.Denied)
	if !slices.Equal(o.ended(), []uint64{bob.ID}) {
		t.Errorf("windows were closed for %v", o.ended())
	}

	_, err = o.store.DisableUser(t.Context(), o.ada, "bob") // once more changes nothing
	o.must(err)
	_, err = o.store.EnableUser(t.Context(), o.ada, "bob")
	o.must(err)
	_, err = o.store.SessionByToken(t.Context(), token)
	o.wantKind("the session of before", err, chat.NotFound)
	_, err = o.store.Authenticate(t.Context(), "bob", "correct horse")
	o.must(err)
	o.wantLog("ada user.create bob", "ada user.disable bob", "ada user.enable bob")
	_, err = o.store.DisableUser(t.Context(), o.ada, "nobody")
	o.wantKind("disabling nobody", err, chat.NotFound)
}

func TestEndSessions(t *testing.T) {
	o := newOffice(t)
	bob := o.user("bob", false)
	one, two, own := o.session(bob), o.session(bob), o.session(o.ada.User)
	before, err := o.store.Account(t.Context(), o.ada, "bob")
	after, endErr := o.store.EndSessions(t.Context(), o.ada, "bob")
	if err != nil || endErr != nil || before.OpenSessions != 2 || after.OpenSessions != 0 {
		t.Errorf("%d sessions (%v), then %d (%v)", before.OpenSessions, err, after.OpenSessions, endErr)
	}
	for _, token := range []string{one, two} {
		_, err := o.store.SessionByToken(t.Context(), token)
		o.wantKind("a session", err, chat.NotFound)
	}
	if _, err := o.store.SessionByToken(t.Context(), own); err != nil {
		t.Errorf("somebody else's session: %v", err)
	}
	if !slices.Equal(o.ended(), []uint64{bob.ID}) {
		t.Errorf("windows were closed for %v", o.ended())
	}
	o.wantLog("ada user.end_sessions bob")
}

func TestCreateAccount(t *testing.T) {
	o := newOffice(t)
	for what, c := range map[string]struct {
		n      chat.NewUser
		fields []string
	}{
		"nothing":         {chat.NewUser{}, []string{"username", "password"}},
		"all wrong":       {chat.NewUser{Username: "a b", DisplayName: strings.Repeat("x", 65), Email: "x", Password: "short"}, []string{"username", "display_name", "email", "password"}},
		"a taken name":    {chat.NewUser{Username: "ADA", Password: "correct horse"}, []string{"username"}},
		"a taken address": {chat.NewUser{Username: "bob", Email: "Ada@Example.org", Password: "correct horse"}, []string{"email"}},
	} {
		_, err := o.store.CreateAccount(t.Context(), o.ada, c.n)
		o.wantKind(what, err, chat.Invalid, c.fields...)
	}
	o.wantLog()
	a, err := o.store.CreateAccount(t.Context(), o.ada, chat.NewUser{Username: "bob", Email: "bob@example.org", Password: "correct horse", IsAdmin: true})
	if stored := o.account("bob"); err != nil || a != stored || !a.IsAdmin {
		t.Errorf("%+v, %v; stored is %+v", a, err, stored)
	}
	o.wantLog("ada user.create bob", "ada user.promote bob")
}

func TestEditUser(t *testing.T) {
	o := newOffice(t)
	o.user("bob", false)
	edit := func(e chat.UserEdit) (chat.Account, error) { return o.store.EditUser(t.Context(), o.ada, "bob", e) }

	a, err := edit(chat.UserEdit{DisplayName: new(" Robert  B. "), Email: new("rob@example.org"), IsAdmin: new(true)})
	if err != nil || a.DisplayName != "Robert B." || a.Email != "rob@example.org" || !a.IsAdmin {
		t.Errorf("%+v, %v", a, err)
	}
	if found, err := o.store.Accounts(t.Context(), o.ada, chat.UserQuery{Search: "robert"}); err != nil || len(found.Items) != 1 {
		t.Errorf("a search for the new name gives %v, %v", found.Items, err)
	}
	if a, err = edit(chat.UserEdit{}); err != nil || a.DisplayName != "Robert B." || a.Email != "rob@example.org" || !a.IsAdmin {
		t.Errorf("an empty edit changed something: %+v, %v", a, err)
	}
	if a, err = edit(chat.UserEdit{DisplayName: new(""), Email: new(""), IsAdmin: new(false)}); err != nil || a.DisplayName != "bob" || a.Email != "" || a.IsAdmin {
		t.Errorf("%+v, %v", a, err)
	}
	o.wantLog("ada user.edit bob", "ada user.promote bob", "ada user.edit bob", "ada user.demote bob")
	if len(o.ended()) > 0 {
		t.Error("an edit ended sessions")
	}
}

func TestEditUserRefuses(t *testing.T) {
	o := newOffice(t)
	bob := o.user("bob", false)
	for what, c := range map[string]struct {
		e      chat.UserEdit
		fields []string
	}{
		"all wrong":       {chat.UserEdit{DisplayName: new("a\u202Eb"), Email: new("x"), Password: "short"}, []string{"display_name", "email", "password"}},
		"a taken address": {chat.UserEdit{DisplayName: new("Bob"), Email: new("ADA@example.org"), IsAdmin: new(true)}, []string{"email"}},
	} {
		_, err := o.store.EditUser(t.Context(), o.ada, "bob", c.e)
		o.wantKind(what, err, chat.Invalid, c.fields...)
	}
	if a := o.account("bob"); a.User != bob {
		t.Errorf("bob is now %+v", a)
	}
	o.wantLog()
}

func TestSetPassword(t *testing.T) {
	o := newOffice(t)
	bob := o.user("bob", false)
	token := o.session(bob)
	_, err := o.store.EditUser(t.Context(), o.ada, "bob", chat.UserEdit{Password: "correct horse"})
	o.must(err)
	_, err = o.store.SessionByToken(t.Context(), token)
	o.wantKind("the session", err, chat.NotFound)
	if !slices.Equal(o.ended(), []uint64{bob.ID}) {
		t.Errorf("windows were closed for %v", o.ended())
	}
	_, err = o.store.Authenticate(t.Context(), "bob", "correct horse")
	o.must(err)
	o.wantLog("ada user.set_password bob")
}

func TestAccounts(t *testing.T) {
	o := newOffice(t)
	o.user("bob", false)
	o.must(exec(o.db, "UPDATE users SET disabled_at = NOW(6) WHERE id = ?", o.user("carol", false).ID))
	for search, want := range map[string]string{
		"": "ada bob carol", "The c": "carol", "BOB@example.org ": "bob", "example.org": "", "%": "", "zzz": "",
	} {
		var got []string
		for after := ""; ; {
			page, err := o.store.Accounts(t.Context(), o.ada, chat.UserQuery{Search: search, After: after, Limit: 1})
			o.must(err)
			for _, u := range page.Items {
				got = append(got, u.Username)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q finds %v and not %s", search, got, want)
		}
	}
}

func TestOpenBody(t *testing.T) {
	o := newOffice(t)
	m := o.send(o.user("bob", false), "ada", "grüße 👋")
	facts, err := o.store.MessageFacts(t.Context(), o.ada, m.ID)
	if err != nil || facts.Characters != 7 || facts.Sender.Username != "bob" || facts.Recipient.Username != "ada" || !facts.SentAt.Equal(m.SentAt) {
		t.Errorf("%+v, %v", facts, err)
	}
	o.wantLog()
	_, body, err := o.store.OpenBody(t.Context(), o.ada, m.ID)
	if err != nil || body != "grüße 👋" {
		t.Errorf("%q, %v", body, err)
	}
	_, body, err = o.store.OpenBody(t.Context(), o.ada, chat.MessageID{Conversation: m.ID.Conversation, Seq: 2})
	o.wantKind("a message that isn't there ("+body+")", err, chat.NotFound)
	o.wantLog("ada message.open_body bob " + m.ID.String())
}

// Where the event can't be written, nobody reads the text.
func TestOpenBodyNeedsItsAuditEvent(t *testing.T) {
	o := newOffice(t)
	m := o.send(o.user("bob", false), "ada", "hello")
	o.must(exec(o.db, "RENAME TABLE audit_events TO elsewhere"))
	if _, body, err := o.store.OpenBody(t.Context(), o.ada, m.ID); err == nil || body != "" {
		t.Errorf("it gave %q, %v", body, err)
	}
	if _, err := o.store.DisableUser(t.Context(), o.ada, "bob"); err == nil || o.account("bob").Disabled() {
		t.Errorf("bob is disabled without an event: %v", err)
	}
}

func TestAuditEvents(t *testing.T) {
	o := newOffice(t)
	m := o.send(o.user("bob", false), "ada", "hello")
	for range 2 {
		_, err := o.store.EndSessions(t.Context(), o.ada, "bob")
		o.must(err)
	}
	_, _, err := o.store.OpenBody(t.Context(), o.ada, m.ID)
	o.must(err)
	first, err := o.store.AuditEvents(t.Context(), o.ada, "", 2)
	o.must(err)
	second, err := o.store.AuditEvents(t.Context(), o.ada, first.Next, 2)
	o.must(err)
	if len(first.Items) != 2 || len(second.Items) != 1 || second.Next != "" {
		t.Fatalf("%+v, then %+v", first, second)
	}
	newest := first.Items[0]
	want := chat.AuditEvent{ID: newest.ID, At: newest.At, Actor: "ada", Action: chat.AuditOpenBody, Subject: "bob", Message: m.ID, IP: "192.0.2.7"}
	if newest != want || time.Since(newest.At).Abs() > time.Minute {
		t.Errorf("the newest event is %+v", newest)
	}
}

func TestDamagedCursors(t *testing.T) {
	o := newOffice(t)
	for _, cursor := range []string{"!", "Li4u", "OTIyMzM3MjAzNjg1NDc3NTgwNyAxIDE", "LTkyMjMzNzIwMzY4NTQ3NzU4MDcgMSAx"} { // "...", the last and the first microsecond of all
		_, err := o.store.Messages(t.Context(), o.ada, chat.MessageQuery{After: cursor})
		o.wantKind("messages after "+cursor, err, chat.Malformed, "after")
	}
	_, err := o.store.AuditEvents(t.Context(), o.ada, "Li4u", 0)
	o.wantKind("events", err, chat.Malformed, "after")
	_, err = o.store.Accounts(t.Context(), o.ada, chat.UserQuery{After: "!"})
	o.wantKind("accounts", err, chat.Malformed, "after")
}

// newArchive is an office with messages whose times are known; some have the same.
func newArchive(t *testing.T) (o *office, start time.Time) {
	o = newOffice(t)
	bob, carol := o.user("bob", false), o.user("carol", false)
	start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	say := func(from chat.User, to, body string, minute int) {
		m := o.send(from, to, body)
		o.must(exec(o.db, "UPDATE messages SET created_at = ? WHERE conversation_id = ? AND seq = ?", start.Add(time.Duration(minute)*time.Minute), m.ID.Conversation, m.ID.Seq))
		n++
	}
	for i := range 12 {
		say(bob, "ada", fmt.Sprintf("Number %d for Ada", i), i/3)
		say(carol, "bob", fmt.Sprintf("number %d for Bob: 100%%_sure 3-2", i), i/2)
	}
	say(carol, "carol", `a "quoted" note 😀 C:\ ÄRGER`, 20)
	o.must(exec(o.db, "UPDATE conversations SET last_at = (SELECT MAX(created_at) FROM messages WHERE conversation_id = id)"))
	return o, start
}

// all pages through a search and gives the messages in their order.
func (o *office) all(q chat.MessageQuery, l chat.SearchLimits) (ids []string) {
	o.Helper()
	for range 100 {
		found, err := o.store.MessagesWithin(o.Context(), o.ada, q, l)
		o.must(err)
		for _, m := range found.Items {
			ids = append(ids, m.ID.String())
		}
		if found.Next == "" {
			return ids
		}
		q.After = found.Next
	}
	o.Fatal("the search doesn't end")
	return nil
}

// fitting asks the table directly, in one go.
func (o *office) fitting(where string, args ...any) (ids []string) {
	o.Helper()
	rows, err := o.db.Query("SELECT CONCAT(m.conversation_id, '-', m.seq) FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE "+where+" ORDER BY m.created_at DESC, m.conversation_id DESC, m.seq DESC", args...)
	o.must(err)
	defer rows.Close()
	for rows.Next() {
		var id string
		o.must(rows.Scan(&id))
		ids = append(ids, id)
	}
	o.must(rows.Err())
	return ids
}

// However a search is cut into chunks and pages, it finds the same.
func TestMessages(t *testing.T) {
	o, start := newArchive(t)
	at := func(minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute) }
	bob := o.account("bob").ID
	cases := map[string]struct {
		q     chat.MessageQuery
		where string
		args  []any
	}{
		"everything":       {chat.MessageQuery{}, "TRUE", nil},
		"text":             {chat.MessageQuery{Search: " NUMBER 1"}, "body LIKE '%umber 1%'", nil},
		"wildcards":        {chat.MessageQuery{Search: "100%_s"}, "body LIKE '%100\\%\\_s%'", nil},
		"any wildcard":     {chat.MessageQuery{Search: "1%sure"}, "FALSE", nil},
		"one wildcard":     {chat.MessageQuery{Search: "_"}, "body LIKE '%\\_%'", nil},
		"a backslash":      {chat.MessageQuery{Search: `c:\`}, "body LIKE '%😀%'", nil},
		"quotation marks":  {chat.MessageQuery{Search: `"3-2"`}, "body LIKE '%3-2%'", nil},
		"a quoted word":    {chat.MessageQuery{Search: `""quoted""`}, "body LIKE '%😀%'", nil},
		"umlauts":          {chat.MessageQuery{Search: "ärger"}, "body LIKE '%😀%'", nil},
		"another emoji":    {chat.MessageQuery{Search: "😁"}, "FALSE", nil},
		"another letter":   {chat.MessageQuery{Search: "arger"}, "FALSE", nil},
		"no text at all":   {chat.MessageQuery{Search: "\xff"}, "FALSE", nil},
		"a person":         {chat.MessageQuery{Person: " BOB"}, "? IN (user_lo, user_hi)", []any{bob}},
		"a person's notes": {chat.MessageQuery{Person: "carol", Search: "note"}, "user_lo = user_hi", nil},
		"a person's text":  {chat.MessageQuery{Person: "bob", Search: "ada"}, "body LIKE '%for Ada%'", nil},
		"some time":        {chat.MessageQuery{From: at(1), To: at(3)}, "m.created_at >= ? AND m.created_at < ?", []any{at(1), at(3)}},
		"a person's time":  {chat.MessageQuery{Person: "bob", From: at(1), To: at(3)}, "m.created_at >= ? AND m.created_at < ?", []any{at(1), at(3)}},
		"text and time":    {chat.MessageQuery{Search: "number", From: at(1), To: at(3)}, "m.created_at >= ? AND m.created_at < ?", []any{at(1), at(3)}},
	}
	for name, c := range cases {
		want := o.fitting(c.where, c.args...)
		for _, limit := range []int{1, 4, 0} {
			for _, l := range []chat.SearchLimits{{20000, time.Hour, 20000}, {1, 0, 0}, {5, 0, 0}, {2, time.Hour, 0}} {
				c.q.Limit = limit
				if got := o.all(c.q, l); !slices.Equal(got, want) {
					t.Errorf("%s, %d at a time, %+v: found %v and not %v", name, limit, l, got, want)
				}
			}
		}
	}
}

func TestMessagesByID(t *testing.T) {
	o, start := newArchive(t)
	id := o.fitting("body LIKE 'Number 5 %'")[0]
	for name, c := range map[string]struct {
		q     chat.MessageQuery
		found bool
	}{
		"the ID":                     {chat.MessageQuery{Search: " " + id + " "}, true},
		"one of the two":             {chat.MessageQuery{Search: id, Person: "ADA"}, true},
		"somebody else":              {chat.MessageQuery{Search: id, Person: "carol"}, false},
		"its minute":                 {chat.MessageQuery{Search: id, From: start.Add(time.Minute), To: start.Add(2 * time.Minute)}, true},
		"before it":                  {chat.MessageQuery{Search: id, To: start.Add(time.Minute)}, false},
		"after it":                   {chat.MessageQuery{Search: id, From: start.Add(2 * time.Minute)}, false},
		"no such message":            {chat.MessageQuery{Search: "999-1"}, false},
		"too big for any":            {chat.MessageQuery{Search: "18446744073709551615-18446744073709551615"}, false},
		"it in quotation marks":      {chat.MessageQuery{Search: `"` + id + `"`}, false},
		"a score, in a text's words": {chat.MessageQuery{Search: "3-2"}, len(o.fitting("m.conversation_id = 3 AND m.seq = 2")) > 0},
	} {
		found, err := o.store.Messages(t.Context(), o.ada, c.q)
		if err != nil || len(found.Items) > 1 || (len(found.Items) == 1) != c.found {
			t.Errorf("%s: %+v, %v", name, found.Items, err)
		}
	}
	_, err := o.store.Messages(t.Context(), o.ada, chat.MessageQuery{Person: "nobody"})
	o.wantKind("an unknown person", err, chat.Invalid, "user")
}

// A search that stops says how far it came, and the next one goes on from there.
func TestSearchStopsInTime(t *testing.T) {
	o, start := newArchive(t)
	q := chat.MessageQuery{Search: "number 0"}
	stingy := chat.SearchLimits{Chunk: 2, Budget: 0}
	found, err := o.store.MessagesWithin(t.Context(), o.ada, q, stingy)
	if err != nil || len(found.Items) > 0 || found.Next == "" || !found.SearchedTo.Equal(start.Add(5*time.Minute)) {
		t.Errorf("%+v, %v", found, err)
	}
	found, err = o.store.Messages(t.Context(), o.ada, q)
	if err != nil || len(found.Items) != 2 || found.Next != "" || !found.SearchedTo.IsZero() {
		t.Errorf("a search that came to the end: %+v, %v", found, err)
	}
	q = chat.MessageQuery{Search: "number", Limit: 1}
	if found, err = o.store.MessagesWithin(t.Context(), o.ada, q, stingy); err != nil || len(found.Items) != 1 || !found.SearchedTo.IsZero() {
		t.Errorf("a search whose page is full: %+v, %v", found, err)
	}
}
