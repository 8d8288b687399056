package chat

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Draft is a message to be sent.
type Draft struct {
	Recipient string // a username
	Body      string
	ClientID  string // a UUID in any of its spellings; "" has one made, and a retry is then a second message
}

func (s *Store) checkDraft(ctx context.Context, d Draft) (recipient User, clientID uuid.UUID, body string, err error) {
	f := fields{}
	body = s.checkBody(f, d.Body)
	clientID = checkClientID(f, d.ClientID)
	recipient, err = s.recipient(ctx, d.Recipient)
	switch {
	case strings.TrimSpace(d.Recipient) == "":
		f.add("recipient", "Say whom the message is for.")
	case KindOf(err) == NotFound:
		f.add("recipient", nobodyCalled(d.Recipient))
	case err != nil:
		return User{}, clientID, "", err
	case recipient.Deleted():
		f.add("recipient", "This account was deleted, so nobody would read this.")
	case recipient.Disabled():
		f.add("recipient", notTaking(recipient))
	}
	return recipient, clientID, body, f.err(messageNotSent)
}

// recipient is UserByName, but together with what others look up, and up to Options.RememberFor old: an account that another
// node has disabled just now may still be written to.
func (s *Store) recipient(ctx context.Context, username string) (User, error) {
	row, found, err := s.people.recall(ctx, usernameKey(username))
	if err != nil || !found {
		return User{}, fault(orNoRow(err), nobodyCalled(username))
	}
	return userOf(row), nil
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
