package chat

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"parley/queries"
)

// Message is one text in a conversation, as stored.
type Message struct {
	ID        MessageID
	Sender    User
	Recipient User
	Body      string
	SentAt    time.Time
	Rev       uint64
	ClientID  uuid.UUID
	EditedAt  time.Time // zero unless edited
	DeletedAt time.Time // zero unless deleted
}

// messageOf needs no look-up of people: a conversation has just these two.
func messageOf(row queries.Message, viewer, with User) Message {
	m := Message{
		ID: MessageID{row.ConversationID, row.Seq}, Sender: viewer, Recipient: with,
		Body: row.Body, SentAt: row.CreatedAt, Rev: row.Rev,
		EditedAt: row.EditedAt.Time, DeletedAt: row.DeletedAt.Time,
	}
	if row.SenderID != viewer.ID {
		m.Sender, m.Recipient = with, viewer
	}
	copy(m.ClientID[:], row.ClientKey)
	return m
}

// SendMessage stores a message and has both people's windows told of it. When it returns without an error the message
// is committed. Sent again under the same client ID it gives the stored message and replayed; with another body that
// is a Conflict. An Invalid error names the fields recipient, body and client_id. Unavailable means that it is not
// known whether the message was stored: sending it again under the same client ID is safe and finds out.
func (s *Store) SendMessage(ctx context.Context, sender User, d Draft) (m Message, replayed bool, err error) {
	defer func() { s.counts.sent(replayed, err) }()
	if sender.ID == 0 {
		return Message{}, false, &Error{Kind: Denied, Text: "Sign in to send messages."}
	}
	recipient, clientID, body, err := s.checkDraft(ctx, d)
	if err != nil {
		return s.sentBefore(ctx, sender, recipient, clientID, body, err)
	}
	sent, err := s.post(ctx, posting{sender: sender, recipient: recipient, clientID: clientID, body: body})
	return sent.message, sent.replayed, err
}

// sentBefore finds the message of a refused draft that was sent when the rules let it pass: before the recipient was
// disabled, say. What was sent stays sent. Where there is no such message it gives the refusal.
func (s *Store) sentBefore(ctx context.Context, sender, recipient User, clientID uuid.UUID, body string, refused error) (Message, bool, error) {
	if KindOf(refused) != Invalid || recipient.ID == 0 || clientID == uuid.Nil {
		return Message{}, false, refused
	}
	c, err := s.q.ConversationOf(ctx, queries.ConversationOfParams{UserLo: min(sender.ID, recipient.ID), UserHi: max(sender.ID, recipient.ID)})
	if err != nil {
		return Message{}, false, notSent(err, refused)
	}
	row, err := s.q.MessageByClientKey(ctx, queries.MessageByClientKeyParams{ConversationID: c.ID, SenderID: sender.ID, ClientKey: clientID[:]})
	if err != nil || row.Body != body {
		return Message{}, false, notSent(err, refused)
	}
	m := messageOf(row, sender, recipient)
	s.notifier.Notify(announcing(nil, m)...)
	return m, true, nil
}

// notSent lets a refusal stand unless the database couldn't say.
func notSent(err, refused error) error {
	if err == nil || noRow(err) {
		return refused
	}
	return fault(err, "")
}

func sameBody(stored queries.Message, body string) error {
	if stored.Body == body {
		return nil
	}
	return &Error{Kind: Conflict, Text: "Another message was sent under this client ID already. Send this one under a new client ID.",
		Fields: fields{"client_id": {"This client ID belongs to another message."}}}
}

// after keeps times in the order of seq, whichever node's clock is behind.
func after(last, now time.Time) time.Time {
	if now.After(last) {
		return now
	}
	return last.Add(time.Microsecond)
}

// announcing adds the events that tell each of the two people once; notes to oneself have just one.
func announcing(events []Event, m Message) []Event {
	events = append(events, Event{Type: EventMessage, To: m.Sender.ID, With: m.Recipient.Username, ID: m.ID, Rev: m.Rev})
	if m.Recipient.ID != m.Sender.ID {
		events = append(events, Event{Type: EventMessage, To: m.Recipient.ID, With: m.Sender.Username, ID: m.ID, Rev: m.Rev})
	}
	return events
}

// posting is a message on its way into the database, and what became of it.
type posting struct {
	sender, recipient User
	clientID          uuid.UUID
	body              string

	until    time.Time // when its sender loses patience
	row      queries.Message
	message  Message
	replayed bool
	err      error
}

func (p *posting) pair() queries.Pair {
	return queries.Pair{UserLo: min(p.sender.ID, p.recipient.ID), UserHi: max(p.sender.ID, p.recipient.ID)}
}

