package chat_test

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/queries"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// tb is what helpers need of a test, be it Go's or rapid's.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Context() context.Context
}

// world is a database of its own, a Store on it, and all that the Store's windows were told.
type world struct {
	*chat.Store
	db     *sql.DB
	q      *queries.Queries
	events *recorder
	clock  *clock
}

// newWorld checks, when the test ends, that the database as a whole keeps the rules.
func newWorld(t testing.TB) *world { return newWorldWith(t, chat.Options{}) }

func newWorldWith(t testing.TB, o chat.Options) *world {
	t.Helper()
	w := worldOn(dbtest.New(t), o)
	t.Cleanup(func() { checkWhole(t, w.db) })
	return w
}

// worldOn keeps a Notifier and a clock that o brings.
func worldOn(db *sql.DB, o chat.Options) *world {
	w := &world{db: db, q: queries.New(db), events: &recorder{}, clock: &clock{}}
	if o.Notifier == nil {
		o.Notifier = w.events
	}
	if o.Now == nil {
		o.Now = w.clock.Now
	}
	w.Store = chat.New(db, o)
	return w
}

// restarted is another Store on the same database, as another node or the same one after a restart has it.
func (w *world) restarted(o chat.Options) *world { return worldOn(w.db, o) }

// people makes accounts that nobody can sign in to, since hashing a password takes long.
func (w *world) people(t tb, usernames ...string) []chat.User {
	t.Helper()
	users := make([]chat.User, len(usernames))
	for i, name := range usernames {
		users[i] = w.personNamed(t, name, name)
	}
	return users
}

func (w *world) personNamed(t tb, username, displayName string) chat.User {
	t.Helper()
	_, err := w.q.CreateUser(t.Context(), queries.CreateUserParams{
		Username: username, UsernameKey: chat.UsernameKey(username), DisplayName: displayName,
		SearchKey: chat.SearchKey(username, displayName), PasswordHash: "none", CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		t.Fatalf("making %s: %v", username, err)
	}
	user, err := w.UserByName(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// two makes alice and bob.
func (w *world) two(t tb) (alice, bob chat.User) {
	t.Helper()
	both := w.people(t, "alice", "bob")
	return both[0], both[1]
}

func (w *world) disable(t tb, user chat.User) {
	t.Helper()
	at := sql.NullTime{Time: time.Now().UTC(), Valid: true}
	if err := w.q.SetDisabled(t.Context(), queries.SetDisabledParams{DisabledAt: at, ID: user.ID}); err != nil {
		t.Fatal(err)
	}
}

// send sends a message that must be taken.
func (w *world) send(t tb, from, to chat.User, body string) chat.Message {
	t.Helper()
	m, _, err := w.SendMessage(t.Context(), from, chat.Draft{Recipient: to.Username, Body: body})
	if err != nil {
		t.Fatalf("sending %q: %v", body, err)
	}
	return m
}

// count gives the number that a query answers.
func count(t tb, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func mustExec(t tb, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// neverTrue are questions that no database of Parley's ever answers with more than 0.
var neverTrue = map[string]string{
	"conversations whose last_seq or last_rev isn't that of their newest message": `SELECT COUNT(*) FROM conversations c
		WHERE c.last_seq <> (SELECT COALESCE(MAX(m.seq), 0) FROM messages m WHERE m.conversation_id = c.id)
		OR c.last_rev <> (SELECT COALESCE(MAX(m.rev), 0) FROM messages m WHERE m.conversation_id = c.id)`,
	"conversations with a hole in seq": `SELECT COUNT(*) FROM conversations c
		WHERE c.last_seq <> (SELECT COUNT(*) FROM messages m WHERE m.conversation_id = c.id AND m.seq > 0)`,
	"conversations whose last_at isn't the time of their newest message": `SELECT COUNT(*) FROM conversations c
		JOIN messages m ON m.conversation_id = c.id AND m.seq = c.last_seq WHERE c.last_at IS NULL OR c.last_at <> m.created_at`,
	"messages that aren't later than the one before": `SELECT COUNT(*) FROM messages m
		JOIN messages n ON n.conversation_id = m.conversation_id AND n.seq = m.seq + 1 WHERE n.created_at <= m.created_at`,
	"messages without a conversation": `SELECT COUNT(*) FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id WHERE c.id IS NULL`,
	"messages by a stranger": `SELECT COUNT(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id
		WHERE m.sender_id NOT IN (c.user_lo, c.user_hi)`,
	"people of no account": `SELECT COUNT(*) FROM conversations c WHERE c.user_lo > c.user_hi
		OR NOT EXISTS (SELECT 1 FROM users u WHERE u.id = c.user_lo) OR NOT EXISTS (SELECT 1 FROM users u WHERE u.id = c.user_hi)`,
	"conversations without just their people as members": `SELECT COUNT(*) FROM conversations c
		WHERE (SELECT COUNT(*) FROM members m WHERE m.conversation_id = c.id AND m.user_id IN (c.user_lo, c.user_hi)) <> IF(c.user_lo = c.user_hi, 1, 2)
		OR EXISTS (SELECT 1 FROM members m WHERE m.conversation_id = c.id AND m.user_id NOT IN (c.user_lo, c.user_hi))`,
	"watermarks above the newest message": `SELECT COUNT(*) FROM members m JOIN conversations c ON c.id = m.conversation_id
		WHERE m.last_read_seq > c.last_seq`,
	"conversations that say otherwise than the blocks": `SELECT COUNT(*) FROM conversations c WHERE c.blocked <>
		EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = c.user_lo AND b.blocked_id = c.user_hi) +
		2 * EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = c.user_hi AND b.blocked_id = c.user_lo)`,
	"repeated revs": `SELECT COUNT(*) FROM (SELECT 1 FROM messages GROUP BY conversation_id, rev HAVING COUNT(*) > 1) twice`,
}

func checkWhole(t tb, db *sql.DB) {
	t.Helper()
	for what, query := range neverTrue {
		if n := count(t, db, query); n > 0 {
			t.Errorf("the database has %d %s", n, what)
		}
	}
}

// recorder is a Notifier that keeps what it is told.
type recorder struct {
	mu     sync.Mutex
	events []chat.Event
}

func (r *recorder) Notify(events ...chat.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
}

// take gives what was told since the last take.
func (r *recorder) take() []chat.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// clock is the real one, as far off as the test wants.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
	frozen time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.frozen.IsZero() {
		return c.frozen.Add(c.offset)
	}
	return time.Now().Add(c.offset)
}

// stop makes the clock stand still, but for move.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = time.Now()
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// together runs f n times at the same time and waits for all of them.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

// eventually asks until the answer is yes.
func eventually(t tb, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !yes(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// wantKind checks the kind of an error, 0 for none at all, and which fields it names.
func wantKind(t tb, err error, kind chat.Kind, fields ...string) {
	t.Helper()
	if got := chat.KindOf(err); got != kind || (err != nil) != (kind != 0) {
		t.Errorf("the error is %v, of kind %d, want kind %d", err, got, kind)
		return
	}
	if named := fieldsOf(err); !slices.Equal(named, fields) {
		t.Errorf("the error names the fields %q, want %q: %v", named, fields, err)
	}
}

func fieldsOf(err error) (names []string) {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		names = slices.Sorted(maps.Keys(e.Fields))
	}
	return names
}
