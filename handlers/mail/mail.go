// Package mail takes mail out of the house: by SMTP, or, where no server is set, into the log. Its worker empties the queue
// that package chat keeps.
package mail

import (
	"bytes"
	"context"
	"errors"
	"log/slog"

	"parley/db/chat"
	"parley/views"
)

// Log is a Mailer for whoever tries Parley without a mail server: each mail is a line of the log, with its text and thus
// its link. It never fails.
type Log struct {
	Logger *slog.Logger
	Base   string // what links begin with: scheme and host, no slash at the end
}

// Send implements chat.Mailer.
func (l Log) Send(ctx context.Context, m chat.Mail) error {
	letter, known := views.LetterOf(m, l.Base)
	if !known {
		return errNoWords
	}
	l.Logger.InfoContext(ctx, "No mail server is set (smtp-url), so this mail goes into the log instead.",
		"to", m.To, "kind", m.Kind, "subject", letter.Subject, "text", letter.Text())
	return nil
}

// errNoWords is for a mail that a newer Parley queued: it is left to that one.
var errNoWords = errors.New("this version of Parley doesn't know this kind of mail, a newer one does")

func htmlOf(ctx context.Context, l views.Letter) (string, error) {
	var html bytes.Buffer
	err := views.LetterPage(l).Render(ctx, &html)
	return html.String(), err
}