// How the sends that wait are put together. A conversation's sends always take the same lane, so that no two groups of
// this node wait for each other's locks. More lanes than a few would only make the groups smaller, fewer would leave
// the database idle while a group's answers are on their way. Beyond 32 messages a statement gets hardly faster.
const (
	postLanes = 4
	postMost  = 32
)

// lane is where this posting waits for its turn. A group goes to one home, so each home has lanes of its own.
func (s *Store) lane(p queries.Pair) *grouped[*posting] {
	home := s.home(p.UserLo, p.UserHi)
	lanes, ok := s.lanes.Load(home)
	if !ok {
		lanes, _ = s.lanes.LoadOrStore(home, s.newLanes())
	}
	return &lanes.(*[postLanes]grouped[*posting])[(p.UserLo*31+p.UserHi)%postLanes]
}

func (s *Store) newLanes() *[postLanes]grouped[*posting] {
	var lanes [postLanes]grouped[*posting]
	for i := range lanes {
		lanes[i].most, lanes[i].serve, lanes[i].sizes = postMost, s.postGroup, s.counts.sendGroups
	}
	return &lanes
}

// post stores a message together with all others that wait. It is not cut short by ctx's cancellation: somebody who
// hangs up has still sent. A group's time is over with that of its oldest message; the others then go on in another.
func (s *Store) post(ctx context.Context, p posting) (posting, error) {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return posting{}, unavailable(ctx.Err()) // nobody waits for it any more, and nothing was begun
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	defer cancel()
	p.until, _ = ctx.Deadline()
	for {
		if err := s.await(ctx, &p); err != nil {
			return posting{}, unavailable(err)
		}
		if p.err == nil {
			return p, nil
		}
		if p.err == errAlone && ctx.Err() != nil {
			return posting{}, unavailable(ctx.Err())
		}
		if p.err != errAlone && (KindOf(p.err) != Unavailable || ctx.Err() != nil) {
			return posting{}, p.err
		}
	}
}

// await has a message stored in its turn, apart from others where its conversation is held.
func (s *Store) await(ctx context.Context, p *posting) error {
	if lane := s.held.enter(p.pair(), p.err == errAlone, s.postHeld); lane != nil {
		defer s.held.leave(p.pair())
		return lane.do(ctx, p)
	}
	return s.lane(p.pair()).do(ctx, p)
}

// postGroup stores a group of messages in one transaction. Where something is wrong with one of them, or somebody holds its
// conversation, each goes on alone: it has its own error, and the others are sent. Where the database is away, all hear so.
func (s *Store) postGroup(group []*posting) {
	err := s.tryPost(group)
	if err != nil && KindOf(err) != Unavailable {
		err = errAlone
	}
	for _, p := range group {
		if err != nil {
			p.err = err
		}
	}
}

// tryPost stores messages in one transaction, and announces them once they are committed, each conversation's in the order
// of seq. It waits once where a conversation is held, and gives errAlone then. An error is that of the transaction, which
// stored nothing; each message may have one of its own besides.
func (s *Store) tryPost(group []*posting) error {
	ctx, cancel := context.WithDeadline(context.Background(), oldest(group))
	defer cancel()
	known := false // whether client IDs may be stored already
	err := s.again(ctx, func() error {
		home := s.home(group[0].pair().UserLo, group[0].pair().UserHi) // asked anew: the one before may be gone
		err := s.tryTx(ctx, home, func(ctx context.Context, q *queries.Queries) error { return s.store(ctx, q, group, known) })
		known = true
		if lockTimeout(err) {
			return errAlone // whoever waits for the lane doesn't wait for that lock
		}
		return err
	})
	if err == nil {
		s.posted(group)
	}
	return err
}

// errAlone has each of a group go on in the lane of its own conversation: one of them has a conversation that somebody else
// holds, or is wrong in some way, and the others aren't to suffer for it.
var errAlone = errors.New("to be stored alone")

func oldest(group []*posting) time.Time {
	until := group[0].until
	for _, p := range group {
		if p.until.Before(until) {
			until = p.until
		}
	}
	return until
}

// posted makes the answers, and tells the windows. The messages are remembered first, for whom the windows fetch them.
func (s *Store) posted(group []*posting) {
	s.traceGroup(StepCommitted, group)
	events := make([]Event, 0, 2*len(group))
	for _, p := range group {
		if p.err == nil {
			p.message = messageOf(p.row, p.sender, p.recipient)
			if !p.replayed {
				s.recent.add(p.message)
			}
			events = announcing(events, p.message)
		}
	}
	s.traceGroup(StepPublished, group)
	s.notifier.Notify(events...)
}

// errStored says that a client ID of the group is stored already, so that the group is to be tried again with a look at
// which.
var errStored = errors.New("a message of the group is stored already")

