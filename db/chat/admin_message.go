package chat

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/queries"
)

// MessageFacts is what admins see of a message without opening it: everything but the text.
type MessageFacts struct {
	ID         MessageID
	Sender     User // username and display name alone, as Recipient
	Recipient  User
	SentAt     time.Time
	Characters int       // the length of the body, in Unicode code points
	EditedAt   time.Time // zero unless edited
	DeletedAt  time.Time // zero unless deleted
}

func messageFactsOf(row queries.AdminMessageRow) MessageFacts {
	return MessageFacts{
		ID:         MessageID{row.ConversationID, row.Seq},
		Sender:     User{Username: row.Sender, DisplayName: row.SenderName},
		Recipient:  User{Username: row.Recipient, DisplayName: row.RecipientName},
		SentAt:     row.CreatedAt,
		Characters: int(row.Characters),
		EditedAt:   row.EditedAt.Time,
		DeletedAt:  row.DeletedAt.Time,
	}
}

// MessageFacts finds one message of anybody's, without its text.
func (s *Store) MessageFacts(ctx context.Context, actor Actor, id MessageID) (MessageFacts, error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return MessageFacts{}, err
	}
	row, err := s.q.AdminMessage(ctx, queries.AdminMessageParams{ConversationID: id.Conversation, Seq: id.Seq})
	return messageFactsOf(row), fault(err, noSuchMessageAtAll)
}

const noSuchMessageAtAll = "There is no message with this ID."

// OpenBody gives the text of anybody's message too. That it was opened, by whom and from where, is in the audit log
// before anybody sees the text.
func (s *Store) OpenBody(ctx context.Context, actor Actor, id MessageID) (facts MessageFacts, body string, err error) {
	err = s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		row, err := t.q.AdminMessage(ctx, queries.AdminMessageParams{ConversationID: id.Conversation, Seq: id.Seq})
		if err != nil {
			return fault(err, noSuchMessageAtAll)
		}
		message, err := t.q.MessageBySeq(ctx, queries.MessageBySeqParams{ConversationID: id.Conversation, Seq: id.Seq})
		if err != nil {
			return err
		}
		facts, body = messageFactsOf(row), message.Body
		return t.logMessage(ctx, AuditOpenBody, message.SenderID, id)
	})
	if err != nil {
		return MessageFacts{}, "", err
	}
	return facts, body, nil
}

// MessageQuery asks for a part of all messages, newest first. What is set narrows it, all together.
type MessageQuery struct {
	// Search is a message ID, which finds that message, or else a part of the text, without regard to case. Quotation
	// marks around it make it text whatever it looks like: "3-2".
	Search string
	Person string    // the username of one of the two people
	From   time.Time // the first moment; zero for no bound
	To     time.Time // the moment after the last; zero for no bound
	After  string    // a cursor, "" for the first page
	Limit  int       // default 50
}

const defaultFacts = 50

// MessageSearch is what a MessageQuery found.
type MessageSearch struct {
	Page[MessageFacts]
	// SearchedTo is set where a search took so long that it stopped there, before its page was full: older messages
	// were not looked at yet, and Next goes on with them.
	SearchedTo time.Time
}

// IDIn says which message a search means, if it is an ID.
func (q MessageQuery) IDIn() (id MessageID, ok bool) {
	id, err := ParseMessageID(strings.TrimSpace(q.Search))
	return id, err == nil
}

// text is the part of the body that is looked for, "" for any.
func (q MessageQuery) text() string {
	text := strings.ToValidUTF8(strings.TrimSpace(q.Search), "\uFFFD")
	if inner, ok := strings.CutPrefix(text, `"`); ok && strings.HasSuffix(inner, `"`) {
		return strings.TrimSuffix(inner, `"`)
	}
	return text
}

// How much a search does. A chunk of 20,000 messages takes 50 ms where the bodies are in memory and half a second where
// each comes from a disk (MariaDB 10.11, two cores, a million messages).
var searchLimits = limits{chunk: 20_000, budget: 1500 * time.Millisecond, direct: 200_000}

