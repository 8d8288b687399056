package demo_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/db/demo"
)

const demoPassword = "tall beans and a heron"

// broken counts what breaks a promise of package chat in the data as it is, whoever wrote it.
var broken = map[string]string{
	"a conversation's counters aren't those of its messages": `
		SELECT COUNT(*) FROM conversations c LEFT JOIN (
			SELECT conversation_id, COUNT(*) AS n, MIN(seq) AS first, MAX(seq) AS last, COUNT(DISTINCT rev) AS revs, MAX(rev) AS rev, MAX(created_at) AS at
			FROM messages GROUP BY conversation_id) m ON m.conversation_id = c.id
		WHERE m.n IS NULL OR m.first <> 1 OR m.last <> m.n OR c.last_seq <> m.n OR c.last_rev <> m.rev OR m.revs <> m.n OR m.rev <> m.n OR c.last_at <> m.at`,
	"a message is no later than the one before it": `
		SELECT COUNT(*) FROM messages a JOIN messages b ON b.conversation_id = a.conversation_id AND b.seq = a.seq + 1
		WHERE b.created_at <= a.created_at OR b.rev <= a.rev`,
	"a message is of the future": `SELECT COUNT(*) FROM messages WHERE created_at > NOW(6)`,
	"a message is without a conversation, or by a stranger": `
		SELECT COUNT(*) FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id
		WHERE c.id IS NULL OR m.sender_id NOT IN (c.user_lo, c.user_hi)`,
	"a message is empty or not trimmed": `SELECT COUNT(*) FROM messages WHERE body = '' OR TRIM(body) <> body`,
	"a pair is in the wrong order or not of users": `
		SELECT COUNT(*) FROM conversations c LEFT JOIN users a ON a.id = c.user_lo LEFT JOIN users b ON b.id = c.user_hi
		WHERE c.user_lo > c.user_hi OR a.id IS NULL OR b.id IS NULL`,
	"somebody isn't a member of their conversation": `
		SELECT COUNT(*) FROM conversations c
		LEFT JOIN members a ON a.conversation_id = c.id AND a.user_id = c.user_lo
		LEFT JOIN members b ON b.conversation_id = c.id AND b.user_id = c.user_hi
		WHERE a.user_id IS NULL OR b.user_id IS NULL`,
	"a member is a stranger, or has read what isn't there": `
		SELECT COUNT(*) FROM members m LEFT JOIN conversations c ON c.id = m.conversation_id
		WHERE c.id IS NULL OR m.user_id NOT IN (c.user_lo, c.user_hi) OR m.last_read_seq > c.last_seq OR m.last_delivered_seq < m.last_read_seq`,
	"two messages have one client ID": `SELECT COUNT(*) - COUNT(DISTINCT client_key) FROM messages`,
	"somebody wrote before having an account": `
		SELECT COUNT(*) FROM messages m JOIN users u ON u.id = m.sender_id WHERE m.created_at < u.created_at`,
}

func mustBeWhole(t *testing.T, db *sql.DB) {
	t.Helper()
	for what, query := range broken {
		var n int
		if err := db.QueryRow(query).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d times, %v", what, n, err)
		}
	}
}

func number(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%v: %s", err, query)
	}
	return n
}

// town is a database that demos are made in.
type town struct {
	*testing.T
	db    *sql.DB
	store *chat.Store
}

func newTown(t *testing.T) town {
	db := dbtest.New(t)
	return town{t, db, chat.New(db, chat.Options{})}
}

