package chat

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"parley/queries"
)

// A mail is tried again after a minute, then after twice as long each time, up to six hours: the last try is some two
// days after the first. RFC 5321, 4.5.4.1, asks servers that hand mail on for half an hour and for four days at least; this
// only has to outlast the trouble of the one server that Parley gives it to, and a link to choose a new password by is
// wanted soon or not at all.
const (
	firstMailPause   = time.Minute
	longestMailPause = 6 * time.Hour
	mostMailAttempts = 17
)

// mailLease is how long a mail belongs to the node that took it. It is well above SendMailWithin and what nodes' clocks
// differ by.
const mailLease = 5 * time.Minute

// SendMailWithin bounds one try.
const SendMailWithin = time.Minute

// mailsAtOnce is among how many due ones a node looks for one that no other node takes at the same moment.
const mailsAtOnce = 8

// Delivery is what became of a mail.
type Delivery struct {
	Mail
	Err     error // nil where it went out, or where there was nothing to send
	Dropped bool  // there was nothing to send: nobody has this address, or the mail is about what is over
	Stuck   bool  // nobody will try again until an admin says so
}

// DeliverMail takes one mail that is due out of the queue and gives it to a Mailer. It says whether there was one.
//
// Any number of nodes and of callers may do so at once: a mail is one caller's until its lease ends. It goes out twice
// only where it can't be known that it went out: when this process is killed, or the database away for long, between the
// Mailer's success and the commit of that, or when the answer of the next server is lost (RFC 1047 tells of that). Then
// the older link in it has ended and the newer one works.
func (s *Store) DeliverMail(ctx context.Context, mailer Mailer) (d Delivery, found bool, err error) {
	id, lease, err := s.claimMail(ctx)
	if err != nil || id == 0 {
		return d, false, fault(err, "")
	}
	d.Mail, d.Dropped, err = s.prepareMail(ctx, id, lease)
	if err != nil || d.Dropped {
		return d, true, fault(err, "")
	}
	sending, cancel := context.WithTimeout(ctx, SendMailWithin)
	defer cancel()
	if d.Err = withoutSecret(mailer.Send(sending, d.Mail), d.Token); d.Err == nil {
		return d, true, s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
			_, err := q.DeleteClaimedMail(ctx, queries.DeleteClaimedMailParams{ID: id, Lease: lease})
			return err
		})
	}
	d.Stuck = errors.Is(d.Err, ErrMailRefused) || d.Attempts >= mostMailAttempts
	return d, true, s.postpone(ctx, d, lease)
}

// claimMail gives the ID 0 where nothing is due.
func (s *Store) claimMail(ctx context.Context) (id uint64, lease sql.NullTime, err error) {
	for {
		now := nullTime(s.now())
		due, err := s.q.DueMails(ctx, queries.DueMailsParams{DueUntil: now, Now: now, Limit: mailsAtOnce})
		if err != nil || len(due) == 0 {
			return 0, lease, err
		}
		lease = nullTime(now.Time.Add(mailLease))
		for _, id := range due {
			taken, err := s.q.ClaimMail(ctx, queries.ClaimMailParams{Lease: lease, ID: id, DueUntil: now, Now: now})
			if deadlock(err) {
				continue // another node of a Galera cluster gave it to somebody else in this moment
			}
			if err != nil || taken == 1 {
				return id, lease, err
			}
		}
	}
}

// withoutSecret takes a link's token out of what went wrong: the next server may have quoted the mail, and the error goes
// into the log and before admins.
func withoutSecret(err error, token string) error {
	if err == nil || token == "" || !strings.Contains(err.Error(), token) {
		return err
	}
	clean := errors.New(strings.ReplaceAll(err.Error(), token, "…"))
	if errors.Is(err, ErrMailRefused) {
		return &refusedMail{clean}
	}
	return clean
}

// refusedMail is an ErrMailRefused with a text of its own.
type refusedMail struct{ error }

func (*refusedMail) Is(target error) bool { return target == ErrMailRefused }

// postpone notes why a mail didn't go out.
func (s *Store) postpone(ctx context.Context, d Delivery, lease sql.NullTime) error {
	due := sql.NullTime{}
	if !d.Stuck {
		due = nullTime(s.now().Add(mailPause(d.Attempts)))
	}
	return s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		if d.Stuck && d.Kind == MailDeleted { // nobody's address is kept who has left
			_, err := q.DeleteClaimedMail(ctx, queries.DeleteClaimedMailParams{ID: d.ID, Lease: lease})
			return err
		}
		_, err := q.PostponeMail(ctx, queries.PostponeMailParams{DueAt: due, Error: truncate(d.Err.Error(), 255), ID: d.ID, Lease: lease})
		return err
	})
}

