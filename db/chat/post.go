package chat

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"parley/queries"
)

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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	defer cancel()
	p.until, _ = ctx.Deadline()
	for {
		if err := s.lane(p.pair()).do(ctx, &p); err != nil {
			return posting{}, unavailable(err)
		}
		if p.err == nil {
			return p, nil
		}
		if KindOf(p.err) != Unavailable || ctx.Err() != nil {
			return posting{}, p.err
		}
	}
}

// postGroup stores a group of messages in one transaction, and announces them once they are committed, each
// conversation's in the order of seq. Where something is wrong with one of them, each is stored alone: it has its own
// error, and the others are sent.
func (s *Store) postGroup(group []*posting) {
	ctx, cancel := context.WithDeadline(context.Background(), oldest(group))
	defer cancel()
	known := false // whether client IDs may be stored already
	err := s.again(ctx, func() error {
		home := s.home(group[0].pair().UserLo, group[0].pair().UserHi) // asked anew: the one before may be gone
		err := s.tryTx(ctx, home, func(ctx context.Context, q *queries.Queries) error { return s.store(ctx, q, group, known) })
		known = true
		return err
	})
	switch {
	case err == nil:
		s.posted(group)
	case len(group) == 1 || KindOf(err) == Unavailable:
		for _, p := range group {
			p.err = err
		}
	default:
		for _, p := range group {
			s.postGroup([]*posting{p})
		}
	}
}

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
	stored := map[clientKey]queries.Message{}
	if known {
		if stored, err = storedBefore(ctx, q, group, open); err != nil {
			return err
		}
	}
	var rows []queries.Message
	for _, p := range group {
		c := open[p.pair()]
		key := clientKey{c.ID, p.sender.ID, p.clientID}
		if p.row, p.replayed = stored[key]; p.replayed {
			p.err = sameBody(p.row, p.body)
			continue
		}
		p.row, p.err = s.nextMessage(c, p), nil
		stored[key] = p.row
		rows = append(rows, p.row)
	}
	return s.write(ctx, q, rows, open)
}

func (s *Store) write(ctx context.Context, q *queries.Queries, rows []queries.Message, open map[queries.Pair]*queries.Conversation) error {
	if len(rows) == 0 {
		return nil
	}
	err := q.CreateMessages(ctx, rows)
	if duplicateKey(err) {
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

func storedBefore(ctx context.Context, q *queries.Queries, group []*posting, open map[queries.Pair]*queries.Conversation) (map[clientKey]queries.Message, error) {
	keys := make([]queries.MessageByClientKeyParams, len(group))
	for i, p := range group {
		keys[i] = queries.MessageByClientKeyParams{ConversationID: open[p.pair()].ID, SenderID: p.sender.ID, ClientKey: p.clientID[:]}
	}
	rows, err := q.MessagesByClientKeys(ctx, keys)
	found := map[clientKey]queries.Message{}
	for _, row := range rows {
		found[clientKey{row.ConversationID, row.SenderID, uuid.UUID(row.ClientKey)}] = row
	}
	return found, err
}

// openConversations locks the group's conversations until the transaction ends, and makes those that have no message
// yet.
func openConversations(ctx context.Context, q *queries.Queries, group []*posting) (map[queries.Pair]*queries.Conversation, error) {
	var pairs []queries.Pair
	seen := map[queries.Pair]bool{}
	for _, p := range group {
		if pair := p.pair(); !seen[pair] {
			seen[pair] = true
			pairs = append(pairs, pair)
		}
	}
	return lockConversations(ctx, q, pairs)
}

// lockConversations locks the pairs' conversations, and makes those that are not there. The IDs of new ones are read
// back: not every server hands out consecutive ones to the rows of one statement.
func lockConversations(ctx context.Context, q *queries.Queries, pairs []queries.Pair) (map[queries.Pair]*queries.Conversation, error) {
	open := map[queries.Pair]*queries.Conversation{}
	missing, err := lockThose(ctx, q, pairs, open)
	if err != nil || len(missing) == 0 {
		return open, err
	}
	if err := q.CreateConversations(ctx, missing); err != nil {
		return nil, err
	}
	unseen, err := lockThose(ctx, q, missing, open)
	if err != nil {
		return nil, err
	}
	if len(unseen) > 0 {
		return nil, errUnseen
	}
	var members []queries.Member
	for _, pair := range missing {
		c := open[pair]
		members = append(members, queries.Member{UserID: c.UserLo, ConversationID: c.ID})
		if c.UserHi != c.UserLo {
			members = append(members, queries.Member{UserID: c.UserHi, ConversationID: c.ID})
		}
	}
	return open, q.CreateMembers(ctx, members)
}

// lockThose adds the conversations that are there to open, and gives the pairs that have none.
func lockThose(ctx context.Context, q *queries.Queries, pairs []queries.Pair, open map[queries.Pair]*queries.Conversation) (missing []queries.Pair, _ error) {
	rows, err := q.LockConversations(ctx, pairs)
	if err != nil {
		return nil, err
	}
	for _, c := range rows {
		open[queries.Pair{UserLo: c.UserLo, UserHi: c.UserHi}] = &c
	}
	for _, pair := range pairs {
		if open[pair] == nil {
			missing = append(missing, pair)
		}
	}
	return missing, nil
}
