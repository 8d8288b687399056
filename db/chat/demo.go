package chat

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/queries"
)

// DemoOptions say what a demo is made of.
type DemoOptions struct {
	Users    int    // people in all: those with names, then demo00000, demo00001 and so on
	Messages int    // messages between them in all
	Password string // the password of all of them
}

// DemoProgress says how far Demo is. The step "people" comes before the step "messages".
type DemoProgress struct {
	Step        string
	Done, Total int
}

// DemoResult says what there is after Demo, and what of it is new.
type DemoResult struct {
	Named        []User // the demo people with names, the admin first; without the disabled, as all that follow
	Numbered     []User // demo00000 and so on
	PeopleMade   int
	MessagesMade int
	Taken        []string // names that other accounts have, so that nobody of the demo got them
}

// Demo adds demo people and conversations between them, up to the numbers asked for: run again it makes what is
// missing, also after it was cut short, and with higher numbers it adds. It never takes anything away, and other
// accounts and their conversations are none of its business: see demoEmail.
//
// All of it is visible bit by bit, each bit by the rules that SendMessage keeps, so a server may be running. Nobody's
// windows hear of the messages; who opens the conversation sees them. Those of the people who were there get the
// password too; if that is a change, their sessions end.
//
// An Invalid error names the fields users, messages and password. Unavailable means that another Demo is at work on
// the same database, or that the database went away. progress may be nil; it is called after each bit.
func (s *Store) Demo(ctx context.Context, o DemoOptions, progress func(DemoProgress)) (DemoResult, error) {
	if err := o.check(); err != nil {
		return DemoResult{}, err
	}
	if progress == nil {
		progress = func(DemoProgress) {}
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return DemoResult{}, fault(err, "")
	}
	defer conn.Close()
	d := &demo{store: s, conn: conn, q: queries.New(conn), options: o, progress: progress, now: s.now()}
	err = d.run(ctx)
	return d.result, fault(err, "")
}

func (o DemoOptions) check() error {
	f := fields{}
	if o.Users < 1 {
		f.add("users", "A demo has at least one person.")
	}
	if o.Messages < 0 {
		f.add("messages", "The number of messages can't be negative.")
	}
	checkPassword(f, o.Password)
	return f.err("The demo wasn't made.")
}

// DemoPeople gives the demo people with names who can sign in, the admin first; nobody where no demo was made.
func (s *Store) DemoPeople(ctx context.Context) ([]User, error) {
	names := make([]demoName, len(demoNames))
	for i := range names {
		names[i] = demoNameAt(i)
	}
	found, _, err := findDemoPeople(ctx, s.db, names)
	if err != nil {
		return nil, fault(err, "")
	}
	return usersOf(withoutDisabled(found)), nil
}

// demo is one run of Demo. It writes on a single connection, which also holds the lock that keeps a second run away:
// with the connection both are lost.
type demo struct {
	store    *Store
	conn     *sql.Conn
	q        *queries.Queries
	options  DemoOptions
	progress func(DemoProgress)
	now      time.Time // one moment for the whole run, so that all times fit together

	hash   string // the password's, see choosePassword
	people []queries.User
	result DemoResult
}

func (d *demo) run(ctx context.Context) error {
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.makePeople(ctx); err != nil {
		return err
	}
	d.result.Named, d.result.Numbered = d.divide()
	if err := d.makeMessages(ctx); err != nil {
		return err
	}
	return d.analyze(ctx)
}

// analyze has the server count its rows, which takes a fraction of a second at any size. By itself it does so some
// seconds after a big change; but one that stops before that, as a private one does at the end of parley demo, never
// makes up for it. It then takes full tables for empty ones and reads all of them where one row was wanted.
func (d *demo) analyze(ctx context.Context) error {
	if d.result.PeopleMade+d.result.MessagesMade == 0 {
		return nil
	}
	_, err := d.conn.ExecContext(ctx, "ANALYZE TABLE users, conversations, members, messages")
	return err
}

// divide tells the people with names from those with numbers, and leaves the disabled out.
func (d *demo) divide() (named, numbered []User) {
	all := usersOf(withoutDisabled(d.people))
	for i, u := range all {
		if strings.HasPrefix(u.Username, demoNumbered) {
			return all[:i], all[i:]
		}
	}
	return all, nil
}

// lock keeps a second run away, which would count the first one's messages too early and make too many. A named lock
// belongs to the whole server, so the database's name is in it; hashed, as 64 characters are the limit.
func (d *demo) lock(ctx context.Context) (unlock func(), err error) {
	const name = "SHA2(CONCAT(DATABASE(), ':demo'), 224)"
	var got sql.NullBool
	if err := d.conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", 0)").Scan(&got); err != nil {
		return nil, err
	}
	if !got.Bool {
		return nil, &Error{Kind: Unavailable, Text: "Another run is making demo people in this database just now. Wait for its end, then try again."}
	}
	return func() {
		_, _ = d.conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+name+")") // or the connection is gone, and the lock with it
	}, nil
}

