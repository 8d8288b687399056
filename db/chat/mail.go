package chat

import (
	"context"
	"errors"
	"time"

	"parley/queries"
)

// MailKind says what a mail is about.
type MailKind string

// The kinds of Mail. A new one has a text in package views.
const (
	MailReset      MailKind = "reset"       // a link to choose a new password by
	MailConfirm    MailKind = "confirm"     // a link that confirms the address
	MailEmailTaken MailKind = "email_taken" // says that somebody gave the address as theirs

	// What tells an owner that how they sign in has changed, or that somebody is after it: OWASP ASVS 5.0, 6.3.5 and 6.3.7.
	MailPasswordChanged MailKind = "password_changed"
	MailPasswordReset   MailKind = "password_reset" // by a link
	MailPasswordSet     MailKind = "password_set"   // by an admin
	MailEmailChanged    MailKind = "email_changed"  // goes to the address so far
	MailFactorAdded     MailKind = "factor_added"
	MailFactorRemoved   MailKind = "factor_removed"
	MailFactorsReset    MailKind = "factors_reset" // by an admin, or on the command line
	MailCodesRenewed    MailKind = "codes_renewed"
	MailCodeUsed        MailKind = "recovery_code_used"
	MailCodesWrong      MailKind = "codes_wrong" // so many, after the right password
	MailTokenMade       MailKind = "token_made"
	MailDeleted         MailKind = "account_deleted"

	// mailAsked is one of which nobody has looked yet whether the address is anybody's: see AskReset.
	mailAsked MailKind = "asked"
)

// Mail is one mail that is ready to go, but for its words.
type Mail struct {
	ID       uint64
	Attempts int // how often it was tried, this time among them
	Kind     MailKind
	To       string // an e-mail address, as checkEmail lets it be
	User     User   // whom it is about
	Place    string // what the place is called
	Token    string // what its link carries, "" where the kind has no link: a secret
	Expires  time.Time
	QueuedAt time.Time // when what it tells of was done
	IP       string    // from where, "" where that is nobody's business
}

// Mailer takes mail out of the house. Send returns when somebody else has taken the responsibility for it, and is done
// soon after ctx ends. An error that is ErrMailRefused means that another try would be answered in the same way; every
// other one is worth a further try.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

// ErrMailRefused is why a Mailer gave a mail up for good.
var ErrMailRefused = errors.New("refused for good")

// letter is a mail about to be queued.
type letter struct {
	kind MailKind
	user uint64
	to   string
	ip   string // of whoever caused it
}

// queueMail has a mail sent once q's transaction is committed, by whichever node comes first. Call wakeMail after the
// commit. What is queued holds no secret: whoever sends it makes the link.
func queueMail(ctx context.Context, q *queries.Queries, at time.Time, l letter) error {
	return q.QueueMail(ctx, queries.QueueMailParams{
		Kind: string(l.kind), UserID: l.user, Email: l.to, Ip: truncate(l.ip, 45), CreatedAt: at, DueAt: nullTime(at),
	})
}

// tell queues a mail to the address that is known to be the user's own; where there is none, nothing is sent.
func tell(ctx context.Context, q *queries.Queries, at time.Time, kind MailKind, row queries.User, ip string) error {
	return tellUser(ctx, q, at, kind, userOf(row), ip)
}

func tellUser(ctx context.Context, q *queries.Queries, at time.Time, kind MailKind, user User, ip string) error {
	if user.Email == "" || user.EmailConfirmedAt.IsZero() {
		return nil
	}
	return queueMail(ctx, q, at, letter{kind, user.ID, user.Email, ip})
}

// wakeMail has this node look at the queue now; otherwise it does within mail.LookEvery.
func (s *Store) wakeMail() {
	select {
	case s.mailReady <- struct{}{}:
	default: // it is about to look
	}
}

// MailQueued gives a token soon after mail was queued by this Store.
func (s *Store) MailQueued() <-chan struct{} { return s.mailReady }