// mailPause is how long after so many tries the next one comes, with jitter, so that what failed together doesn't come
// back together.
func mailPause(attempts int) time.Duration {
	pause := longestMailPause
	if doublings := attempts - 1; doublings < 10 {
		pause = min(pause, firstMailPause<<doublings)
	}
	return pause - rand.N(pause/8)
}

// prepareMail makes a mail of what was queued. What is over is dropped.
func (s *Store) prepareMail(ctx context.Context, id uint64, lease sql.NullTime) (m Mail, dropped bool, err error) {
	place, err := s.Place(ctx)
	if err != nil {
		return m, false, err
	}
	token := newLinkToken()
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		row, err := q.LockClaimedMail(ctx, queries.LockClaimedMailParams{ID: id, Lease: lease})
		if noRow(err) { // an admin dropped it, or the lease has ended: it isn't ours to delete
			dropped = true
			return nil
		}
		if err != nil {
			return err
		}
		p := preparation{q: q, at: s.now(), row: row, token: token}
		m, err = p.mail(ctx)
		if dropped = noRow(err); dropped {
			return q.DeleteMail(ctx, id)
		}
		return err
	})
	m.Place = place.Name
	return m, dropped, err
}

// preparation is a mail that is being made, in a transaction that holds its row.
type preparation struct {
	q     *queries.Queries
	at    time.Time
	row   queries.Mail
	token string
}

// mail says sql.ErrNoRows where there is nothing to send.
func (p *preparation) mail(ctx context.Context) (Mail, error) {
	if MailKind(p.row.Kind) == mailAsked {
		if err := p.resolve(ctx); err != nil {
			return Mail{}, err
		}
	}
	user, err := p.q.LockUserByID(ctx, p.row.UserID)
	if err != nil {
		return Mail{}, err
	}
	m := Mail{ID: p.row.ID, Attempts: int(p.row.Attempts), Kind: MailKind(p.row.Kind), To: p.row.Email, User: userOf(user),
		QueuedAt: p.row.CreatedAt, IP: p.row.Ip}
	switch m.Kind {
	case MailReset:
		if !mayReset(user) || user.Email.String != p.row.Email {
			return m, sql.ErrNoRows
		}
		return p.withLink(ctx, m, LinkReset, user, resetFor)
	case MailConfirm:
		if user.DisabledAt.Valid || user.EmailConfirmedAt.Valid && user.EmailKey.String == canonical(p.row.Email) {
			return m, sql.ErrNoRows
		}
		if err := p.makeRoom(ctx, m.Kind, m.To); err != nil {
			return m, err
		}
		return p.withLink(ctx, m, LinkConfirm, user, confirmFor)
	case MailEmailTaken:
		return m, p.makeRoom(ctx, m.Kind, m.To)
	}
	return m, nil
}

// Mail that anybody can have sent to an address, by signing up with it above all, is bounded: three of a kind at once, and
// three an hour from then on, whoever asks from wherever. Nobody's mailbox can be filled, nor the place be made a spammer; and
// no other kind keeps out links to choose a password by, of which the newest that came works until the next may. OWASP's Forgot Password Cheat Sheet asks for a limit an account, without a number.
const (
	mailboxRoom  = 3
	mailboxPause = 20 * time.Minute
)

// makeRoom counts a mail that is tried for the first time, and says sql.ErrNoRows where it is one too many.
func (p *preparation) makeRoom(ctx context.Context, kind MailKind, address string) error {
	if p.row.Attempts > 1 || p.row.Error != "" {
		return nil
	}
	hash := sha256.Sum256([]byte(string(kind) + "\x00" + canonical(address)))
	if err := p.q.LockMailbox(ctx, queries.LockMailboxParams{AddressHash: hash[:], FreeAt: p.at}); err != nil {
		return err
	}
	free, err := p.q.MailboxFree(ctx, hash[:])
	if err != nil {
		return err
	}
	if free.Before(p.at) {
		free = p.at
	}
	if free = free.Add(mailboxPause); free.Sub(p.at) > mailboxRoom*mailboxPause {
		return sql.ErrNoRows
	}
	return p.q.FillMailbox(ctx, queries.FillMailboxParams{AddressHash: hash[:], FreeAt: free})
}

// withLink makes the link of a mail, unless a mail that was queued later has gone already: that one's is the newer.
func (p *preparation) withLink(ctx context.Context, m Mail, kind LinkKind, user queries.User, lasts time.Duration) (Mail, error) {
	there, err := p.q.LinkOf(ctx, queries.LinkOfParams{UserID: user.ID, Kind: string(kind)})
	if err != nil && !noRow(err) {
		return m, err
	}
	if there.MailID > m.ID {
		return m, sql.ErrNoRows
	}
	m.Token, m.Expires = p.token, p.at.Add(lasts)
	return m, putLink(ctx, p.q, p.at, newLink{kind, user, m.To, m.ID, p.token, m.Expires})
}