// demoName is somebody to be made.
type demoName struct {
	username, display string
	admin             bool
}

// demoNumbered starts the usernames of those without names.
const demoNumbered = "demo"

// demoNameAt counts through everybody there can be: people with names, then the numbered ones without end.
func demoNameAt(i int) demoName {
	if i < len(demoNames) {
		n := demoNames[i]
		n.admin = i == 0
		return n
	}
	i -= len(demoNames)
	given, family := demoGiven[i%len(demoGiven)], demoFamily[(i/len(demoGiven)+i)%len(demoFamily)]
	return demoName{username: fmt.Sprintf("%s%05d", demoNumbered, i), display: given + " " + family}
}

// demoEmail is how a demo account is told from another one with the same name: an account belongs to the demo if it
// has the address that the demo gives to its name. A column of its own would be a burden on every real installation.
// No real person has this address, as nothing under .invalid can exist (RFC 2606, section 2), and admins see by it
// what the account is. Whoever gives a demo account another address takes it over: the demo leaves it alone from then on.
func demoEmail(username string) string { return username + "@demo.invalid" }

func isDemo(row queries.User) bool {
	return row.EmailKey.String == canonical(demoEmail(row.Username))
}

// demoPeopleBatch is how many people are looked up and made by one statement: some 10 ms of locks.
const demoPeopleBatch = 1000

// makePeople goes through the names until there are enough people. Names that are taken are passed over.
func (d *demo) makePeople(ctx context.Context) error {
	total := d.options.Users
	for next := 0; len(d.people) < total; {
		end := next + min(total-len(d.people), demoPeopleBatch)
		if next < len(demoNames) {
			end = min(end, len(demoNames)) // a first batch of their own, which settles the password
		}
		if err := d.makeBatch(ctx, next, end); err != nil {
			return err
		}
		next = end
		d.progress(DemoProgress{"people", len(d.people), total})
	}
	return nil
}

func (d *demo) makeBatch(ctx context.Context, from, to int) error {
	var names []demoName
	for i := from; i < to; i++ {
		names = append(names, demoNameAt(i))
	}
	found, taken, err := findDemoPeople(ctx, d.conn, names)
	if err != nil {
		return err
	}
	if err := d.choosePassword(ctx, found); err != nil {
		return err
	}
	if err := d.setPasswords(ctx, found); err != nil {
		return err
	}
	if before := len(found); before+len(taken) < len(names) {
		if err := d.insertPeople(ctx, without(names, found, taken)); err != nil {
			return err
		}
		// Looked up once more rather than counted on from the last ID: another account may have got a name meanwhile.
		if found, taken, err = findDemoPeople(ctx, d.conn, names); err != nil {
			return err
		}
		d.result.PeopleMade += len(found) - before
	}
	d.people = append(d.people, found...)
	d.result.Taken = append(d.result.Taken, taken...)
	return nil
}

// findDemoPeople gives those of the names that are demo people, in the names' order, and the names that others have.
func findDemoPeople(ctx context.Context, db queries.DBTX, names []demoName) (found []queries.User, taken []string, _ error) {
	order := map[string]int{}
	keys := make([]any, len(names))
	for i, n := range names {
		key := usernameKey(n.username)
		order[string(key)], keys[i] = i, key
	}
	rows, err := db.QueryContext(ctx, `SELECT id, username, username_key, display_name, email, email_key, password_hash, is_admin, created_at, disabled_at
		FROM users WHERE username_key IN (`+placeholders(len(keys))+`)`, keys...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var u queries.User
		if err := rows.Scan(&u.ID, &u.Username, &u.UsernameKey, &u.DisplayName, &u.Email, &u.EmailKey, &u.PasswordHash, &u.IsAdmin, &u.CreatedAt, &u.DisabledAt); err != nil {
			return nil, nil, err
		}
		if isDemo(u) {
			found = append(found, u)
		} else {
			taken = append(taken, u.Username)
		}
	}
	slices.SortFunc(found, func(a, b queries.User) int { return order[string(a.UsernameKey)] - order[string(b.UsernameKey)] })
	return found, taken, rows.Err()
}

// without gives the names that no account has.
func without(names []demoName, found []queries.User, taken []string) []demoName {
	gone := map[string]bool{}
	for _, u := range found {
		gone[string(u.UsernameKey)] = true
	}
	for _, name := range taken {
		gone[canonical(name)] = true
	}
	return slices.DeleteFunc(slices.Clone(names), func(n demoName) bool { return gone[canonical(n.username)] })
}

