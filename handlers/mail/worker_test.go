package mail

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"parley/db/chat"
	"parley/db/dbtest"
)

// logBuffer is a log that a worker writes while a test reads.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// node is a Store with a worker, as each Parley has.
type node struct {
	*chat.Store
	log  *logBuffer
	idle atomic.Int64 // how often the worker found nothing
	stop func()       // waits until the worker has ended
}

// clock is the real time, moved on as a test wants it.
type clock struct {
	mu    sync.Mutex
	moved time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.moved)
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
}

func startNode(t *testing.T, store *chat.Store, mailer chat.Mailer) *node {
	t.Helper()
	return startNodeThatLooks(t, LookEvery, store, mailer)
}

func startNodeThatLooks(t *testing.T, every time.Duration, store *chat.Store, mailer chat.Mailer) *node {
	t.Helper()
	n := &node{Store: store, log: &logBuffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Worker{Store: store, Mailer: mailer, Logger: slog.New(slog.NewTextHandler(n.log, nil)), every: every, idle: func() { n.idle.Add(1) }}.Run(ctx)
	}()
	n.stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(n.stop)
	return n
}

func person(t *testing.T, store *chat.Store, username string) {
	t.Helper()
	if _, err := store.CreateUser(t.Context(), chat.NewUser{Username: username, Email: username + "@example.org", Password: "correct horse", IsAdmin: true}); err != nil {
		t.Fatal(err)
	}
}