type limits struct {
	chunk  int           // how many messages are examined at first
	budget time.Duration // after how long no further chunk is begun
	direct int           // up to how many messages in a person's conversations all of them are read
}

// Messages lists everybody's messages without their texts. An unknown Person is an Invalid error on the field user.
func (s *Store) Messages(ctx context.Context, actor Actor, q MessageQuery) (MessageSearch, error) {
	return s.messages(ctx, actor, q, searchLimits)
}

func (s *Store) messages(ctx context.Context, actor Actor, q MessageQuery, l limits) (found MessageSearch, err error) {
	at, err := positionIn(q)
	if err != nil {
		return found, err
	}
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return found, err
	}
	person, err := s.personIn(ctx, q)
	if err != nil {
		return found, err
	}
	if id, ok := q.IDIn(); ok {
		found.Items, err = s.onlyMessage(ctx, q, person, id)
		return found, err
	}
	walk := scan{
		store: s, limits: l, at: at, since: later(q.From, startOfTime), want: clampLimit(q.Limit, defaultFacts) + 1,
		person: person.ID, pattern: containing(q.text()),
	}
	if err := walk.run(ctx); err != nil {
		return found, fault(err, "")
	}
	return walk.result(), nil
}

func (s *Store) personIn(ctx context.Context, q MessageQuery) (User, error) {
	name := strings.TrimSpace(q.Person)
	if name == "" {
		return User{}, nil
	}
	person, err := s.UserByName(ctx, name)
	if KindOf(err) == NotFound {
		return User{}, fields{"user": {nobodyCalled(name)}}.err("The messages can't be searched like this.")
	}
	return person, err
}

// onlyMessage gives the one message if it fits what else the query says.
func (s *Store) onlyMessage(ctx context.Context, q MessageQuery, person User, id MessageID) ([]MessageFacts, error) {
	row, err := s.q.AdminMessage(ctx, queries.AdminMessageParams{ConversationID: id.Conversation, Seq: id.Seq})
	if noRow(err) {
		return nil, nil
	}
	m := messageFactsOf(row)
	theirs := person.ID == 0 || person.Username == m.Sender.Username || person.Username == m.Recipient.Username
	if err != nil || !theirs || m.SentAt.Before(q.From) || !q.To.IsZero() && !m.SentAt.Before(q.To) {
		return nil, fault(err, "")
	}
	return []MessageFacts{m}, nil
}

// containing is a LIKE pattern; everything contains "".
func containing(text string) string {
	if text == "" {
		return "%"
	}
	return "%" + escapeLike(text) + "%"
}

// position is a place in the list of all messages; what comes after it in the list is what is older.
type position struct {
	at time.Time
	id MessageID
}

func (p position) cursor() string {
	return encodeCursor(fmt.Sprintf("%d %d %d", p.at.UnixMicro(), p.id.Conversation, p.id.Seq))
}

// positionIn is where the query's page starts.
func positionIn(q MessageQuery) (position, error) {
	start := position{at: endOfTime}
	if !q.To.IsZero() {
		start.at = q.To // older than every message of that moment, as its ID is the lowest
	}
	if q.After == "" {
		return start, nil
	}
	p, err := parsePosition(q.After)
	if err == nil && p.at.Before(start.at) {
		return p, nil
	}
	return start, err
}

func parsePosition(cursor string) (p position, err error) {
	plain, err := decodeCursor(cursor)
	if err != nil {
		return p, err
	}
	var micros int64
	if _, err := fmt.Sscanf(plain, "%d %d %d", &micros, &p.id.Conversation, &p.id.Seq); err != nil {
		return p, badCursor("after")
	}
	p.at = time.UnixMicro(micros).UTC()
	if p.at.Before(startOfTime) || p.at.After(endOfTime) {
		return p, badCursor("after") // no column can hold it
	}
	return p, nil
}

