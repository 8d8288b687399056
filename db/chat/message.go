package chat

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

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

// Draft is a message to be sent.
type Draft struct {
	Recipient string // a username
	Body      string
	ClientID  string // a UUID in any of its spellings; "" has one made, and a retry is then a second message
}

// SendMessage stores a message and has both people's windows told of it. When it returns without an error the message
// is committed. Sent again under the same client ID it gives the stored message and replayed; with another body that
// is a Conflict. An Invalid error names the fields recipient, body and client_id. Unavailable means that it is not
// known whether the message was stored: sending it again under the same client ID is safe and finds out.
func (s *Store) SendMessage(ctx context.Context, sender User, d Draft) (m Message, replayed bool, err error) {
	if sender.ID == 0 {
		return Message{}, false, &Error{Kind: Denied, Text: "Sign in to send messages."}
	}
	recipient, clientID, body, err := s.checkDraft(ctx, d)
	if err != nil {
		return s.sentBefore(ctx, sender, recipient, clientID, body, err)
	}
	var row queries.Message
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		row, replayed, err = s.storeMessage(ctx, q, sender.ID, recipient.ID, clientID, body)
		return err
	})
	if err != nil {
		return Message{}, false, err
	}
	m = messageOf(row, sender, recipient)
	s.notifyMessage(m)
	return m, replayed, nil
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
	s.notifyMessage(m)
	return m, true, nil
}

// notSent lets a refusal stand unless the database couldn't say.
func notSent(err, refused error) error {
	if err == nil || noRow(err) {
		return refused
	}
	return fault(err, "")
}

// storeMessage looks the client ID up before it writes, under the conversation's lock. That is what makes it safe to
// run again after a commit whose answer was lost.
func (s *Store) storeMessage(ctx context.Context, q *queries.Queries, sender, recipient uint64, clientID uuid.UUID, body string) (_ queries.Message, replayed bool, _ error) {
	c, err := lockConversation(ctx, q, sender, recipient)
	if err != nil {
		return queries.Message{}, false, err
	}
	stored, err := q.MessageByClientKey(ctx, queries.MessageByClientKeyParams{ConversationID: c.ID, SenderID: sender, ClientKey: clientID[:]})
	if err == nil {
		return stored, true, sameBody(stored, body)
	}
	if !noRow(err) {
		return queries.Message{}, false, err
	}
	row := queries.CreateMessageParams{
		ConversationID: c.ID, Seq: c.LastSeq + 1, SenderID: sender, ClientKey: clientID[:],
		Rev: c.LastRev + 1, Body: body, CreatedAt: after(c.LastAt.Time, s.now()),
	}
	if err := q.CreateMessage(ctx, row); err != nil {
		return queries.Message{}, false, err
	}
	err = q.AdvanceConversation(ctx, queries.AdvanceConversationParams{
		LastSeq: row.Seq, LastRev: row.Rev, LastAt: nullTime(row.CreatedAt), ID: c.ID,
	})
	return queries.Message{
		ConversationID: row.ConversationID, Seq: row.Seq, SenderID: row.SenderID, ClientKey: row.ClientKey,
		Rev: row.Rev, Body: row.Body, CreatedAt: row.CreatedAt,
	}, false, err
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

func (s *Store) checkDraft(ctx context.Context, d Draft) (recipient User, clientID uuid.UUID, body string, err error) {
	f := fields{}
	body = s.checkBody(f, d.Body)
	clientID = checkClientID(f, d.ClientID)
	recipient, err = s.UserByName(ctx, d.Recipient)
	switch {
	case strings.TrimSpace(d.Recipient) == "":
		f.add("recipient", "Say whom the message is for.")
	case KindOf(err) == NotFound:
		f.add("recipient", nobodyCalled(d.Recipient))
	case err != nil:
		return User{}, clientID, "", err
	case recipient.Disabled():
		f.add("recipient", recipient.DisplayName+"'s account is disabled, so nobody would read this.")
	}
	return recipient, clientID, body, f.err("The message wasn't sent.")
}

// checkBody gives the body as it is stored: trimmed, with line feeds alone (forms send CRLF).
func (s *Store) checkBody(f fields, body string) string {
	if !utf8.ValidString(body) || strings.ContainsRune(body, 0) {
		f.add("body", "The message holds characters that are no text.")
		return ""
	}
	body = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body))
	if body == "" {
		f.add("body", "Write something first.")
	}
	if n := utf8.RuneCountInString(body); n > s.maxBody {
		f.add("body", fmt.Sprintf("The message has %d characters; at most %d can be sent at once.", n, s.maxBody))
	}
	return body
}

func checkClientID(f fields, text string) uuid.UUID {
	if text == "" {
		return uuid.New()
	}
	id, err := uuid.Parse(text)
	if err != nil || uuid.Validate(text) != nil { // Parse takes anything for braces
		f.add("client_id", "A client ID is a UUID.")
		return uuid.Nil
	}
	return id
}

// notifyMessage tells each of the two people once; notes to oneself have just one.
func (s *Store) notifyMessage(m Message) {
	events := []Event{{Type: EventMessage, To: m.Sender.ID, With: m.Recipient.Username, ID: m.ID, Rev: m.Rev}}
	if m.Recipient.ID != m.Sender.ID {
		events = append(events, Event{Type: EventMessage, To: m.Recipient.ID, With: m.Sender.Username, ID: m.ID, Rev: m.Rev})
	}
	s.notifier.Notify(events...)
}

const noSuchMessage = "There is no such message, or it isn't yours to read."

// Message finds one message of a conversation that the viewer is in.
func (s *Store) Message(ctx context.Context, viewer User, id MessageID) (Message, error) {
	c, err := s.q.ConversationByID(ctx, queries.ConversationByIDParams{Viewer: viewer.ID, ID: id.Conversation})
	if err != nil {
		return Message{}, fault(err, noSuchMessage)
	}
	row, err := s.q.MessageBySeq(ctx, queries.MessageBySeqParams{ConversationID: id.Conversation, Seq: id.Seq})
	if err != nil {
		return Message{}, fault(err, noSuchMessage)
	}
	return messageOf(row, viewer, userOf(c.User)), nil
}