func withoutDisabled(rows []queries.User) []queries.User {
	return slices.DeleteFunc(slices.Clone(rows), func(u queries.User) bool { return u.DisabledAt.Valid })
}

// choosePassword settles the one hash that all demo people share. Hashing is slow on purpose: one for each of 100,000
// people would take an hour. What it costs, that equal passwords can be seen to be equal, is no secret here. A hash of
// the same password that is in use already stays.
func (d *demo) choosePassword(ctx context.Context, found []queries.User) (err error) {
	if d.hash != "" {
		return nil
	}
	if len(found) > 0 && passwordMatches(found[0].PasswordHash, d.options.Password) {
		d.hash = found[0].PasswordHash
		return nil
	}
	d.hash, err = d.store.hash(ctx, d.options.Password)
	return err
}

// setPasswords gives demo people of an earlier run the password of this one, so that what is printed is true, and ends
// their sessions as every change of a password does.
func (d *demo) setPasswords(ctx context.Context, found []queries.User) error {
	args := []any{d.hash}
	for _, u := range found {
		if u.PasswordHash != d.hash {
			args = append(args, u.ID)
		}
	}
	if len(args) == 1 {
		return nil
	}
	ids := " IN (" + placeholders(len(args)-1) + ")"
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE users SET password_hash = ? WHERE id"+ids, args...)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM sessions WHERE user_id"+ids, args[1:]...)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range args[1:] {
		d.store.notifier.Notify(Event{Type: EventSessionEnded, To: id.(uint64)})
	}
	return nil
}

// insertPeople gives names and keys the same form as CreateUser. The texts are our own and need no checks. A name or
// an address that somebody got in this very moment is passed over.
func (d *demo) insertPeople(ctx context.Context, names []demoName) error {
	created := d.now.Add(-demoSpan - demoScriptSpan) // before the first message
	insert := newInsert("users (username, username_key, display_name, search_key, email, email_key, password_hash, is_admin, created_at)", "id = id")
	for _, n := range names {
		email := demoEmail(n.username)
		insert.add(n.username, usernameKey(n.username), n.display, searchKey(n.username, n.display),
			email, canonical(email), d.hash, n.admin, created)
	}
	return d.inTx(ctx, func(tx *sql.Tx) error { return insert.run(ctx, tx) })
}

// demoTries is how often a bit is tried that met a lock of the running server. Each try waits for itself in the
// database, so there is no pause between them.
const demoTries = 5

// inTx runs f in a transaction, again after a deadlock or a lock time-out. Unlike Store's inTx it does not go on after
// a lost connection: nobody waits for an answer, and the next run of Demo makes what is missing.
func (d *demo) inTx(ctx context.Context, f func(*sql.Tx) error) (err error) {
	for range demoTries {
		var tx *sql.Tx
		if tx, err = d.conn.BeginTx(ctx, nil); err != nil {
			return err
		}
		if err = f(tx); err == nil {
			return tx.Commit()
		}
		_ = tx.Rollback() // the error that stopped f says more
		if !retriable(err) || lostConnection(err) {
			return err
		}
	}
	return err
}

// manyRows collects rows for INSERT statements with many rows each, which are what makes a demo fast: a statement a row
// takes seven times as long. sqlc has no such statements for MySQL except LOAD DATA LOCAL, which MySQL 8 refuses by
// default, so these are written by hand; all values are parameters all the same.
type manyRows struct {
	into    string // the table and its columns
	update  string // what to do with a row that exists; "" makes that an error
	columns int
	values  []any
}

// demoStatementRows is how many rows one statement carries: beyond some hundreds it gets no faster. Times nine columns
// it stays below the 65,535 parameters that the protocol takes.
const demoStatementRows = 500

func newInsert(into, update string) *manyRows {
	return &manyRows{into: into, update: update, columns: strings.Count(into, ",") + 1}
}

func (m *manyRows) add(values ...any) { m.values = append(m.values, values...) }

func (m *manyRows) run(ctx context.Context, tx *sql.Tx) error {
	for part := range slices.Chunk(m.values, demoStatementRows*m.columns) {
		rows := len(part) / m.columns
		row := "(" + placeholders(m.columns) + ")"
		statement := "INSERT INTO " + m.into + " VALUES " + row + strings.Repeat(", "+row, rows-1)
		if m.update != "" {
			statement += " ON DUPLICATE KEY UPDATE " + m.update
		}
		if _, err := tx.ExecContext(ctx, statement, part...); err != nil {
			return err
		}
	}
	return nil
}

func placeholders(n int) string {
	return string(bytes.TrimSuffix(bytes.Repeat([]byte("?,"), n), []byte(",")))
}
