package chat

import (
	"regexp"
	"strconv"
)

// MessageID names a message: the conversation's number and the seq. Its text form is such as "7-42".
type MessageID struct{ Conversation, Seq uint64 }

// IsZero says whether the ID names nothing.
func (id MessageID) IsZero() bool { return id == MessageID{} }

func (id MessageID) String() string { return string(id.Append(nil)) }

// Append adds the text form to text.
func (id MessageID) Append(text []byte) []byte {
	text = strconv.AppendUint(text, id.Conversation, 10)
	return strconv.AppendUint(append(text, '-'), id.Seq, 10)
}

// MarshalText gives the text form.
func (id MessageID) MarshalText() ([]byte, error) { return id.Append(nil), nil }

// UnmarshalText reads the text form.
func (id *MessageID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseMessageID(string(text))
	return err
}

// One spelling for each ID: no signs, no leading zeros.
var messageIDForm = regexp.MustCompile(`^([1-9][0-9]{0,19})-([1-9][0-9]{0,19})$`)

// ParseMessageID reads the text form; anything else is an error of kind Malformed.
func ParseMessageID(text string) (MessageID, error) {
	malformed := &Error{Kind: Malformed, Text: "A message ID looks like 7-42."}
	parts := messageIDForm.FindStringSubmatch(text)
	if parts == nil {
		return MessageID{}, malformed
	}
	conversation, conversationErr := strconv.ParseUint(parts[1], 10, 64)
	seq, seqErr := strconv.ParseUint(parts[2], 10, 64)
	if conversationErr != nil || seqErr != nil {
		return MessageID{}, malformed
	}
	return MessageID{conversation, seq}, nil
}