// errUnseen says that somebody else made a conversation while this transaction wanted to, and that the database doesn't
// let it see the row. TiDB answers the second SELECT ... FOR UPDATE of a transaction as it did the first when there was
// no such row; another transaction finds it.
var errUnseen = errors.New("a conversation was made by somebody else just now")

// store gives each message of the group the next seq and rev of its conversation, under the locks of all of them.
//
// Looking the client IDs up before writing is what makes it safe to run again after a commit whose answer was lost. At
// the first try it can be left out: the unique key refuses what is stored already.
func (s *Store) store(ctx context.Context, q *queries.Queries, group []*posting, known bool) error {
	open, err := openConversations(ctx, q, group)
	if err != nil {
		return err
	}
	asked := group
	if !known {
		asked = refused(group, open) // of these it must be known whether they were sent before the block
	}
	stored, err := storedBefore(ctx, q, asked, open)
	if err != nil {
		return err
	}
	var rows []queries.Message
	for _, p := range group {
		c := open[p.pair()]
		key := clientKey{c.ID, p.sender.ID, p.clientID}
		if p.row, p.replayed = stored[key]; p.replayed {
			p.err = sameBody(p.row, p.body)
			continue
		}
		if p.err = refusal(c, p); p.err != nil {
			continue
		}
		p.row = s.nextMessage(c, p)
		stored[key] = p.row
		rows = append(rows, p.row)
	}
	return s.write(ctx, q, rows, open, known)
}

func (s *Store) write(ctx context.Context, q *queries.Queries, rows []queries.Message, open map[queries.Pair]*queries.Conversation, known bool) error {
	if len(rows) == 0 {
		return nil
	}
	err := q.CreateMessages(ctx, rows)
	if duplicateKey(err) && !known { // otherwise it is no client ID that is there twice
		return errStored
	}
	if err != nil {
		return err
	}
	var advanced []queries.Conversation
	for _, c := range open {
		advanced = append(advanced, *c)
	}
	return q.AdvanceConversations(ctx, advanced)
}

// nextMessage moves the conversation on by a message.
func (s *Store) nextMessage(c *queries.Conversation, p *posting) queries.Message {
	c.LastSeq++
	c.LastRev++
	c.LastAt = nullTime(after(c.LastAt.Time, s.now()))
	return queries.Message{
		ConversationID: c.ID, Seq: c.LastSeq, SenderID: p.sender.ID, ClientKey: p.clientID[:],
		Rev: c.LastRev, Body: p.body, CreatedAt: c.LastAt.Time,
	}
}

// clientKey is what no two messages have in common.
type clientKey struct {
	conversation, sender uint64
	clientID             uuid.UUID
}

func refused(group []*posting, open map[queries.Pair]*queries.Conversation) (some []*posting) {
	for _, p := range group {
		if open[p.pair()].Blocked != 0 {
			some = append(some, p)
		}
	}
	return some
}

// storedBefore asks nothing about nobody.
func storedBefore(ctx context.Context, q *queries.Queries, group []*posting, open map[queries.Pair]*queries.Conversation) (map[clientKey]queries.Message, error) {
	found := map[clientKey]queries.Message{}
	if len(group) == 0 {
		return found, nil
	}
	keys := make([]queries.MessageByClientKeyParams, len(group))
	for i, p := range group {
		keys[i] = queries.MessageByClientKeyParams{ConversationID: open[p.pair()].ID, SenderID: p.sender.ID, ClientKey: p.clientID[:]}
	}
	rows, err := q.MessagesByClientKeys(ctx, keys)
	for _, row := range rows {
		found[clientKey{row.ConversationID, row.SenderID, uuid.UUID(row.ClientKey)}] = row
	}
	return found, err
}

const noSuchMessage = "There is no such message, or it isn't yours to read."

// Message finds one message of a conversation that the viewer is in.
func (s *Store) Message(ctx context.Context, viewer User, id MessageID) (Message, error) {
	if m, ok := s.recent.find(viewer, id); ok {
		s.counts.fromMemory.Add(1)
		s.traceFetched(viewer, true, m)
		return m, nil
	}
	s.counts.fromDatabase.Add(1)
	c, err := s.q.ConversationByID(ctx, queries.ConversationByIDParams{Viewer: viewer.ID, ID: id.Conversation})
	if err != nil {
		return Message{}, fault(err, noSuchMessage)
	}
	row, err := s.q.MessageBySeq(ctx, queries.MessageBySeqParams{ConversationID: id.Conversation, Seq: id.Seq})
	if err != nil {
		return Message{}, fault(err, noSuchMessage)
	}
	m := messageOf(row, viewer, userOf(c.User))
	s.traceFetched(viewer, false, m)
	return m, nil
}
