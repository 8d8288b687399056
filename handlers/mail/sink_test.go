package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"parley/db/chat"
	"parley/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// patience bounds each wait for something that is sure to come.
const patience = 20 * time.Second

// sink is a real SMTP server that keeps what it is given.
type sink struct {
	addr  string
	roots *x509.CertPool

	mu       sync.Mutex
	mails    []received
	sessions int
	logins   [][2]string
	answer   func(step, value string) error // may refuse: step is MAIL, RCPT or DATA
	arrived  chan received
}

type received struct {
	from, to string
	tls      bool
	data     string
}

// options of a sink.
type sinkOption func(*smtp.Server, *sink)

func implicitTLS(s *smtp.Server, _ *sink) { s.Network = "tls" }
func withoutTLS(s *smtp.Server, _ *sink)  { s.TLSConfig, s.AllowInsecureAuth = nil, true }

// newSink starts one with a certificate for 127.0.0.1. It wants the password "pass word".
func newSink(t testing.TB, options ...sinkOption) *sink {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	s := &sink{roots: x509.NewCertPool(), arrived: make(chan received, 100), answer: func(string, string) error { return nil }}
	s.roots.AddCert(web.Certificate())
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sessions++
		return &sinkSession{sink: s, conn: c}, nil
	}))
	server.Domain, server.TLSConfig = "sink.example", &tls.Config{Certificates: web.TLS.Certificates}
	for _, o := range options {
		o(server, s)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	if server.Network == "tls" {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	// A server that is closed before it serves doesn't know its listener yet, and would serve for ever.
	t.Cleanup(func() { _, _ = server.Close(), listener.Close(); <-ended })
	return s
}

func (s *sink) received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received{}, s.mails...)
}

// answering sets what is refused from now on.
func (s *sink) answering(f func(step, value string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *sink) ask(step, value string) error {
	s.mu.Lock()
	f := s.answer
	s.mu.Unlock()
	return f(step, value)
}

type sinkSession struct {
	sink *sink
	conn *smtp.Conn
	got  received
}

func (s *sinkSession) Reset()        { s.got = received{} }
func (s *sinkSession) Logout() error { return nil }

func (s *sinkSession) Mail(from string, _ *smtp.MailOptions) error {
	s.got.from = from
	return s.sink.ask("MAIL", from)
}

func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.got.to = to
	return s.sink.ask("RCPT", to)
}

func (s *sinkSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.got.data = string(text)
	_, s.got.tls = s.conn.TLSConnectionState()
	if err := s.sink.ask("DATA", s.got.data); err != nil {
		return err
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.mails = append(s.sink.mails, s.got)
	s.sink.arrived <- s.got
	return nil
}

func (s *sinkSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *sinkSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		s.sink.mu.Lock()
		defer s.sink.mu.Unlock()
		s.sink.logins = append(s.sink.logins, [2]string{username, password})
		if password != "pass word" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "not " + password}
		}
		return nil
	}), nil
}

// mailer is an SMTP Mailer that trusts the sink's certificate.
func (s *sink) mailer(t testing.TB, address string) *SMTP {
	t.Helper()
	m, err := NewSMTP(address, "Párley <parley@example.org>", "https://chat.example.org")
	if err != nil {
		t.Fatal(err)
	}
	m.roots = s.roots
	return m
}

// stillServer takes connections, says what is given line by line, one for each line that it hears, and then nothing more.
func stillServer(t testing.TB, lines ...string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			all.Go(func() { say(conn, lines) })
		}
	})
	t.Cleanup(func() { cancel(); listener.Close(); all.Wait() })
	return listener.Addr().String()
}

func say(conn net.Conn, lines []string) {
	defer conn.Close()
	buffer := make([]byte, 64<<10)
	for _, line := range lines {
		if _, err := conn.Write([]byte(line + "\r\n")); err != nil {
			return
		}
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, conn)
}

var alice = chat.User{ID: 7, Username: "alice", DisplayName: "Alice\r\nBcc: all@example.org"}

// resetMail is one to send.
func resetMail() chat.Mail {
	return chat.Mail{ID: 42, Attempts: 1, Kind: chat.MailReset, To: "alice@example.org", User: alice, Place: "Our “place”", Token: "the-token_0123456789"}
}
