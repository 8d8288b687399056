package mail

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	stdmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"parley/db/chat"
)

func TestSettings(t *testing.T) {
	const from = "Parley <parley@example.org>"
	for address, want := range map[string]string{
		"smtp://mail.example.org":                               "mail.example.org:587",
		"smtp://user:pass%20word@mail.example.org:2525":         "mail.example.org:2525",
		"smtps://user:pass@mail.example.org":                    "mail.example.org:465",
		"smtp://localhost:25?tls=none":                          "localhost:25",
		"smtp://127.0.0.1?tls=none":                             "127.0.0.1:587",
		"smtp://[::1]:25?tls=none":                              "[::1]:25",
		"smtp://user:hunter2@mail.example.org?tls=none":         "",
		"smtp://user:hunter2@192.0.2.1?tls=none":                "",
		"smtp://user:hunter2@localhost.example.org?tls=none":    "",
		"smtps://user:hunter2@localhost?tls=none":               "",
		"smtp://user:hunter2@localhost?tls=none&tls=none":       "",
		"smtp://user:hunter2@mail.example.org?tls=maybe":        "",
		"smtp://user:hunter2@mail.example.org?starttls=no":      "",
		"smtp://user:hunter2@/":                                 "",
		"smtp://user:hun#ter2@mail.example.org":                 "",
		"smtp://user:hun/ter2@mail.example.org":                 "",
		"smtp://user:hun%zzhunter2@mail.example.org":            "",
		"http://user:hunter2@mail.example.org":                  "",
		"user:hunter2@mail.example.org":                         "",
		"mail.example.org:587":                                  "",
		"smtp://user:hunter2@mail.example.org/inbox":            "",
		"smtp://user:hunter2@mail.example.org:port":             "",
		"smtp://user:hunter2@mail.example.org\r\nRCPT TO:<x@y>": "",
	} {
		s, err := NewSMTP(address, from, "https://chat.example.org")
		if (err == nil) != (want != "") || err == nil && s.address != want {
			t.Errorf("%s: %+v, %v", address, s, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "hun") || !strings.HasPrefix(err.Error(), "smtp-url ")) {
			t.Errorf("%s: the error is %q", address, err)
		}
	}
	for _, from := range []string{"", "Parley", "parley@", "a@b.example, c@d.example", "Parley <parley@example.org>\r\nBcc: x@y.example"} {
		if _, err := NewSMTP("smtp://mail.example.org", from, ""); err == nil || !strings.HasPrefix(err.Error(), "mail-from ") {
			t.Errorf("from %q: %v", from, err)
		}
	}
}

// What arrives: over TLS, signed in, both forms of the text with the link to the base URL, and headers that nobody's name
// can add to.
func TestSend(t *testing.T) {
	for name, c := range map[string]struct {
		option sinkOption
		url    func(addr string) string
		tls    bool
	}{
		"STARTTLS":     {nil, func(addr string) string { return "smtp://us%40er:pass%20word@" + addr }, true},
		"TLS":          {implicitTLS, func(addr string) string { return "smtps://us%40er:pass%20word@" + addr }, true},
		"this machine": {withoutTLS, func(addr string) string { return "smtp://us%40er:pass%20word@" + addr + "?tls=none" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			var options []sinkOption
			if c.option != nil {
				options = append(options, c.option)
			}
			s := newSink(t, options...)
			if err := s.mailer(t, c.url(s.addr)).Send(t.Context(), resetMail()); err != nil {
				t.Fatal(err)
			}
			got := s.received()
			if len(got) != 1 || got[0].from != "parley@example.org" || got[0].to != "alice@example.org" || got[0].tls != c.tls {
				t.Fatalf("%+v", got)
			}
			if len(s.logins) != 1 || s.logins[0] != [2]string{"us@er", "pass word"} {
				t.Errorf("it signed in as %q", s.logins)
			}
			checkMessage(t, got[0].data)
		})
	}
}

func checkMessage(t *testing.T, data string) {
	t.Helper()
	m, err := stdmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Our “place”: choose a new password" {
		t.Errorf("the subject is %q: %v", subject, err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Name != "Párley" || from[0].Address != "parley@example.org" {
		t.Errorf("from %v: %v", from, err)
	}
	if m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("Bcc") != "" || m.Header.Get("Cc") != "" || m.Header.Get("User-Agent") != "" ||
		!strings.HasSuffix(m.Header.Get("Message-Id"), "@example.org>") || m.Header.Get("Date") == "" {
		t.Errorf("the headers are %v", m.Header)
	}
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("it is %s: %v", kind, err)
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	for _, want := range []string{"text/plain", "text/html"} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || !strings.HasPrefix(part.Header.Get("Content-Type"), want) {
			t.Fatalf("%s: %v", part.Header, err)
		}
		if !strings.Contains(string(text), "https://chat.example.org/password/reset/the-token_0123456789") || strings.Contains(string(text), "Bcc") || !strings.Contains(string(text), "alice") {
			t.Errorf("%s is\n%s", want, text)
		}
	}
}