// scan walks back in time until it has what it wants, has reached since, or has used its budget up.
type scan struct {
	store *Store
	limits
	at      position // everything before it in the list has been looked at
	since   time.Time
	want    int
	person  uint64
	pattern string
	found   []MessageFacts
	ended   bool // since was reached
}

func (s *scan) run(ctx context.Context) error {
	if s.person != 0 {
		return s.ofPerson(ctx)
	}
	if s.pattern == "%" { // every message fits, so the walk ends by itself
		s.ended = true
		return s.look(ctx, s.since)
	}
	return s.inChunks(ctx)
}

// ofPerson reads all of a person's conversations if they aren't too long. Else it walks through everybody's messages,
// where that person's are then many, from their newest one on.
func (s *scan) ofPerson(ctx context.Context) error {
	reach, err := s.store.q.PersonReach(ctx, s.person)
	if err != nil {
		return err
	}
	if reach.Messages > int64(s.direct) {
		s.startAt(reach.LastAt)
		return s.inChunks(ctx)
	}
	s.ended = true
	rows, err := s.store.q.AdminMessagesOfPerson(ctx, queries.AdminMessagesOfPersonParams{
		Person: s.person, Since: s.since, BeforeAt: s.at.at, BeforeConversation: s.at.id.Conversation, BeforeSeq: s.at.id.Seq,
		Pattern: s.pattern, Limit: int32(s.want),
	})
	for _, row := range rows {
		s.found = append(s.found, messageFactsOf(queries.AdminMessageRow(row)))
	}
	return err
}

// startAt skips what is newer than a time.
func (s *scan) startAt(newest time.Time) {
	if next := newest.Add(time.Microsecond); next.Before(s.at.at) {
		s.at = position{at: next}
	}
}

// inChunks looks at one chunk after another. Each is as big as the rest of the budget is likely to suffice for, going by
// the one before, but not more than eight times that: what is in memory is no measure of what isn't.
func (s *scan) inChunks(ctx context.Context) error {
	const mostGrowth, leastShare = 8, 10
	start := time.Now()
	for size := s.chunk; ; {
		begun := time.Now()
		if err := s.lookBack(ctx, size); err != nil {
			return err
		}
		left := s.budget - time.Since(start)
		if s.ended || len(s.found) >= s.want || left <= s.budget/leastShare {
			return nil
		}
		growth := left.Seconds() / time.Since(begun).Seconds()
		size = max(1, int(float64(size)*min(growth, mostGrowth)))
	}
}

// lookBack looks through the next so many messages.
func (s *scan) lookBack(ctx context.Context, size int) error {
	floor, err := s.store.q.MessageTimeBack(ctx, queries.MessageTimeBackParams{
		Since: s.since, BeforeAt: s.at.at, BeforeConversation: s.at.id.Conversation, BeforeSeq: s.at.id.Seq, Offset: int32(size),
	})
	if noRow(err) {
		floor, err, s.ended = s.since, nil, true
	}
	if err != nil {
		return err
	}
	return s.look(ctx, floor)
}

// look finds what fits from where the scan is back to floor.
func (s *scan) look(ctx context.Context, floor time.Time) error {
	rows, err := s.store.q.AdminMessages(ctx, queries.AdminMessagesParams{
		Since: floor, BeforeAt: s.at.at, BeforeConversation: s.at.id.Conversation, BeforeSeq: s.at.id.Seq,
		Person: s.person, Pattern: s.pattern, Limit: int32(s.want - len(s.found)),
	})
	for _, row := range rows {
		s.found = append(s.found, messageFactsOf(queries.AdminMessageRow(row)))
	}
	s.at = position{at: floor}
	return err
}

// startOfTime is before every message. The zero time would be one that no column can hold.
var startOfTime = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *scan) result() MessageSearch {
	page := pageOf(s.found, s.want-1, func(m MessageFacts) string { return position{m.SentAt, m.ID}.cursor() })
	if page.Next != "" || s.ended {
		return MessageSearch{Page: page}
	}
	page.Next = s.at.cursor()
	return MessageSearch{Page: page, SearchedTo: s.at.at}
}
