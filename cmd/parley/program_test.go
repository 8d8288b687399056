package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"parley/db"
	"parley/db/chat"
	"parley/db/dbtest"
	"parley/db/private"
)

// startPrivate runs parley with a private database in a fresh directory.
func startPrivate(t testing.TB) *running {
	t.Helper()
	needsDatabaseProgram(t)
	return start(t, "--data-dir", t.TempDir())
}

func needsDatabaseProgram(t testing.TB) {
	t.Helper()
	if _, err := private.Version(t.Context()); err != nil {
		dbtest.Missing(t, err)
	}
}

// command runs one command of parley to its end.
func command(t testing.TB, in string, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	p := program{env: nil, in: strings.NewReader(in), out: &out, err: &errs}
	err := p.run(t.Context(), args)
	return out.String() + errs.String(), err
}

func TestPrivateDatabaseFromTheFirstStartToTheLast(t *testing.T) {
	r := startPrivate(t)
	dir := r.args[1]
	for _, name := range []string{"alice", "bob"} {
		if out, err := command(t, password+"\n", "user", "add", name, "--password-stdin", "--data-dir", dir); err != nil {
			t.Fatalf("adding %s beside a running parley: %v %s", name, err, out)
		}
	}
	clientFor(t, r.url(""), "alice").send("bob", "first")

	if _, err := command(t, "", "--data-dir", dir, "--addr", freeAddr(t)); err == nil || !strings.Contains(err.Error(), "another Parley is already running") {
		t.Errorf("a second parley on the same directory says: %v", err)
	}

	r.kill()
	r.start()
	clientFor(t, r.url(""), "alice").send("bob", "second")
	if err := r.stop(); err != nil {
		t.Fatalf("parley ended with %v\n%s", err, r.log)
	}
	r.start()
	status, body := clientFor(t, r.url(""), "bob").do(http.MethodGet, "/conversations/alice", nil)
	if status != http.StatusOK || !strings.Contains(string(body), "first") || !strings.Contains(string(body), "second") {
		t.Errorf("after a kill and a stop: %d %s", status, body)
	}
	if log := r.log.String(); !strings.Contains(log, "Parley is ready") || !strings.Contains(log, "took=") {
		t.Errorf("the log doesn't say how long the start took: %s", log)
	}
	if strings.Contains(r.log.String(), "level=ERROR") {
		t.Errorf("the log has surprises: %s", r.log)
	}
}

func TestStartIsQuickOnAnExistingDirectory(t *testing.T) {
	r := startPrivate(t)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.start()
	if took := time.Since(began); took > time.Second {
		t.Errorf("from the start to the first answer it took %v, and is to take under 1 s", took)
	}
}

func TestStopClosesWindowsAndEndsWell(t *testing.T) {
	server, store := startOn(t)
	addPeople(t, store, "alice", "bob")
	alice := clientFor(t, server.url(""), "alice")
	window, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.url("/ws"), "http"), http.Header{
		"Cookie": {alice.cookie()}, "Origin": {server.url("")},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer window.Close()
	began := time.Now()
	if err := server.stop(); err != nil {
		t.Errorf("parley ended with %v\n%s", err, server.log)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to stop, and is to take 10 s at most", took)
	}
	_, _, err = window.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.CloseServiceRestart {
		t.Errorf("the window ended with %v, and is to end with 1012", err)
	}
	if _, err := http.Get(server.url("/healthz")); err == nil {
		t.Error("parley still answers")
	}
}

func TestClearSentencesInsteadOfAStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "settings")
	if err := os.WriteFile(file, []byte("# a remark\nno-such-setting=secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"port taken":       {[]string{"--addr", taken.Addr().String()}, "can't listen on"},
		"unknown flag":     {[]string{"--colour=red"}, "parley --help lists"},
		"bad number":       {[]string{"--messages-to-load=0"}, "from 1 to 100"},
		"bad zone":         {[]string{"--time-zone=Mars/Olympus"}, "no time zone called"},
		"bad base URL":     {[]string{"--base-url=chat.example.org"}, "https://chat.example.org"},
		"bad Redis URL":    {[]string{"--redis-url=redis://:secret@local host"}, "redis://user:password@localhost"},
		"bad age":          {[]string{"--session-at-most=-1h"}, "session-at-most is a time"},
		"short age":        {[]string{"--session-at-most=10s"}, "session-at-most is a time"},
		"bad SMTP URL":     {[]string{"--smtp-url=smtp://user:secret@mail.example.org:port", "--mail-from=a@example.org"}, "smtp://user:password@mail.example.org:587"},
		"no TLS":           {[]string{"--smtp-url=smtp://user:secret@mail.example.org?tls=none", "--mail-from=a@example.org"}, "on this machine"},
		"mail from nobody": {[]string{"--smtp-url=smtp://user:secret@mail.example.org"}, "mail-from"},
		"bad drain":        {[]string{"--drain-for=-1s"}, "drain-for is a time"},
		"short token":      {[]string{"--metrics-token=secret"}, "at least 16 characters"},
		"bad DSN":          {[]string{"--database-url=nonsense", "--addr=127.0.0.1:0"}, "user:password@tcp"},
		"no server there":  {[]string{"--database-url=parley:secret@tcp(127.0.0.1:1)/parley", "--addr=127.0.0.1:0"}, "127.0.0.1:1"},
		"no such file":     {[]string{"--settings=/does/not/exist"}, "settings file can't be read"},
		"unknown setting":  {[]string{"--settings=" + file}, "line 2"},
		"no terminal":      {[]string{"user", "add", "zoe"}, "--password-stdin"},
		"unknown command":  {[]string{"fly"}, "fly"},
		"missing argument": {[]string{"user", "add"}, "<name>"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := command(t, "", c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("says %v %s, wanted %q", err, out, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestSettingsComeFromFlagsVariablesAndFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings")
	if err := os.WriteFile(file, []byte("addr = file:1\nmessages-to-load = 20\ntime-zone=Europe/Berlin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := program{env: []string{"PARLEY_ADDR=variable:1", "PARLEY_MESSAGES_TO_LOAD=30", "PARLEY_SETTINGS=" + file}}
	args := []string{"--addr=flag:1"}
	parser, err := p.parser(args)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	if p.set.Addr != "flag:1" || p.set.MessagesToLoad != 30 || p.set.TimeZone != "Europe/Berlin" || p.set.MaxBody != 10_000 {
		t.Errorf("got %+v", p.set)
	}
}

func TestHelpListsEverySetting(t *testing.T) {
	out, err := command(t, "", "--help")
	if err != nil {
		t.Fatal(err)
	}
	for name := range settingNames() {
		if !strings.Contains(out, "--"+name) {
			t.Errorf("--help doesn't tell of --%s", name)
		}
	}
}

func TestMigrateCommands(t *testing.T) {
	dsn, pool := dbtest.NewDSN(t)
	_, latest, _, err := db.Status(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	at := func(step uint) string { return fmt.Sprintf("at step %d of %d.", step, latest) }
	for _, c := range []struct{ args, want string }{
		{"status", at(latest)}, {"down", "went back by 1."}, {"status", at(latest - 1)}, {"down --steps=2", "went back by 2."}, {"up", "up to date"}, {"status", at(latest)},
		{"down --steps=1000", fmt.Sprintf("went back by %d.", latest)}, {"down", "went back by 0."}, {"up", "up to date"}, {"status", at(latest)},
	} {
		if out, err := command(t, "", slices.Concat([]string{"migrate"}, strings.Fields(c.args), []string{"--database-url", dsn})...); err != nil || !strings.Contains(out, c.want) {
			t.Fatalf("migrate %s says %q, %v", c.args, out, err)
		}
	}
	if _, err := command(t, "", "migrate", "down", "--steps=-1", "--database-url", dsn); err == nil {
		t.Error("the schema goes back by less than nothing")
	}
	if _, err := chat.New(pool, chat.Options{}).AnyUser(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestFrozenDatabaseHoldsNobodyForLong stops the private database's process without ending it: each request gets its
// answer after a bounded time, and all goes on when the database does.
func TestFrozenDatabaseHoldsNobodyForLong(t *testing.T) {
	r := startPrivate(t)
	dir := r.args[1]
	if out, err := command(t, password+"\n", "user", "add", "alice", "--password-stdin", "--data-dir", dir); err != nil {
		t.Fatal(err, out)
	}
	alice := clientFor(t, r.url(""), "alice")
	pid, err := os.ReadFile(filepath.Join(dir, "database", "database.pid"))
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(number, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(number, syscall.SIGCONT) }) // the database may be gone by then
	began := time.Now()
	status, body := alice.do(http.MethodGet, "/users", nil)
	if took := time.Since(began); status != http.StatusServiceUnavailable || took > 15*time.Second {
		t.Errorf("with the database frozen: %d after %v: %s", status, took, body)
	}
	if err := syscall.Kill(number, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	await(t, "parley to go on", func() bool {
		status, _, err := alice.try(t.Context(), http.MethodGet, "/users", nil)
		return err == nil && status == http.StatusOK
	})
}
