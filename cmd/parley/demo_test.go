package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/db/demo"
)

// demoTown is a database and a data directory that isn't there yet.
type demoTown struct {
	*testing.T
	dsn, dir string
	store    *chat.Store
}

func newDemoTown(t *testing.T) demoTown {
	dsn, pool := dbtest.NewDSN(t)
	return demoTown{t, dsn, filepath.Join(t.TempDir(), "not", "yet"), chat.New(pool, chat.Options{})}
}

func (t demoTown) demo(args ...string) string {
	t.Helper()
	out, err := command(t, "", append([]string{"demo", "--database-url", t.dsn, "--data-dir", t.dir}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (t demoTown) file() string { return filepath.Join(t.dir, "demo-password") }

func (t demoTown) mustSignIn(username, password string) {
	t.Helper()
	if _, err := t.store.Authenticate(t.Context(), username, password); err != nil {
		t.Errorf("%s can't sign in with %q: %v", username, password, err)
	}
}

// printedPassword is the last line that demo prints.
func printedPassword(t *testing.T, out string) string {
	t.Helper()
	_, password, found := strings.Cut(out, "with the password\n  ")
	if !found {
		t.Fatalf("no password was printed: %s", out)
	}
	return strings.TrimSuffix(password, "\n")
}

func TestDemoPrintsHowToSignIn(t *testing.T) {
	town := newDemoTown(t)
	out := town.demo()
	password := printedPassword(t, out)
	for _, want := range []string{"12 people and 400 messages were made", "http://127.0.0.1:8080", "alice (Alice Lindqvist), an admin\n", "demo00000 to demo00003\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in %s", want, out)
		}
	}
	if strings.Contains(out, "per second") {
		t.Errorf("a small demo makes noise: %s", out)
	}
	for _, username := range []string{"alice", "maximiliana", "demo00003"} {
		town.mustSignIn(username, password)
	}
	if again := printedPassword(t, town.demo()); again != password {
		t.Errorf("the second run prints %q after %q", again, password)
	}
}

func TestDemoPasswordIsMadeUpAndKeptToOneself(t *testing.T) {
	one, two := newDemoTown(t), newDemoTown(t)
	if a, b := printedPassword(t, one.demo("--users", "1", "--messages", "0")), printedPassword(t, two.demo("--users", "1", "--messages", "0")); a == b || len(a) < 15 {
		t.Errorf("the passwords of two demos are %q and %q", a, b)
	}
	for path, mode := range map[string]os.FileMode{one.file(): 0o600, one.dir: 0o700 | os.ModeDir} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
}

func TestDemoTakesAPassword(t *testing.T) {
	town := newDemoTown(t)
	town.demo("--users", "2", "--messages", "0")
	if out := town.demo("--users", "2", "--messages", "0", "--password", " beans in May "); printedPassword(t, out) != " beans in May " {
		t.Errorf("it prints %s", out)
	}
	town.mustSignIn("bob", " beans in May ")
	if out := town.demo("--users", "2", "--messages", "0"); printedPassword(t, out) != " beans in May " {
		t.Errorf("the next run without a password prints %s", out)
	}
	_, err := command(t, "", "demo", "--database-url", town.dsn, "--data-dir", town.dir, "--password", "short")
	if err == nil || !strings.Contains(err.Error(), "8 to 128 characters") {
		t.Errorf("a short password: %v", err)
	}
	if kept, err := os.ReadFile(town.file()); err != nil || string(kept) != " beans in May \n" {
		t.Errorf("after a refused password %q is on file: %v", kept, err)
	}
}

func TestDemoSaysWhomItLeftAlone(t *testing.T) {
	town := newDemoTown(t)
	addPeople(t, town.store, "alice", "bob")
	if out := town.demo(); !strings.Contains(out, "left alone: alice, bob.\n") || strings.Contains(out, "an admin") {
		t.Errorf("it prints %s", out)
	}
	town.mustSignIn("alice", password)
}

// loggedSignIns reads what serve --demo logs.
func loggedSignIns(log string) (usernames, passwords []string) {
	for _, match := range regexp.MustCompile(`address=http://\S+ username=(\S+) password=(\S+)`).FindAllStringSubmatch(log, -1) {
		usernames, passwords = append(usernames, match[1]), append(passwords, match[2])
	}
	return usernames, passwords
}

func TestServeDemo(t *testing.T) {
	town := newDemoTown(t)
	r := start(t, "--demo", "--database-url", town.dsn, "--data-dir", town.dir)
	signIns := func() []string {
		usernames, passwords := loggedSignIns(r.log.String())
		if len(usernames) == 2 {
			return append(usernames, passwords...)
		}
		return nil
	}
	await(t, "two sign-ins", func() bool { return signIns() != nil }, r.log.String)
	first := signIns()
	if first[0] != "alice" || first[1] != "bob" {
		t.Errorf("the sign-ins are of %v", first)
	}
	town.mustSignIn(first[0], first[2])
	town.mustSignIn(first[1], first[3])

	r.kill()
	r.start()
	await(t, "the same sign-ins again", func() bool { return strings.Join(signIns(), " ") == strings.Join(first, " ") }, r.log.String)
	if made, err := town.store.Conversations(t.Context(), mustUser(t, town.store, "alice"), chat.ConversationQuery{}); err != nil || len(made.Items) < 5 {
		t.Errorf("alice has %d conversations: %v", len(made.Items), err)
	}
}

func TestServeDemoOnADatabaseInUse(t *testing.T) {
	town := newDemoTown(t)
	addPeople(t, town.store, "carol")
	r := start(t, "--demo", "--database-url", town.dsn, "--data-dir", town.dir)
	await(t, "a word on what to do", func() bool { return strings.Contains(r.log.String(), "parley demo adds demo people beside the others") }, r.log.String)
	if _, err := os.Stat(town.file()); err == nil {
		t.Error("there is a password for nobody")
	}
	if people, err := demo.People(t.Context(), town.store); err != nil || len(people) != 0 {
		t.Errorf("demo people were made: %v %v", people, err)
	}

	// A password that nobody has, as from another database.
	if _, err := demo.Make(t.Context(), town.store, demo.Options{Users: 2, Password: password}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(town.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(town.file(), []byte("of another database\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.kill()
	r.start()
	await(t, "a word on the password", func() bool { return strings.Contains(r.log.String(), "Nobody of the demo has the password on file") }, r.log.String)
	if strings.Contains(r.log.String(), "of another database") {
		t.Errorf("the password is in the log: %s", r.log)
	}
}

func TestDemoBesideARunningServer(t *testing.T) {
	r := startPrivate(t)
	out, err := command(t, "", "demo", "--data-dir", r.args[1], "--password", password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "400 messages were made") {
		t.Errorf("it prints %s", out)
	}
	clientFor(t, r.url(""), "alice").send("bob", "Here I am.")
}

func mustUser(t *testing.T, store *chat.Store, username string) chat.User {
	t.Helper()
	u, err := store.UserByName(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestProgressIsSilentAtFirst(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	p := progress{to: &out, every: 5 * time.Second, now: func() time.Time { return now }}
	for _, at := range []struct {
		after time.Duration
		demo.Progress
		want string
	}{
		{0, demo.Progress{Step: "people", Done: 10, Total: 30}, ""},
		{4 * time.Second, demo.Progress{Step: "people", Done: 20, Total: 30}, ""},
		{4 * time.Second, demo.Progress{Step: "messages", Done: 1000, Total: 9000}, ""}, // a step has its own time
		{5 * time.Second, demo.Progress{Step: "messages", Done: 2000, Total: 9000}, "2000 of 9000 messages, 200 per second, 35s left\n"},
		{time.Second, demo.Progress{Step: "messages", Done: 2200, Total: 9000}, ""},
	} {
		now = now.Add(at.after)
		out.Reset()
		if p.report(at.Progress); out.String() != at.want {
			t.Errorf("%+v: %q", at, out.String())
		}
	}
}