// QueuedMail is a mail that waits, or that nobody tries any more, as admins see it.
type QueuedMail struct {
	ID          uint64
	Kind        MailKind
	Username    string // whom it is about, "" while that is unknown
	To          string
	QueuedAt    time.Time
	DueAt       time.Time // when it is tried next; zero where it is stuck
	Attempts    int
	Error       string // why the latest try failed, "" where there was none
	LeasedUntil time.Time
}

// Stuck says whether nobody tries any more until an admin says so.
func (m QueuedMail) Stuck() bool { return m.DueAt.IsZero() }

func queuedMailOf(row queries.ListMailsRow) QueuedMail {
	m := row.Mail
	return QueuedMail{
		ID: m.ID, Kind: MailKind(m.Kind), Username: row.Username, To: m.Email, QueuedAt: m.CreatedAt, DueAt: m.DueAt.Time,
		Attempts: int(m.Attempts), Error: m.Error, LeasedUntil: m.LeasedUntil.Time,
	}
}

// MailList is a part of the queue, newest first, with what there is in all.
type MailList struct {
	Page[QueuedMail]
	Waiting, Stuck int
}

// Mails lists the queue from a cursor on ("" for the newest). A limit of 0 is the default.
func (s *Store) Mails(ctx context.Context, actor Actor, after string, limit int) (MailList, error) {
	before, err := auditCursor(after)
	if err != nil {
		return MailList{}, err
	}
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return MailList{}, err
	}
	limit = clampLimit(limit, defaultAuditEvents)
	count, err := s.q.CountMails(ctx)
	if err != nil {
		return MailList{}, fault(err, "")
	}
	rows, err := s.q.ListMails(ctx, queries.ListMailsParams{BeforeID: before, Limit: int32(limit + 1)})
	mails := make([]QueuedMail, len(rows))
	for i, row := range rows {
		mails[i] = queuedMailOf(row)
	}
	page := pageOf(mails, limit, func(m QueuedMail) string { return numberCursor(m.ID) })
	return MailList{page, int(count.Waiting), int(count.Every - count.Waiting)}, fault(err, "")
}

// RetryMail has a mail tried at once, and as often as a new one. A mail that is being sent right now is left alone.
func (s *Store) RetryMail(ctx context.Context, actor Actor, id uint64) error {
	err := s.withMail(ctx, actor, id, AuditRetryMail, func(ctx context.Context, t adminTx, row queries.Mail) error {
		if row.LeasedUntil.Valid && row.LeasedUntil.Time.After(t.at) {
			return &Error{Kind: Invalid, Text: "This mail is being sent right now. Look again in a minute."}
		}
		return t.q.RetryMail(ctx, queries.RetryMailParams{DueAt: nullTime(t.at), ID: id})
	})
	s.wakeMail()
	return err
}

// DropMail takes a mail out of the queue. One that is being sent right now may go out all the same.
func (s *Store) DropMail(ctx context.Context, actor Actor, id uint64) error {
	return s.withMail(ctx, actor, id, AuditDropMail, func(ctx context.Context, t adminTx, row queries.Mail) error {
		return t.q.DeleteMail(ctx, id)
	})
}

func (s *Store) withMail(ctx context.Context, actor Actor, id uint64, action AuditAction, f func(context.Context, adminTx, queries.Mail) error) error {
	err := s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		row, err := t.q.LockMail(ctx, id)
		if err != nil {
			return err
		}
		if err := f(ctx, t, row); err != nil {
			return err
		}
		detail := row.Kind
		if row.UserID != 0 { // whose address isn't known isn't written where it could not be emptied when they leave
			detail += ", " + row.Email
		}
		return record(ctx, t.q, t.at, t.actor, deed{action: action, subject: row.UserID, detail: detail})
	})
	return fault(err, "This mail isn't in the queue: it was sent, or somebody dropped it.")
}

// keepStuck is how long a mail that nobody tries any more is kept for admins to look at.
const keepStuck = 30 * 24 * time.Hour