func (t town) demo(users, messages int) demo.Result {
	t.Helper()
	result, err := demo.Make(t.Context(), t.store, demo.Options{Users: users, Messages: messages, Password: demoPassword}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (t town) user(username string) chat.User {
	t.Helper()
	u, err := t.store.UserByName(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// content fingerprints everything that a demo writes.
func (t town) content() string {
	t.Helper()
	sum := sha256.New()
	for _, table := range []string{"users", "conversations", "members", "messages"} {
		rows, err := t.db.Query("SELECT * FROM " + table + " ORDER BY 1, 2")
		if err != nil {
			t.Fatal(err)
		}
		t.sumUp(sum, rows)
	}
	return string(sum.Sum(nil))
}

func (t town) sumUp(sum io.Writer, rows *sql.Rows) {
	t.Helper()
	defer rows.Close()
	columns, _ := rows.Columns()
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%q\n", values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// Whatever is asked for is there afterwards, exactly and whole; that holds for a demo of one person's notes, too.
func TestDemoMakesWhatIsAskedFor(t *testing.T) {
	for _, size := range [][2]int{{1, 0}, {1, 9}, {2, 100}, {8, 300}, {9, 400}, {10, 400}, {12, 400}, {40, 5000}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			town := newTown(t)
			result := town.demo(size[0], size[1])
			people, messages := number(t, town.db, "SELECT COUNT(*) FROM users"), number(t, town.db, "SELECT COUNT(*) FROM messages")
			if people != size[0] || messages != size[1] || result.PeopleMade != people || result.MessagesMade != messages {
				t.Errorf("there are %d people and %d messages, and the result says %d and %d", people, messages, result.PeopleMade, result.MessagesMade)
			}
			if len(result.Named)+len(result.Numbered) != size[0] || result.Named[0].Username != "alice" {
				t.Errorf("it names %v and %v", result.Named, result.Numbered)
			}
			mustBeWhole(t, town.db)
		})
	}
}

func TestDemoMadeTwiceIsMadeOnce(t *testing.T) {
	town := newTown(t)
	first := town.demo(12, 400)
	before := town.content()
	again := town.demo(12, 400)
	if again.PeopleMade != 0 || again.MessagesMade != 0 || town.content() != before {
		t.Errorf("the second run made %d people and %d messages, or changed something", again.PeopleMade, again.MessagesMade)
	}
	if !slices.Equal(first.Named, again.Named) || !slices.Equal(first.Numbered, again.Numbered) {
		t.Errorf("the two runs name different people: %v, %v", first, again)
	}
	if smaller := town.demo(3, 20); smaller.MessagesMade != 0 || town.content() != before {
		t.Error("a run for less changed something")
	}
}

func TestDemoGrows(t *testing.T) {
	town := newTown(t)
	for _, size := range [][2]int{{1, 5}, {9, 20}, {12, 400}, {12, 600}, {1100, 600}, {1100, 6000}} {
		town.demo(size[0], size[1])
		people, messages := number(t, town.db, "SELECT COUNT(*) FROM users"), number(t, town.db, "SELECT COUNT(*) FROM messages")
		if people != size[0] || messages != size[1] {
			t.Errorf("after a run for %v there are %d people and %d messages", size, people, messages)
		}
		mustBeWhole(t, town.db)
	}
}

// Each bit is whole, so a run that was cut short, or is seen by somebody meanwhile, is so too.
func TestDemoIsWholeAtEachMomentAndGoesOn(t *testing.T) {
	town := newTown(t)
	ctx, cancel := context.WithCancel(t.Context())
	options := demo.Options{Users: 60, Messages: 12_000, Password: demoPassword}
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for ctx.Err() == nil {
			mustBeWhole(t, town.db)
		}
	})
	_, err := demo.Make(ctx, town.store, options, func(at demo.Progress) {
		if at.Step == "messages" && at.Done > options.Messages/2 {
			cancel()
		}
	})
	cancel()
	watcher.Wait()
	if n := number(t, town.db, "SELECT COUNT(*) FROM messages"); err == nil || n == 0 || n == options.Messages {
		t.Fatalf("the run wasn't cut short: %d messages, %v", n, err)
	}
	town.demo(options.Users, options.Messages)
	mustBeWhole(t, town.db)

	whole := newTown(t)
	whole.demo(options.Users, options.Messages)
	const sizes = "SELECT CAST(GROUP_CONCAT(last_seq ORDER BY user_lo, user_hi) AS CHAR) FROM conversations"
	var inTwo, inOne string
	if err := town.db.QueryRow(sizes).Scan(&inTwo); err != nil {
		t.Fatal(err)
	}
	if err := whole.db.QueryRow(sizes).Scan(&inOne); err != nil {
		t.Fatal(err)
	}
	if inTwo != inOne {
		t.Errorf("a run in two parts made conversations of other lengths than one in one part:\n%s\n%s", inTwo, inOne)
	}
}

func TestDemoPeopleSignIn(t *testing.T) {
	town := newTown(t)
	result := town.demo(14, 0)
	for _, u := range slices.Concat(result.Named, result.Numbered) {
		in, err := town.store.Authenticate(t.Context(), u.Username, demoPassword)
		if err != nil || in.IsAdmin != (u.Username == "alice") {
			t.Errorf("%s: %v, admin %t", u.Username, err, in.IsAdmin)
		}
	}
	if n := number(t, town.db, "SELECT COUNT(DISTINCT password_hash) FROM users"); n != 1 {
		t.Errorf("%d hashes were made", n)
	}
	people, err := demo.People(t.Context(), town.store)
	if err != nil || !slices.Equal(people, result.Named) {
		t.Errorf("the people with names are %v: %v", people, err)
	}
}

// An account that isn't the demo's keeps everything: its password, its rights, and its conversations as they are.
func TestDemoLeavesOthersAlone(t *testing.T) {
	town := newTown(t)
	for _, n := range []chat.NewUser{
		{Username: "Alice", Password: "alice's own"}, {Username: "demo00001", Email: "d@example.org", Password: "one's own"},
		{Username: "squatter", Email: "mei@demo.invalid", Password: "squatter's own"},
	} {
		if _, err := town.store.CreateUser(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	result := town.demo(12, 300)
	if want := []string{"Alice", "demo00001"}; !slices.Equal(result.Taken, want) {
		t.Errorf("taken are %v", result.Taken)
	}
	if len(result.Named)+len(result.Numbered) != 12 || result.MessagesMade != 300 {
		t.Errorf("there are %d and %d people", len(result.Named), len(result.Numbered))
	}
	for username, password := range map[string]string{"alice": "alice's own", "demo00001": "one's own", "squatter": "squatter's own"} {
		u, err := town.store.Authenticate(t.Context(), username, password)
		if err != nil || u.IsAdmin {
			t.Errorf("%s can't sign in any more, or is an admin: %v", username, err)
		}
		if n := number(t, town.db, "SELECT COUNT(*) FROM members WHERE user_id = ?", u.ID); n != 0 {
			t.Errorf("%s is in %d conversations", username, n)
		}
	}
	mustBeWhole(t, town.db)
}

// What demo people write with others doesn't count for the demo and isn't touched.
func TestDemoLeavesConversationsWithOthersAlone(t *testing.T) {
	town := newTown(t)
	town.demo(12, 350)
	u, err := town.store.CreateUser(t.Context(), chat.NewUser{Username: "newcomer", Password: "one's own"})
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := town.store.SendMessage(t.Context(), u, chat.Draft{Recipient: "bob", Body: "Hello!"})
	if err != nil {
		t.Fatal(err)
	}
	town.demo(12, 400)
	if n := number(t, town.db, "SELECT COUNT(*) FROM messages"); n != 401 {
		t.Errorf("there are %d messages", n)
	}
	c, err := town.store.Conversation(t.Context(), u, "bob")
	if err != nil || c.LastSeq != 1 || c.ID != m.ID.Conversation {
		t.Errorf("their conversation is %+v: %v", c, err)
	}
}

func TestDemoPasswordChanges(t *testing.T) {
	town := newTown(t)
	town.demo(10, 0)
	alice := town.user("alice")
	token, _, err := town.store.StartSession(t.Context(), alice, chat.Device{})
	if err != nil {
		t.Fatal(err)
	}
	town.demo(10, 0)
	if _, err := town.store.SessionByToken(t.Context(), token); err != nil {
		t.Errorf("the same password again ended a session: %v", err)
	}
	if _, err := demo.Make(t.Context(), town.store, demo.Options{Users: 10, Password: "another one"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, username := range []string{"alice", "demo00001"} {
		if _, err := town.store.Authenticate(t.Context(), username, "another one"); err != nil {
			t.Errorf("%s can't sign in with the new password: %v", username, err)
		}
	}
	if _, err := town.store.SessionByToken(t.Context(), token); chat.KindOf(err) != chat.NotFound {
		t.Errorf("the session with the old password still works: %v", err)
	}
}

// Two runs at once would each make all of it.
func TestDemoRunsAlone(t *testing.T) {
	town := newTown(t)
	options := demo.Options{Users: 3, Messages: 10, Password: demoPassword}
	_, err := demo.Make(t.Context(), town.store, options, func(demo.Progress) {
		if _, err := demo.Make(t.Context(), town.store, options, nil); chat.KindOf(err) != chat.Unavailable {
			t.Errorf("a second run at the same time: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	town.demo(3, 10) // the lock is free again
}

func TestDemoRefuses(t *testing.T) {
	town := newTown(t)
	for field, o := range map[string]demo.Options{
		"users":    {Users: 0, Messages: 1, Password: demoPassword},
		"messages": {Users: 1, Messages: -1, Password: demoPassword},
		"password": {Users: 1, Messages: 1, Password: "short"},
	} {
		_, err := demo.Make(t.Context(), town.store, o, nil)
		var rule *chat.Error
		if chat.KindOf(err) != chat.Invalid || !asError(err, &rule) || len(rule.Fields[field]) == 0 {
			t.Errorf("%s: %v", field, err)
		}
	}
	if found, err := town.store.AnyUser(t.Context()); found || err != nil {
		t.Errorf("somebody was made all the same: %v", err)
	}
}

// A demo opens with something to read, several days to scroll through, and room to write on.
func TestDemoLooksAlive(t *testing.T) {
	town := newTown(t)
	town.demo(12, 400)
	for _, username := range []string{"alice", "bob"} {
		viewer := town.user(username)
		list, err := town.store.Conversations(t.Context(), viewer, chat.ConversationQuery{})
		if err != nil {
			t.Fatal(err)
		}
		unread := 0
		for _, c := range list.Items {
			if c.Unread > 0 {
				unread++
			}
		}
		if unread < 2 || unread > 3 {
			t.Errorf("%s has %d conversations with something unread", username, unread)
		}
		if ago := time.Since(list.Items[0].LastMessage.SentAt); ago > 10*time.Minute {
			t.Errorf("the last that %s got is %s old", username, ago)
		}
	}
	days := number(t, town.db, `SELECT COUNT(DISTINCT DATE(m.created_at)) FROM messages m JOIN conversations c ON c.id = m.conversation_id
		WHERE c.user_lo = ? AND c.user_hi = ?`, town.user("alice").ID, town.user("bob").ID)
	if days < 8 {
		t.Errorf("alice and bob wrote on %d days", days)
	}
	if m, _, err := town.store.SendMessage(t.Context(), town.user("bob"), chat.Draft{Recipient: "alice", Body: "Are you here?"}); err != nil {
		t.Errorf("writing on: %+v %v", m, err)
	}
	mustBeWhole(t, town.db)
}

// What is made up between people with names comes before what is written for them, which keeps its times.
func TestDemoOfPeopleWithNamesAlone(t *testing.T) {
	town := newTown(t)
	town.demo(8, 2000)
	const hurried = `SELECT COUNT(*) FROM messages a JOIN messages b ON b.conversation_id = a.conversation_id AND b.seq = a.seq + 1
		WHERE b.created_at < a.created_at + INTERVAL 1000 MICROSECOND`
	if n := number(t, town.db, hurried); n > 0 {
		t.Errorf("%d messages were pushed out of their time by others", n)
	}
	c, err := town.store.Conversation(t.Context(), town.user("alice"), "bob")
	if err != nil || c.Unread != 2 {
		t.Errorf("alice has %d unread messages from bob: %v", c.Unread, err)
	}
}

// What the server believes about its tables decides how it reads them, also after a restart.
func TestDemoHasTheServerCount(t *testing.T) {
	town := newTown(t)
	town.demo(500, 5000)
	for table, rows := range map[string]int{"users": 500, "messages": 5000} {
		var believed int
		err := town.db.QueryRow("SELECT n_rows FROM mysql.innodb_table_stats WHERE database_name = DATABASE() AND table_name = ?", table).Scan(&believed)
		if err != nil && os.Getenv("PARLEY_TEST_DATABASE_URL") != "" {
			t.Skipf("this server doesn't say what it believes: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if believed < rows/2 || believed > 2*rows {
			t.Errorf("the server believes that there are %d %s", believed, table)
		}
	}
}

// People go on writing while a demo grows, in the very conversations that it adds to.
func TestDemoBesideSenders(t *testing.T) {
	town := newTown(t)
	town.demo(10, 300) // two people with numbers: all that is made up from now on is between them
	const each = 40
	var senders sync.WaitGroup
	for _, pair := range [][2]string{{"demo00000", "demo00001"}, {"demo00001", "demo00000"}, {"alice", "bob"}} {
		sender := town.user(pair[0])
		senders.Go(func() {
			for range each {
				if _, _, err := town.store.SendMessage(t.Context(), sender, chat.Draft{Recipient: pair[1], Body: "hello"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	result := town.demo(10, 30_000)
	senders.Wait()
	if n := number(t, town.db, "SELECT COUNT(*) FROM messages"); n != 300+result.MessagesMade+3*each {
		t.Errorf("there are %d messages, %d of them from the second run", n, result.MessagesMade)
	}
	mustBeWhole(t, town.db)
}

func asError(err error, rule **chat.Error) bool {
	e, ok := err.(*chat.Error)
	*rule = e
	return ok
}
