package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/db/chat"
	"parley/db/demo"
)

type demoCmd struct {
	Users    int    `default:"12" help:"How many people in all: first those with names, then demo00000, demo00001 and so on."`
	Messages int    `default:"400" help:"How many messages between them in all."`
	Password string `help:"The password of all of them. Unset: the one in the file demo-password in the data directory, which is made up at the first time."`
}

// Run adds what is missing and says how to sign in.
func (cmd demoCmd) Run(ctx context.Context, p *program) error {
	return p.withDatabase(ctx, func(pool *sql.DB) error {
		start := time.Now()
		result, password, err := p.makeDemo(ctx, chat.New(pool, chat.Options{}), cmd)
		if err != nil {
			return plainly(err)
		}
		p.printDemo(result, password, time.Since(start))
		return nil
	})
}

// makeDemo finds a password where none is given. That one is on file before anybody has it, so that a run that is cut
// short leaves no accounts behind that nobody can use; a given one gets there once it has proved to be good enough.
func (p *program) makeDemo(ctx context.Context, store *chat.Store, cmd demoCmd) (_ demo.Result, password string, err error) {
	password = cmd.Password
	if password == "" {
		if password, err = p.demoPassword(); err != nil {
			return demo.Result{}, "", err
		}
	}
	o := demo.Options{Users: cmd.Users, Messages: cmd.Messages, Password: password}
	result, err := demo.Make(ctx, store, o, (&progress{to: p.err, every: progressEvery, now: time.Now}).report)
	if err != nil {
		return result, password, err
	}
	return result, password, p.keepDemoPassword(password)
}

func (p *program) printDemo(r demo.Result, password string, took time.Duration) {
	fmt.Fprintf(p.out, "%d people and %d messages were made in %s.\n", r.PeopleMade, r.MessagesMade, took.Round(10*time.Millisecond))
	if len(r.Taken) > 0 {
		fmt.Fprintf(p.out, "Accounts that aren't the demo's have these names and were left alone: %s.\n", strings.Join(r.Taken, ", "))
	}
	fmt.Fprintf(p.out, "\nWhile parley runs, sign in at %s as one of\n", p.demoAddress("http://"+p.set.Addr))
	for _, u := range r.Named {
		fmt.Fprintln(p.out, "  "+demoLine(u))
	}
	switch n := len(r.Numbered); {
	case n == 1:
		fmt.Fprintln(p.out, "  "+r.Numbered[0].Username)
	case n > 1:
		fmt.Fprintf(p.out, "  %s to %s\n", r.Numbered[0].Username, r.Numbered[n-1].Username)
	}
	fmt.Fprintf(p.out, "with the password\n  %s\n", password)
}

func demoLine(u chat.User) string {
	text := fmt.Sprintf("%s (%s)", u.Username, u.DisplayName)
	if u.IsAdmin {
		text += ", an admin"
	}
	return text
}

// demoAddress is the address for people, where it isn't the one that a parley listens on.
func (p *program) demoAddress(listening string) string {
	if p.set.BaseURL != "" {
		return p.set.BaseURL
	}
	return listening
}

// demoOnce serves --demo: it fills an empty database, and tells at every start how to sign in.
func (p *program) demoOnce(ctx context.Context, store *chat.Store, address string) error {
	found, err := store.AnyUser(ctx)
	if err != nil {
		return err
	}
	if !found {
		// The settings hold the usual size, as if parley demo had been given nothing.
		if _, _, err := p.makeDemo(ctx, store, demoCmd{Users: p.set.Demo.Users, Messages: p.set.Demo.Messages}); err != nil {
			return plainly(err)
		}
	}
	return p.logSignIns(ctx, store, p.demoAddress(address))
}

func (p *program) logSignIns(ctx context.Context, store *chat.Store, address string) error {
	password, err := p.readDemoPassword()
	if errors.Is(err, os.ErrNotExist) {
		p.log.Warn("The database has accounts already and the demo's password isn't on file, so nothing was made: parley demo adds demo people beside the others and prints how to sign in.", "file", p.demoPasswordFile())
		return nil
	}
	if err != nil {
		return err
	}
	usernames, err := demoSignIns(ctx, store, password)
	if err == nil && len(usernames) == 0 {
		p.log.Warn("Nobody of the demo has the password on file any more, or there is no demo in this database: parley demo adds demo people and gives it to them.", "file", p.demoPasswordFile())
	}
	for _, username := range usernames {
		p.log.Info("Sign in to try Parley.", "address", address, "username", username, "password", password)
	}
	return err
}

// demoSignIns finds two people who can sign in with the password: one for each of two browsers that talk with each
// other. Whoever has changed it since is passed over.
func demoSignIns(ctx context.Context, store *chat.Store, password string) (usernames []string, _ error) {
	people, err := demo.People(ctx, store)
	if err != nil {
		return nil, err
	}
	for _, u := range people {
		_, err := store.Authenticate(ctx, u.Username, password)
		if err == nil {
			usernames = append(usernames, u.Username)
		} else if chat.KindOf(err) != chat.Denied {
			return nil, err
		}
		if len(usernames) == 2 {
			break
		}
	}
	return usernames, nil
}

func (p *program) demoPasswordFile() string { return filepath.Join(p.set.DataDir, "demo-password") }

func (p *program) readDemoPassword() (string, error) {
	text, err := os.ReadFile(p.demoPasswordFile())
	return strings.TrimSuffix(string(text), "\n"), err
}

// demoPassword gives the password on file, or puts a new one there.
func (p *program) demoPassword() (string, error) {
	password, err := p.readDemoPassword()
	if err == nil && password != "" || err != nil && !errors.Is(err, os.ErrNotExist) {
		return password, err
	}
	// Three groups of five out of 32 characters are 75 bits.
	text := strings.ToLower(rand.Text())
	password = text[:5] + "-" + text[5:10] + "-" + text[10:15]
	return password, p.keepDemoPassword(password)
}

// keepDemoPassword replaces the file at once, so that there is never half a password in it, nor a moment in which
// others can read it: temporary files are made for their owner only.
func (p *program) keepDemoPassword(password string) error {
	if err := os.MkdirAll(p.set.DataDir, 0o700); err != nil {
		return fmt.Errorf("the demo's password can't be kept: %w", err)
	}
	file, err := os.CreateTemp(p.set.DataDir, "demo-password-*")
	if err != nil {
		return fmt.Errorf("the demo's password can't be kept: %w", err)
	}
	_, err = fmt.Fprintln(file, password)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), p.demoPasswordFile())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the demo's password can't be kept: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// progressEvery keeps quick work silent, and long work from looking stuck.
const progressEvery = 5 * time.Second

// progress writes a line now and then.
type progress struct {
	to    io.Writer
	every time.Duration
	now   func() time.Time

	step  string
	began time.Time // when the step did
	base  int       // what the step had done at its first report
	next  time.Time
}

func (p *progress) report(at demo.Progress) {
	now := p.now()
	if at.Step != p.step {
		p.step, p.began, p.base, p.next = at.Step, now, at.Done, now.Add(p.every)
	}
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(p.every)
	rate := float64(at.Done-p.base) / now.Sub(p.began).Seconds()
	left := time.Duration(float64(at.Total-at.Done) / rate * float64(time.Second))
	fmt.Fprintf(p.to, "%d of %d %s, %.0f per second, %s left\n", at.Done, at.Total, at.Step, rate, left.Round(time.Second))
}
