package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	stdmail "net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"parley/db/chat"
	"parley/views"
)

// SMTP is a Mailer that gives mail to a server.
type SMTP struct {
	address  string // host and port
	host     string
	user     string
	password string
	implicit bool // TLS from the first octet
	plain    bool // no TLS at all
	from     stdmail.Address
	base     string
	roots    *x509.CertPool // nil: the system's
}

// NewSMTP makes a Mailer of the settings smtp-url and mail-from, without connecting. base is what links begin with: scheme
// and host, no slash at the end. An error says what is wrong with the settings and never holds the password.
func NewSMTP(address, from, base string) (*SMTP, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("smtp-url can't be read: it is an address such as smtp://user:password@mail.example.org:587, and characters such as # / @ % in the password are written as %23 %2F %40 %25")
	}
	s := &SMTP{host: u.Hostname(), user: u.User.Username(), base: base}
	s.password, _ = u.User.Password()
	if err := s.transport(u); err != nil {
		return nil, err
	}
	sender, err := stdmail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("mail-from is who Parley's mail comes from, such as 'Parley <parley@example.org>', not %q", from)
	}
	s.from = *sender
	return s, nil
}

// transport reads how to connect. RFC 8314 names the ports: 465 with TLS from the start, 587 with STARTTLS.
func (s *SMTP) transport(u *url.URL) error {
	port := "587"
	switch u.Scheme {
	case "smtp":
	case "smtps":
		s.implicit, port = true, "465"
	default:
		return errors.New("smtp-url begins with smtp:// (STARTTLS, port 587) or smtps:// (TLS, port 465)")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if s.host == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return errors.New("smtp-url names a host and nothing after it, such as smtp://user:password@mail.example.org:587; characters such as # / @ % in the password are written as %23 %2F %40 %25")
	}
	s.address = net.JoinHostPort(s.host, port)
	for name, values := range u.Query() {
		if name != "tls" || len(values) != 1 || values[0] != "none" || s.implicit {
			return errors.New("smtp-url takes no parameter but tls=none, and that only with smtp://")
		}
		s.plain = true
	}
	if s.plain && !loopback(s.host) {
		return fmt.Errorf("smtp-url says tls=none for %s: without TLS Parley only talks to a mail server on this machine, as others on the way could read the links", s.host)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send implements chat.Mailer. Each mail has a connection of its own: there are few.
func (s *SMTP) Send(ctx context.Context, m chat.Mail) error {
	message, err := s.compose(ctx, m)
	if err != nil {
		return err
	}
	link := &link{smtp: s, whole: ctx}
	defer link.close()
	err = s.give(ctx, link, message)
	if err == nil || message.IsDelivered() { // what failed after that is only the goodbye
		return nil
	}
	return s.judge(ctx, err)
}

// give hands a message to the server.
func (s *SMTP) give(ctx context.Context, l *link, message *mail.Msg) error {
	client, err := mail.NewClient(s.host, append(s.options(), mail.WithDialContextFunc(l.dial))...)
	if err != nil {
		return err
	}
	server, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	if err := client.SendWithSMTPClient(server, message); err != nil {
		return err
	}
	l.hurry()
	return client.CloseWithSMTPClient(server)
}

// options never let a password or a link go out in the clear, but for a server on this machine where the settings say so.
func (s *SMTP) options() []mail.Option {
	config := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, RootCAs: s.roots}
	options := []mail.Option{mail.WithTimeout(chat.SendMailWithin), mail.WithTLSConfig(config), mail.WithoutNoop()}
	policy, auth := mail.TLSMandatory, mail.SMTPAuthAutoDiscover
	switch {
	case s.plain:
		policy, auth = mail.NoTLS, mail.SMTPAuthPlainNoEnc
	case s.implicit:
		policy = mail.TLSOpportunistic // of STARTTLS, inside the TLS that is there already
	}
	options = append(options, mail.WithTLSPolicy(policy))
	if s.user != "" {
		options = append(options, mail.WithSMTPAuth(auth), mail.WithUsername(s.user), mail.WithPassword(s.password))
	}
	return options
}

// link is the connection to the server for one mail. The library watches the context only while it dials, and leaves the
// connection open where the greeting fails, so both are done here.
type link struct {
	smtp  *SMTP
	whole context.Context
	conn  net.Conn
	stop  func() bool
}

func (l *link) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, l.smtp.address)
	if err != nil {
		return nil, err
	}
	l.conn, l.stop = conn, context.AfterFunc(l.whole, func() { conn.Close() })
	if !l.smtp.implicit {
		return conn, nil
	}
	secured := tls.Client(conn, &tls.Config{ServerName: l.smtp.host, MinVersion: tls.VersionTLS12, RootCAs: l.smtp.roots})
	return secured, secured.HandshakeContext(ctx)
}

// goodbyeWithin bounds the wait for an answer that no longer matters.
const goodbyeWithin = 2 * time.Second

func (l *link) hurry() { _ = l.conn.SetDeadline(time.Now().Add(goodbyeWithin)) }

func (l *link) close() {
	if l.conn != nil {
		l.stop()
		l.conn.Close()
	}
}

// compose makes the message. The library encodes what stands in headers, so that no name can begin a line of its own.
func (s *SMTP) compose(ctx context.Context, m chat.Mail) (*mail.Msg, error) {
	letter, known := views.LetterOf(m, s.base)
	if !known {
		return nil, errNoWords
	}
	html, err := htmlOf(ctx, letter)
	if err != nil {
		return nil, err
	}
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	message.FromMailAddress(&s.from)
	if err := message.To(asciiDomain(m.To)); err != nil {
		return nil, fmt.Errorf("%w: %w", chat.ErrMailRefused, err)
	}
	message.Subject(letter.Subject)
	message.SetDate()
	message.SetMessageIDWithValue(s.messageID(m))
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's absence is announced to it
	message.SetBodyString(mail.TypeTextPlain, letter.Text())
	message.AddAlternativeString(mail.TypeTextHTML, html)
	return message, nil
}

// messageID differs from one try to the next, as the links do: a receiver that drops what it knows already must not drop
// the one whose link works.
func (s *SMTP) messageID(m chat.Mail) string {
	_, domain, _ := strings.Cut(s.from.Address, "@")
	return fmt.Sprintf("mail.%d.%d.%d@%s", m.ID, m.Attempts, time.Now().UnixNano(), domain)
}

// asciiDomain spells the domain so that servers without SMTPUTF8 (RFC 6531) take it.
func asciiDomain(address string) string {
	at := strings.LastIndexByte(address, '@')
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return address // a literal such as [192.0.2.1], or what the server has to judge
	}
	return address[:at+1] + domain
}

// judge says whether another try is of use. A server that refuses this recipient or this text (5xx, RFC 5321 section
// 4.2.1) would do so again; one that refuses us, our password or our sender, is put right by an admin. What it says is kept
// without our password.
func (s *SMTP) judge(ctx context.Context, err error) error {
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return fmt.Errorf("the mail server took longer than %s", chat.SendMailWithin)
	case context.Canceled:
		return errors.New("the mail server was still talking when Parley was stopped")
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if s.password != "" {
		text = strings.ReplaceAll(text, s.password, "…")
	}
	refusal, ok := errors.AsType[*mail.SendError](err)
	if ok && refusal.ErrorCode() >= 500 && (refusal.Reason == mail.ErrSMTPRcptTo || refusal.Reason == mail.ErrSMTPData || refusal.Reason == mail.ErrSMTPDataClose) {
		return fmt.Errorf("%w: %s", chat.ErrMailRefused, text)
	}
	return errors.New(text)
}