// Without TLS nothing goes out but to this machine, whatever the server offers: neither password nor link.
func TestNoTLSNoMail(t *testing.T) {
	s := newSink(t, withoutTLS)
	err := s.mailer(t, "smtp://user:pass%20word@"+s.addr).Send(t.Context(), resetMail())
	if err == nil || errors.Is(err, chat.ErrMailRefused) || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("the error is %v", err)
	}
	stranger := newSink(t)
	m := stranger.mailer(t, "smtp://user:pass%20word@"+stranger.addr)
	m.roots = newSink(t).roots
	m.roots = nil // the system's, which don't know it
	if err := m.Send(t.Context(), resetMail()); err == nil || errors.Is(err, chat.ErrMailRefused) {
		t.Errorf("a stranger's certificate: %v", err)
	}
	for _, s := range []*sink{s, stranger} {
		if len(s.received()) > 0 || len(s.logins) > 0 {
			t.Errorf("got %v, %v", s.received(), s.logins)
		}
	}
}

// Only a refusal of the recipient or of the text is for good: what is wrong with us, an admin can put right.
func TestRefusals(t *testing.T) {
	s := newSink(t)
	mailer := s.mailer(t, "smtp://user:pass%20word@"+s.addr)
	for _, c := range []struct {
		step string
		code int
		good bool
	}{
		{"RCPT", 550, true}, {"DATA", 554, true}, {"RCPT", 450, false}, {"DATA", 451, false}, {"MAIL", 550, false}, {"MAIL", 421, false},
	} {
		s.answering(func(step, _ string) error {
			if step != c.step {
				return nil
			}
			return &smtp.SMTPError{Code: c.code, EnhancedCode: smtp.EnhancedCode{c.code / 100, 1, 1}, Message: "because\nof pass word"}
		})
		err := mailer.Send(t.Context(), resetMail())
		if err == nil || errors.Is(err, chat.ErrMailRefused) != c.good || !strings.Contains(err.Error(), "because") || strings.Contains(err.Error(), "pass word") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%d to %s: %v", c.code, c.step, err)
		}
	}
	wrong := s.mailer(t, "smtp://user:wrong-one@"+s.addr)
	if err := wrong.Send(t.Context(), resetMail()); err == nil || errors.Is(err, chat.ErrMailRefused) || strings.Contains(err.Error(), "wrong-one") || !strings.Contains(err.Error(), "535") {
		t.Errorf("a wrong password: %v", err)
	}
	if got := s.received(); len(got) > 0 {
		t.Errorf("it kept %v", got)
	}
}

// A server that stands still, wherever, holds a mail up for its time and no longer. Once it has said that it has the mail,
// what it does then is all one.
func TestServersThatStandStill(t *testing.T) {
	still := []string{"220 hello", "250 hello", "250 sender", "250 recipient", "354 go on", "250 it is mine"}
	for n := range len(still) + 1 {
		mailer, err := NewSMTP("smtp://"+stillServer(t, still[:n]...)+"?tls=none", "parley@example.org", "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		start := time.Now()
		err = mailer.Send(ctx, resetMail())
		cancel()
		if delivered := n == len(still); (err == nil) != delivered || errors.Is(err, chat.ErrMailRefused) || time.Since(start) > patience {
			t.Errorf("after %q: %v, in %s", still[:n], err, time.Since(start))
		}
	}
	mailer, err := NewSMTP("smtps://"+stillServer(t), "parley@example.org", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := mailer.Send(ctx, resetMail()); err == nil || !strings.Contains(err.Error(), "took longer") {
		t.Errorf("a handshake that never comes: %v", err)
	}
}

// What a newer Parley queued is left to it.
func TestMailOfANewerVersion(t *testing.T) {
	m := resetMail()
	m.Kind = "digest"
	s := newSink(t)
	for _, mailer := range []chat.Mailer{s.mailer(t, "smtp://user:pass%20word@"+s.addr), Log{Logger: slog.New(slog.DiscardHandler)}} {
		if err := mailer.Send(t.Context(), m); !errors.Is(err, errNoWords) || errors.Is(err, chat.ErrMailRefused) {
			t.Errorf("%T: %v", mailer, err)
		}
	}
}

// Recipients are what the queue says, but for the spelling of a domain; what is no address is refused, not sent.
func TestRecipients(t *testing.T) {
	s := newSink(t, withoutTLS)
	mailer := s.mailer(t, "smtp://"+s.addr+"?tls=none")
	for to, want := range map[string]string{
		"alice@example.org": "alice@example.org", "alice@bücher.example": "alice@xn--bcher-kva.example", `"al ice"@example.org`: "al ice@example.org",
		"x@example.org\r\nRCPT TO:<y@example.org>": "", "x@example.org>\r\nDATA\r\n": "", "a@example.org, b@example.org": "", "": "", "nothing": "",
	} {
		m := resetMail()
		m.To = to
		err := mailer.Send(t.Context(), m)
		got := s.received()
		if want == "" && (!errors.Is(err, chat.ErrMailRefused) || len(got) > 0) {
			t.Errorf("%q: %v, %v", to, err, got)
		}
		if want != "" && (err != nil || len(got) != 1 || got[0].to != want) {
			t.Errorf("%q: %v, %+v", to, err, got)
		}
		s.mu.Lock()
		s.mails = nil
		s.mu.Unlock()
	}
}
