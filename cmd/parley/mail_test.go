package main

import (
	"crypto/tls"
	"database/sql"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/emersion/go-smtp"

	"parley/db/chat"
	"parley/db/dbtest"
	"parley/views"
)

// mailbox is a real SMTP server with STARTTLS.
type mailbox struct {
	addr    string
	talking chan chan bool // a client is in the middle of a mail; whether it is to be taken is awaited
	came    chan string
}

// newMailbox has parleys that are started afterwards trust its certificate.
func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	defer web.Close()
	file := filepath.Join(t.TempDir(), "roots.pem")
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(file, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file)
	m := &mailbox{talking: make(chan chan bool, 8), came: make(chan string, 8)}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		if _, secured := c.TLSConnectionState(); !secured {
			return unsecured{}, nil
		}
		return mailSession{m}, nil
	}))
	server.TLSConfig = &tls.Config{Certificates: web.TLS.Certificates}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = listener.Addr().String()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _, _ = server.Close(), listener.Close(); <-ended }) // a server that doesn't serve yet leaves its listener open
	return m
}

// flags have a parley send its mail here.
func (m *mailbox) flags() []string {
	return []string{"--smtp-url", "smtp://" + m.addr, "--mail-from", "Parley <parley@example.org>"}
}

// next waits for what is sure to come.
func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

type unsecured struct{ smtp.Session }

func (unsecured) Reset()        {}
func (unsecured) Logout() error { return nil }
func (unsecured) Mail(string, *smtp.MailOptions) error {
	return errors.New("a mail without TLS")
}

type mailSession struct{ *mailbox }

func (mailSession) Reset()                               {}
func (mailSession) Logout() error                        { return nil }
func (mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (m mailSession) Rcpt(string, *smtp.RcptOptions) error {
	take := make(chan bool)
	m.talking <- take
	if !<-take {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "later"}
	}
	return nil
}

func (m mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	m.came <- strings.ReplaceAll(string(text), "=\r\n", "") // as quoted-printable breaks lines
	return err
}

var resetLink = regexp.MustCompile(`http://[^ /]+(/password/reset/[A-Za-z0-9_-]{43})\r\n`)

// forgotten asks for a link as somebody who has the server believe in an address of theirs.
func forgotten(t *testing.T, r *running, email string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url("/password/forgot"), strings.NewReader(url.Values{"email": {email}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "evil.example"
	for name, value := range map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "X-Forwarded-Host": "evil.example"} {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != http.StatusAccepted {
		t.Fatalf("asking for a link: %s", answer.Status)
	}
}

// The whole way: a mail that was on its way when parley was killed is sent by the next one, over TLS, with a link to this
// server, whatever the request called it. Its form works in a browser that reaches parley without TLS.
func TestForgottenPasswordFromEndToEnd(t *testing.T) {
	box := newMailbox(t)
	dsn, pool := dbtest.NewDSN(t)
	store := chat.New(pool, chat.Options{})
	if _, err := store.CreateUser(t.Context(), chat.NewUser{Username: "alice", Email: "alice@example.org", Password: password}); err != nil {
		t.Fatal(err)
	}
	r := start(t, append(box.flags(), "--database-url", dsn)...)
	clientFor(t, r.url(""), "alice")
	forgotten(t, r, "alice@example.org")
	interrupted := next(t, "a mail", box.talking)
	r.kill()
	close(interrupted)
	if _, err := pool.Exec("UPDATE mails SET leased_until = NOW(6) - INTERVAL 1 SECOND"); err != nil { // rather than wait for five minutes
		t.Fatal(err)
	}
	r.start()
	next(t, "the mail again", box.talking) <- true
	text := next(t, "its text", box.came)
	link := resetLink.FindStringSubmatch(text)
	if link == nil || !strings.HasPrefix(link[0], r.url("")) || strings.Contains(text, "evil") {
		t.Fatalf("the mail is\n%s", text)
	}
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t, "http://parley.test:"+port)
	b.open(link[1])
	b.run(
		chromedp.SendKeys(`input[name=password]`, "a new password"),
		chromedp.Click(`.card button.primary`),
		chromedp.WaitVisible(`[role=status]`),
		chromedp.Click(`a[href="/login"]`),
		chromedp.SendKeys(`input[name=username]`, "alice"),
		chromedp.SendKeys(`input[name=password]`, "a new password"),
		chromedp.Submit(`form.card`),
		chromedp.WaitVisible(`#conversations`),
	)
	next(t, "a second mail", box.talking) <- true
	if text := next(t, "its text", box.came); !strings.Contains(text, "your password was reset") {
		t.Errorf("the owner is told\n%s", text)
	}
	if err := r.stop(); err != nil || strings.Contains(r.log.String(), strings.TrimPrefix(link[1], "/password/reset/")) {
		t.Errorf("%v, and the log has %s", err, r.log)
	}
}

// fillMail queues mail that nobody sends, and gives the pages of links that work.
func fillMail(t *testing.T, pool *sql.DB, store *chat.Store, people map[string]chat.User) []visit {
	t.Helper()
	made, err := store.MakeResetLink(t.Context(), chat.Actor{User: people["admin"]}, "carol")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO mails (kind, user_id, email, ip, created_at, due_at, attempts, error) VALUES
			('reset', 1, 'a-rather-long-address-of-somebody@a-rather-long-domain.example.org', '::1', NOW(6), NULL, 17, '451 4.7.1 Greylisted, please try again later; see https://mail.example.org/help'),
			('confirm', 2, 'bob@example.org', '::1', NOW(6), NOW(6) + INTERVAL 1 DAY, 3, '421 busy'), ('asked', 0, 'x@example.org', '::1', NOW(6), NOW(6) + INTERVAL 1 DAY, 0, '')`,
		`INSERT INTO links (user_id, kind, token_hash, state_hash, email, mail_id, created_at, expires_at)
			SELECT id, 'confirm', UNHEX(SHA2('to-confirm', 256)), UNHEX(SHA2(CONCAT('confirm', CHAR(0)), 256)), 'nobody@example.org', 0, NOW(6), NOW(6) + INTERVAL 1 DAY
			FROM users WHERE username = 'nobody-yet'`,
	} {
		if _, err := pool.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	reset := views.ResetPath + made.Token
	return []visit{{name: "confirm", path: views.ConfirmPath + "to-confirm"}, {name: "reset", path: reset}, {name: "reset-refused", path: reset, then: func(b *browser) {
		b.run(chromedp.SendKeys(chromedp.CSS(`input[name=password]`), "short"), chromedp.Click(chromedp.CSS(`.card button.primary`)), chromedp.WaitVisible(chromedp.CSS(`#main .error`)))
	}}}
}

func TestLinksLeadToThisServer(t *testing.T) {
	for addr, want := range map[string]string{"127.0.0.1:0": "http://127.0.0.1:", "0.0.0.0:0": "http://localhost:", "[::]:0": "http://localhost:"} {
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if base, err := (settings{}).linkBase(listener); err != nil || !strings.HasPrefix(base, want) {
			t.Errorf("listening on %s they begin with %q: %v", addr, base, err)
		}
		for set, want := range map[string]string{"https://chat.example.org": "https://chat.example.org", "https://chat.example.org:8443/": "https://chat.example.org:8443"} {
			if base, err := (settings{BaseURL: set}).linkBase(listener); err != nil || base != want {
				t.Errorf("with %s they begin with %q: %v", set, base, err)
			}
		}
	}
}
