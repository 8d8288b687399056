// Package demo makes demo people and conversations between them, to try Parley with or to measure it. What it makes goes
// through the rules of package chat, by its Importer; what is made, and what is there already, is decided here.
package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/db/chat"
)

// Options say what a demo is made of.
type Options struct {
	Users    int    // people in all: those with names, then demo00000, demo00001 and so on
	Messages int    // messages between them in all
	Password string // the password of all of them
}

// Progress says how far Make is. The step "people" comes before the step "messages".
type Progress struct {
	Step        string
	Done, Total int
}

// Result says what there is after Make, and what of it is new.
type Result struct {
	Named        []chat.User // the demo people with names, the admin first; without the disabled, as all that follow
	Numbered     []chat.User // demo00000 and so on
	PeopleMade   int
	MessagesMade int
	Taken        []string // names that other accounts have, so that nobody of the demo got them
}

// Make adds demo people and conversations between them, up to the numbers asked for: run again it makes what is
// missing, also after it was cut short, and with higher numbers it adds. It never takes anything away, and other
// accounts and their conversations are none of its business: see emailOf.
//
// All of it is visible bit by bit, each bit by the rules that SendMessage keeps, so a server may be running. Nobody's
// windows hear of the messages; who opens the conversation sees them. Those of the people who were there get the
// password too; if that is a change, their sessions end.
//
// An Invalid error names the fields users, messages and password. Unavailable means that another Make is at work on
// the same database, or that the database went away. progress may be nil; it is called after each bit.
func Make(ctx context.Context, store *chat.Store, o Options, progress func(Progress)) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, err
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	importer, err := store.Importer(ctx, o.Password)
	if err != nil {
		return Result{}, err
	}
	defer importer.Close()
	m := &maker{importer: importer, conn: importer.Conn(), options: o, progress: progress, now: importer.Now()}
	err = m.run(ctx)
	return m.result, chat.Fault(err)
}

func (o Options) check() error {
	fields := map[string][]string{}
	if o.Users < 1 {
		fields["users"] = []string{"A demo has at least one person."}
	}
	if o.Messages < 0 {
		fields["messages"] = []string{"The number of messages can't be negative."}
	}
	if rule, ok := errors.AsType[*chat.Error](chat.CheckPassword(o.Password)); ok {
		maps.Copy(fields, rule.Fields)
	}
	if len(fields) == 0 {
		return nil
	}
	return &chat.Error{Kind: chat.Invalid, Text: "The demo wasn't made.", Fields: fields}
}

// People gives the demo people with names who can sign in, the admin first; nobody where no demo was made.
func People(ctx context.Context, store *chat.Store) ([]chat.User, error) {
	found, err := store.ImportedUsers(ctx, accounts(0, len(withNames), time.Time{}))
	return withoutDisabled(found.Users), err
}

// maker is one run of Make. It writes over the importer's connection, which also holds the lock that keeps a second run
// away: with the connection both are lost.
type maker struct {
	importer *chat.Importer
	conn     *sql.Conn // the importer's
	options  Options
	progress func(Progress)
	now      time.Time // one moment for the whole run, so that all times fit together

	people []chat.User // the disabled too
	result Result
}

func (m *maker) run(ctx context.Context) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := m.makePeople(ctx); err != nil {
		return err
	}
	m.result.Named, m.result.Numbered = m.divide()
	if err := m.makeMessages(ctx); err != nil {
		return err
	}
	return m.analyze(ctx)
}

// analyze has the server count its rows, which takes a fraction of a second at any size. By itself it does so some
// seconds after a big change; but one that stops before that, as a private one does at the end of parley demo, never
// makes up for it. It then takes full tables for empty ones and reads all of them where one row was wanted.
func (m *maker) analyze(ctx context.Context) error {
	if m.result.PeopleMade+m.result.MessagesMade == 0 {
		return nil
	}
	_, err := m.conn.ExecContext(ctx, "ANALYZE TABLE users, conversations, members, messages")
	return err
}

// divide tells the people with names from those with numbers, and leaves the disabled out.
func (m *maker) divide() (named, numbered []chat.User) {
	all := withoutDisabled(m.people)
	for i, u := range all {
		if strings.HasPrefix(u.Username, numberPrefix) {
			return all[:i], all[i:]
		}
	}
	return all, nil
}

// lock keeps a second run away, which would count the first one's messages too early and make too many. A named lock
// belongs to the whole server, so the database's name is in it; hashed, as 64 characters are the limit.
func (m *maker) lock(ctx context.Context) (unlock func(), err error) {
	const name = "SHA2(CONCAT(DATABASE(), ':demo'), 224)"
	var got sql.NullBool
	if err := m.conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", 0)").Scan(&got); err != nil {
		return nil, err
	}
	if !got.Bool {
		return nil, &chat.Error{Kind: chat.Unavailable, Text: "Another run is making demo people in this database just now. Wait for its end, then try again."}
	}
	return func() {
		_, _ = m.conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+name+")") // or the connection is gone, and the lock with it
	}, nil
}

// person is somebody to be made.
type person struct {
	username, display string
	admin             bool
}

// numberPrefix starts the usernames of those without names.
const numberPrefix = "demo"

// personAt counts through everybody there can be: people with names, then the numbered ones without end.
func personAt(i int) person {
	if i < len(withNames) {
		n := withNames[i]
		n.admin = i == 0
		return n
	}
	i -= len(withNames)
	given, family := givenNames[i%len(givenNames)], familyNames[(i/len(givenNames)+i)%len(familyNames)]
	return person{username: fmt.Sprintf("%s%05d", numberPrefix, i), display: given + " " + family}
}

// emailOf is how a demo account is told from another one with the same name: an account belongs to the demo if it
// has the address that the demo gives to its name. A column of its own would be a burden on every real installation.
// No real person has this address, as nothing under .invalid can exist (RFC 2606, section 2), and admins see by it
// what the account is. Whoever gives a demo account another address takes it over: the demo leaves it alone from then on.
func emailOf(username string) string { return username + "@demo.invalid" }

// peopleBatch is how many people are looked up and made by one statement: some 10 ms of locks.
const peopleBatch = 1000

// makePeople goes through the names until there are enough people. Names that are taken are passed over.
func (m *maker) makePeople(ctx context.Context) error {
	total := m.options.Users
	for next := 0; len(m.people) < total; {
		end := next + min(total-len(m.people), peopleBatch)
		if next < len(withNames) {
			end = min(end, len(withNames)) // a first batch of their own, which settles the password
		}
		if err := m.makeBatch(ctx, next, end); err != nil {
			return err
		}
		next = end
		m.progress(Progress{"people", len(m.people), total})
	}
	return nil
}

func (m *maker) makeBatch(ctx context.Context, from, to int) error {
	batch, err := m.importer.Users(ctx, accounts(from, to, m.now.Add(-span-scriptSpan))) // before the first message
	if err != nil {
		return err
	}
	m.people = append(m.people, batch.Users...)
	m.result.Taken = append(m.result.Taken, batch.Taken...)
	m.result.PeopleMade += batch.Made
	return nil
}

// accounts are those of the people number from to to.
func accounts(from, to int, created time.Time) (all []chat.ImportUser) {
	for i := from; i < to; i++ {
		p := personAt(i)
		all = append(all, chat.ImportUser{
			Username: p.username, DisplayName: p.display, Email: emailOf(p.username), IsAdmin: p.admin, CreatedAt: created,
		})
	}
	return all
}

func withoutDisabled(people []chat.User) []chat.User {
	return slices.DeleteFunc(slices.Clone(people), chat.User.Disabled)
}
