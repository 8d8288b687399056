package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/queries"
)

const (
	// eraseAtOnce is how many messages one transaction erases. It holds their conversation meanwhile, some milliseconds.
	eraseAtOnce = 100
	// blankAtOnce is how many lines of the audit log one statement changes, in some ten milliseconds.
	blankAtOnce = 512
	// holdFor is how long after its last sign of life a node keeps a deletion to itself.
	holdFor = 30 * time.Second
	// settleFor is how long a deletion waits for what its owner was sending at that moment: longer than a session is remembered
	// and a send goes on trying, together.
	settleFor = 10 * time.Second
)

// finishing is a deletion that this node works on.
type finishing struct {
	s *Store
	queries.Deletion
}

// FinishDeletions does what deleted accounts have left to do, and says how many are done. It works in small steps, each
// committed with how far it got, so that it goes on where it stopped, here or on another node; so it may be called at any
// time, and is to be called again after an error.
func (s *Store) FinishDeletions(ctx context.Context) (done int, _ error) {
	list, err := s.q.DeletionsToDo(ctx, queries.DeletionsToDoParams{Settled: s.now().Add(-settleFor), Now: nullTime(s.now()), Limit: 100})
	if err != nil {
		return 0, fault(err, "")
	}
	for _, d := range list {
		now := s.now()
		held, err := s.q.HoldDeletion(ctx, queries.HoldDeletionParams{NewUntil: nullTime(now.Add(holdFor)), UserID: d.UserID, Now: nullTime(now)})
		if err != nil {
			return done, fault(err, "")
		}
		if held == 0 {
			continue // another node was first
		}
		if err := (&finishing{s, d}).run(ctx); err != nil {
			return done, fault(err, "")
		}
		done++
	}
	return done, nil
}

func (d *finishing) run(ctx context.Context) error {
	if err := d.blankAuditLog(ctx); err != nil {
		return err
	}
	for {
		list, err := d.s.q.DeletionConversations(ctx, queries.DeletionConversationsParams{UserID: d.UserID, After: d.ConversationID, Limit: 100})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return d.end(ctx)
		}
		for _, c := range list {
			if err := d.conversation(ctx, c); err != nil {
				return err
			}
		}
	}
}

// blankAuditLog leaves who did what when, and takes from where, and what is said of the person in words.
func (d *finishing) blankAuditLog(ctx context.Context) error {
	q := d.s.q
	err := inParts(func(after uint64) ([]uint64, error) {
		return q.AuditIDsByActor(ctx, queries.AuditIDsByActorParams{ActorID: d.UserID, After: after, Limit: blankAtOnce})
	}, func(ids []uint64) error { return q.BlankAuditByActor(ctx, ids) })
	if err != nil {
		return err
	}
	return inParts(func(after uint64) ([]uint64, error) {
		return q.AuditIDsOnSubject(ctx, queries.AuditIDsOnSubjectParams{SubjectID: nullID(d.UserID), After: after, Limit: blankAtOnce})
	}, func(ids []uint64) error { return q.BlankAuditOnSubject(ctx, ids) })
}

// inParts does something for all rows that next finds, whose IDs rise. None is read twice: whoever was attacked has as many
// as there were guesses.
func inParts(next func(after uint64) ([]uint64, error), do func(ids []uint64) error) error {
	for after := uint64(0); ; {
		ids, err := next(after)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := do(queries.Padded(ids)); err != nil {
			return err
		}
		after = ids[len(ids)-1]
	}
}

// conversation erases what the person wrote in one, if they wanted that, and has the other one's windows look: the name has
// changed in any case. Notes to oneself go whatever was wanted: nobody is left to read them but admins.
func (d *finishing) conversation(ctx context.Context, c queries.Conversation) error {
	for after := uint64(0); d.Erase || c.UserLo == c.UserHi; {
		began := time.Now()
		seqs, err := d.s.q.SeqsToErase(ctx, queries.SeqsToEraseParams{ConversationID: c.ID, After: after, SenderID: d.UserID, Limit: eraseAtOnce})
		if err != nil {
			return err
		}
		if len(seqs) == 0 {
			break
		}
		if err := d.erase(ctx, c, seqs); err != nil {
			return err
		}
		d.tell(c)
		after, d.Erased = seqs[len(seqs)-1], d.Erased+uint64(len(seqs))
		if err := d.advance(ctx); err != nil {
			return err
		}
		if err := rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
	d.tell(c)
	d.ConversationID = c.ID
	return d.advance(ctx)
}

// rest leaves the conversation and the database to others for as long as a step took.
func rest(ctx context.Context, took time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(took, time.Second)):
		return nil
	}
}

// errMoved says that messages changed between being looked for and the lock on their conversation.
var errMoved = errors.New("messages changed while they were about to be erased")

// erase empties messages and gives each the next rev, as every change has one, so that catching up brings them. A
// conversation is always written at its home.
func (d *finishing) erase(ctx context.Context, c queries.Conversation, seqs []uint64) error {
	ctx, cancel := context.WithTimeout(ctx, d.s.patience)
	defer cancel()
	err := d.s.again(ctx, func() error {
		return d.s.tryTx(ctx, d.s.home(c.UserLo, c.UserHi), func(ctx context.Context, q *queries.Queries) error {
			open, err := q.LockConversations(ctx, []queries.Pair{{UserLo: c.UserLo, UserHi: c.UserHi}})
			if err != nil || len(open) != 1 {
				return errors.Join(err, ctx.Err())
			}
			n, err := q.EraseMessages(ctx, c.ID, d.UserID, seqs, open[0].LastRev, d.s.now())
			if err != nil || n == 0 { // none: the answer to the commit was lost, and this is the second try
				return err
			}
			if n != int64(len(seqs)) {
				return errMoved // the next call looks anew
			}
			open[0].LastRev += uint64(n)
			return q.AdvanceConversations(ctx, open)
		})
	})
	d.s.recent.messages.forget(func(id MessageID, _ Message) bool { return id.Conversation == c.ID })
	return err
}

// tell has the other person's windows catch up. One word is enough for any number of messages.
func (d *finishing) tell(c queries.Conversation) {
	other := c.UserLo
	if other == d.UserID {
		other = c.UserHi
	}
	if other != d.UserID { // notes to oneself have nobody left to read them
		d.s.notifier.Notify(Event{Type: EventCheck, To: other})
	}
}

func (d *finishing) advance(ctx context.Context) error {
	return d.s.q.AdvanceDeletion(ctx, queries.AdvanceDeletionParams{
		ConversationID: d.ConversationID, Erased: d.Erased, HeldUntil: nullTime(d.s.now().Add(holdFor)), UserID: d.UserID,
	})
}

// end leaves a line in the audit log where something was erased. The copies in reports go last: until a message is erased,
// somebody may report it.
func (d *finishing) end(ctx context.Context) error {
	if d.Erase {
		if err := d.s.q.BlankReportedBodies(ctx, d.UserID); err != nil {
			return err
		}
	}
	return d.s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		n, err := q.EndDeletion(ctx, d.UserID)
		if err != nil || n == 0 || !d.Erase && d.Erased == 0 { // 0: done already
			return err
		}
		return record(ctx, q, d.s.now(), Actor{User: User{ID: d.UserID}}, deed{action: AuditErasedOwn, detail: fmt.Sprintf("%d messages", d.Erased)})
	})
}
