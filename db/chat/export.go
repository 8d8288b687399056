package chat

import (
	"context"
	"iter"
	"slices"
	"time"

	"parley/queries"
)

// Export is everything that Parley has of somebody, for them. It reads piece by piece and holds a few messages at a time,
// and no connection to the database between the pieces: whoever takes it may be slow.
type Export struct {
	Profile Profile
	At      time.Time // messages that are newer than this are left out, so that it comes to an end
	s       *Store
}

// ExportReach is how much there is to export: notes to oneself are a conversation too.
type ExportReach struct{ Conversations, Messages int }

// ExportReach counts what an export of the actor's would hold.
func (s *Store) ExportReach(ctx context.Context, actor Actor) (ExportReach, error) {
	row, err := s.q.ExportReach(ctx, actor.User.ID)
	return ExportReach{int(row.Conversations), int(row.Messages)}, fault(err, "")
}

// Export begins an export of all that is the actor's and writes that into the audit log. An Invalid error names the field
// current_password.
func (s *Store) Export(ctx context.Context, actor Actor, password string) (*Export, error) {
	row, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return nil, fault(err, nothingHere)
	}
	f := fields{}
	if err := s.checkCurrent(ctx, f, actor, row, password); err != nil {
		return nil, err
	}
	if err := f.err("Nothing was exported."); err != nil {
		return nil, err
	}
	err = s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error { return t.log(ctx, AuditExportOwn, "") })
	if err != nil {
		return nil, err
	}
	profile, err := s.Profile(ctx, actor)
	return &Export{Profile: profile, At: s.now(), s: s}, err
}

// exportPage is how many messages are held at a time: with the longest bodies that are allowed by default, 4 MB.
const exportPage = 100

// exportPatience is how long the database may take for one piece.
const exportPatience = 10 * time.Second

// byPiece gives the items of a list that is read piece by piece, each after the last item of the one before, until one is
// shorter than the limit.
func byPiece[T any](ctx context.Context, limit int, read func(ctx context.Context, last *T) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last *T
		for {
			list, err := readPiece(ctx, last, read)
			if err != nil {
				var none T
				yield(none, fault(err, ""))
				return
			}
			for _, item := range list {
				if !yield(item, nil) {
					return
				}
			}
			if len(list) < limit {
				return
			}
			last = &list[len(list)-1]
		}
	}
}

func readPiece[T any](ctx context.Context, last *T, read func(context.Context, *T) ([]T, error)) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, exportPatience)
	defer cancel()
	return read(ctx, last)
}

// ExportedSession is a sign-in that hasn't ended, without what signs in.
type ExportedSession struct {
	CreatedAt, SeenAt, ExpiresAt time.Time
	Device
	hash []byte
}

// Sessions gives the person's sign-ins.
func (e *Export) Sessions(ctx context.Context) iter.Seq2[ExportedSession, error] {
	return byPiece(ctx, exportPage, func(ctx context.Context, last *ExportedSession) ([]ExportedSession, error) {
		p := queries.ExportSessionsParams{UserID: e.Profile.ID, After: []byte{}, Now: e.At, Limit: exportPage}
		if last != nil {
			p.After = last.hash
		}
		rows, err := e.s.q.ExportSessions(ctx, p)
		list := make([]ExportedSession, len(rows))
		for i, r := range rows {
			list[i] = ExportedSession{r.CreatedAt, r.SeenAt, r.ExpiresAt, Device{UserAgent: r.UserAgent, IP: r.Ip}, r.IDHash}
		}
		return list, err
	})
}

// ExportedEvent is a line of the audit log that the person is in. As in Activity, of others' acts it tells neither who, nor
// from where, nor the details: that is theirs.
type ExportedEvent struct {
	ID      uint64
	At      time.Time
	Own     bool // the person did it
	Action  AuditAction
	Subject string // the username of whom it was done to, "" where that is nobody
	Message MessageID
	Detail  string
	IP      string // where the person was, or whoever failed to sign in as them; "" for what others did
}

// Events gives what the person did, and what was done to their account as far as they hear of it.
func (e *Export) Events(ctx context.Context) iter.Seq2[ExportedEvent, error] {
	all := byPiece(ctx, exportPage, func(ctx context.Context, last *queries.ExportedEvent) ([]queries.ExportedEvent, error) {
		after := uint64(0)
		if last != nil {
			after = last.ID
		}
		return e.s.q.ExportEvents(ctx, e.Profile.ID, after, exportPage)
	})
	return func(yield func(ExportedEvent, error) bool) {
		for row, err := range all {
			if row.ActorID != e.Profile.ID && slices.Contains(unheard, row.Action) {
				continue
			}
			if !yield(exportedEvent(row, e.Profile.ID), err) {
				return
			}
		}
	}
}

