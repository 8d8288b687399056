package main

import (
	"context"
	"log/slog"
	"net"

	"parley/db/chat"
	"parley/handlers/mail"
)

// mailer is what takes mail out of the house, with links that begin with base.
func (s settings) mailer(base string, log *slog.Logger) (chat.Mailer, error) {
	if s.SMTPURL == "" {
		return mail.Log{Logger: log, Base: base}, nil
	}
	return mail.NewSMTP(s.SMTPURL, s.MailFrom, base)
}

// linkBase is what links begin with that leave Parley: the base URL, or where Parley listens. A request has no say in it.
func (s settings) linkBase(listener net.Listener) (string, error) {
	base, err := s.baseURL()
	if err != nil {
		return "", err
	}
	if base != nil {
		return base.Scheme + "://" + base.Host, nil
	}
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() { // every address of this machine; this one works on it
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// sendMail empties the queue of mail until stop is called, which waits for what is on its way.
func (p *program) sendMail(ctx context.Context, store *chat.Store, mailer chat.Mailer) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); mail.Worker{Store: store, Mailer: mailer, Logger: p.log}.Run(ctx) }()
	return func() { cancel(); <-ended }
}