func (s *sink) next(t *testing.T) received {
	t.Helper()
	select {
	case got := <-s.arrived:
		return got
	case <-time.After(patience):
		t.Fatal("no mail came")
		return received{}
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Asked for is sent at once, not when the worker looks of itself, and the link works.
func TestWorker(t *testing.T) {
	s := newSink(t)
	store := chat.New(dbtest.New(t), chat.Options{})
	person(t, store, "alice")
	n := startNodeThatLooks(t, time.Hour, store, s.mailer(t, "smtp://user:pass%20word@"+s.addr))
	waits := func(more int64) func() bool { return func() bool { return n.idle.Load() >= sendAtOnce+more } }
	await(t, "the worker to wait", waits(0))
	if err := store.AskReset(t.Context(), "alice@example.org", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	token := tokenIn(t, s.next(t).data)
	await(t, "the worker to wait again", waits(1))
	if err := store.ResetPassword(t.Context(), token, "a new password", ""); err != nil {
		t.Fatal(err)
	}
	if got := s.next(t); !strings.Contains(got.data, "your password was reset") {
		t.Errorf("then came %s", got.data)
	}
	await(t, "the log", func() bool { return strings.Count(n.log.String(), "A mail went out.") == 2 })
	if log := n.log.String(); strings.Contains(log, token) || strings.Contains(log, "example.org") {
		t.Errorf("the log is %s", log)
	}
}

func tokenIn(t *testing.T, data string) string {
	t.Helper()
	data = strings.ReplaceAll(data, "=\r\n", "") // as quoted-printable breaks lines
	_, rest, found := strings.Cut(data, "https://chat.example.org/password/reset/")
	if !found || len(rest) < 43 {
		t.Fatalf("there is no link in\n%s", data)
	}
	token, err := url.PathUnescape(rest[:43])
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A restart loses no mail: what the server wouldn't take the next Parley sends, when it is due.
func TestMailOutlivesARestart(t *testing.T) {
	s := newSink(t)
	mailer := s.mailer(t, "smtp://user:pass%20word@"+s.addr)
	pool, clock := dbtest.New(t), &clock{}
	store := chat.New(pool, chat.Options{Now: clock.now})
	person(t, store, "alice")
	s.answering(func(step, _ string) error {
		if step == "RCPT" {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted"}
		}
		return nil
	})
	first := startNode(t, store, mailer)
	if err := store.AskReset(t.Context(), "alice@example.org", ""); err != nil {
		t.Fatal(err)
	}
	await(t, "the refusal", func() bool { return strings.Contains(first.log.String(), "greylisted") })
	first.stop()
	if !strings.Contains(first.log.String(), "level=WARN") || strings.Contains(first.log.String(), "level=ERROR") {
		t.Errorf("the log has %s", first.log)
	}
	s.answering(func(string, string) error { return nil })
	clock.move(2 * time.Minute)
	startNode(t, chat.New(pool, chat.Options{Now: clock.now}), mailer)
	token := tokenIn(t, s.next(t).data)
	if _, err := store.FindReset(t.Context(), token); err != nil {
		t.Error(err)
	}
}

// What is on its way when Parley stops has time to arrive; what takes longer is given up, and sent again afterwards.
func TestWorkerDrains(t *testing.T) {
	s := newSink(t)
	pool, clock := dbtest.New(t), &clock{}
	store := chat.New(pool, chat.Options{Now: clock.now})
	person(t, store, "alice")
	person(t, store, "bob")
	talking, goOn := make(chan string, 4), make(chan struct{})
	s.answering(func(step, value string) error {
		if step == "RCPT" {
			talking <- value
			<-goOn
		}
		return nil
	})
	mailer := s.mailer(t, "smtp://user:pass%20word@"+s.addr)
	n := startNode(t, store, mailer)
	if err := store.AskReset(t.Context(), "alice@example.org", ""); err != nil {
		t.Fatal(err)
	}
	<-talking
	ended := make(chan struct{})
	go func() { n.stop(); close(ended) }()
	close(goOn)
	s.next(t)
	<-ended
	if strings.Contains(n.log.String(), "level=WARN") || !strings.Contains(n.log.String(), "A mail went out.") {
		t.Errorf("the log has %s", n.log)
	}

	goOn = make(chan struct{})
	n = startNode(t, store, mailer)
	if err := store.AskReset(t.Context(), "bob@example.org", ""); err != nil {
		t.Fatal(err)
	}
	<-talking
	start := time.Now()
	n.stop()
	if took := time.Since(start); took > 3*finishWithin || !strings.Contains(n.log.String(), "when Parley was stopped") {
		t.Errorf("it took %s, and the log has %s", took, n.log)
	}
	close(goOn)
	clock.move(2 * time.Minute)
	startNode(t, store, mailer)
	if got := s.next(t); got.to != "bob@example.org" {
		t.Errorf("then came %+v", got)
	}
}

// A refusal for good is an error in the log, and other mail goes on.
func TestStuckMailIsAnError(t *testing.T) {
	s := newSink(t)
	store := chat.New(dbtest.New(t), chat.Options{})
	person(t, store, "alice")
	person(t, store, "bob")
	s.answering(func(step, value string) error {
		if step == "RCPT" && value == "alice@example.org" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody"}
		}
		return nil
	})
	n := startNode(t, store, s.mailer(t, "smtp://user:pass%20word@"+s.addr))
	for _, to := range []string{"alice@example.org", "bob@example.org"} {
		if err := store.AskReset(t.Context(), to, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.next(t); got.to != "bob@example.org" {
		t.Errorf("came %+v", got)
	}
	await(t, "the error", func() bool { return strings.Contains(n.log.String(), "level=ERROR") })
	if log := n.log.String(); !strings.Contains(log, "550") || !strings.Contains(log, "/admin/mail") {
		t.Errorf("the log is %s", log)
	}
}

// What the server says of a mail, which may be all of it, tells the log neither the link nor the address.
func TestTheLogKeepsWhatTheServerSays(t *testing.T) {
	s := newSink(t)
	store := chat.New(dbtest.New(t), chat.Options{})
	person(t, store, "alice")
	var token string
	s.answering(func(step, value string) error {
		if step != "DATA" {
			return nil
		}
		token = tokenIn(t, value)
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "alice@example.org won't have https://chat.example.org/password/reset/" + token + " \xff"}
	})
	n := startNode(t, store, s.mailer(t, "smtp://user:pass%20word@"+s.addr))
	if err := store.AskReset(t.Context(), "alice@example.org", ""); err != nil {
		t.Fatal(err)
	}
	await(t, "the refusal", func() bool { return strings.Contains(n.log.String(), "level=ERROR") })
	if log := n.log.String(); token == "" || strings.Contains(log, token) || strings.Contains(log, "alice@example.org") || !strings.Contains(log, "554") {
		t.Errorf("the log is %s", log)
	}
	admin, err := store.UserByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	queue, err := store.Mails(t.Context(), chat.Actor{User: admin}, "", 0)
	if err != nil || len(queue.Items) != 1 || !queue.Items[0].Stuck() || strings.Contains(queue.Items[0].Error, token) || !strings.Contains(queue.Items[0].Error, "554") {
		t.Errorf("the queue is %+v, %v", queue.Items, err)
	}
}

// Without a server, the log says what would go, so that whoever tries Parley can go on.
func TestLogMailer(t *testing.T) {
	store := chat.New(dbtest.New(t), chat.Options{})
	person(t, store, "alice")
	log := &logBuffer{}
	startNode(t, store, Log{Logger: slog.New(slog.NewTextHandler(log, nil)), Base: "http://127.0.0.1:8080"})
	if err := store.AskReset(t.Context(), "alice@example.org", ""); err != nil {
		t.Fatal(err)
	}
	await(t, "the mail", func() bool { return strings.Contains(log.String(), "kind=reset") })
	for _, want := range []string{"to=alice@example.org", "http://127.0.0.1:8080/password/reset/", "within an hour"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s isn't in %s", want, log)
		}
	}
}