func exportedEvent(r queries.ExportedEvent, owner uint64) ExportedEvent {
	e := ExportedEvent{
		ID: r.ID, At: r.CreatedAt, Own: r.ActorID == owner, Action: AuditAction(r.Action), Subject: r.Subject,
		Message: MessageID{uint64(r.ConversationID.Int64), uint64(r.Seq.Int64)},
	}
	if e.Own || r.ActorID == 0 {
		e.IP, e.Detail = r.IP, r.Detail
	}
	return e
}

// Tokens gives the person's access tokens, without what opens anything.
func (e *Export) Tokens(ctx context.Context) ([]Token, error) {
	ctx, cancel := context.WithTimeout(ctx, exportPatience)
	defer cancel()
	return e.s.Tokens(ctx, e.actor())
}

// Factors gives what the person has set up besides the password, likewise.
func (e *Export) Factors(ctx context.Context) (Factors, error) {
	ctx, cancel := context.WithTimeout(ctx, exportPatience)
	defer cancel()
	return e.s.Factors(ctx, e.actor())
}

// Blocks gives whom the person has blocked.
func (e *Export) Blocks(ctx context.Context) iter.Seq2[Block, error] {
	return pagesOf(ctx, e.actor(), e.s.Blocks)
}

// Reports gives what the person has reported.
func (e *Export) Reports(ctx context.Context) iter.Seq2[Report, error] {
	return pagesOf(ctx, e.actor(), e.s.OwnReports)
}

// Invitations gives those that the person has made, with who came by them.
func (e *Export) Invitations(ctx context.Context) iter.Seq2[Invitation, error] {
	return pagesOf(ctx, e.actor(), e.s.Invitations)
}

func (e *Export) actor() Actor { return Actor{User: e.Profile.User} }

// pagesOf gives the items of a list of the actor's, page by page.
func pagesOf[T any](ctx context.Context, actor Actor, list func(context.Context, Actor, string, int) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after := ""; ; {
			page, err := list(ctx, actor, after, exportPage)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if after = page.Next; after == "" {
				return
			}
		}
	}
}

// Conversations gives the person's conversations, in the order in which they began, without unread counts.
func (e *Export) Conversations(ctx context.Context) iter.Seq2[Conversation, error] {
	return byPiece(ctx, exportPage, func(ctx context.Context, last *Conversation) ([]Conversation, error) {
		p := queries.ExportConversationsParams{UserID: e.Profile.ID, Limit: exportPage}
		if last != nil {
			p.After = last.ID
		}
		rows, err := e.s.q.ExportConversations(ctx, p)
		list := make([]Conversation, len(rows))
		for i, r := range rows {
			c := r.Conversation
			list[i] = Conversation{ID: c.ID, With: userOf(r.User), LastSeq: c.LastSeq, LastRev: c.LastRev, LastReadSeq: r.LastReadSeq, lastAt: c.LastAt.Time}
		}
		return list, err
	})
}

// Messages gives a conversation's messages, oldest first, as its page shows them.
func (e *Export) Messages(ctx context.Context, c Conversation) iter.Seq2[Message, error] {
	all := byPiece(ctx, exportPage, func(ctx context.Context, last *Message) ([]Message, error) {
		p := queries.MessagesAfterParams{ConversationID: c.ID, Limit: exportPage}
		if last != nil {
			p.Seq = last.ID.Seq
		}
		rows, err := e.s.q.MessagesAfter(ctx, p)
		return messagesOf(rows, e.Profile.User, c.With), err
	})
	return func(yield func(Message, error) bool) {
		for m, err := range all {
			if err == nil && m.SentAt.After(e.At) || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Photo gives the person's photo, and whether there is one.
func (e *Export) Photo(ctx context.Context) (Picture, bool, error) {
	if e.Profile.Photo == "" {
		return Picture{}, false, nil
	}
	p, err := e.s.Photo(ctx, e.Profile.Photo)
	if KindOf(err) == NotFound { // removed since
		return Picture{}, false, nil
	}
	return p, err == nil, err
}
