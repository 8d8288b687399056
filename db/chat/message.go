package chat

import (
	"context"
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
