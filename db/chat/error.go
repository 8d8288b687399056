package chat

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// Kind says what sort of thing went wrong, for a caller that must choose a status or an exit code.
type Kind int

// The kinds of Error. An error that is no *Error is a fault of ours or of the database.
const (
	Invalid     Kind = iota + 1 // what was given breaks a rule; Fields says where
	NotFound                    // there is no such thing, or it isn't the caller's
	Conflict                    // the client ID was used for another text
	Denied                      // the caller isn't who they say, or may not sign in
	Malformed                   // an ID, a cursor or the like that nobody can have been given
	Unavailable                 // the database can't answer now; the same call may be tried again
	Forbidden                   // a setting of the place doesn't let the caller
)

// Error is an error with a text for people: what happened and what to do. The cause, for the log alone, is unwrapped.
type Error struct {
	Kind   Kind
	Text   string
	Fields map[string][]string // for Invalid: the field's name, as in the HTTP contract, to what is wrong with it
	cause  error
	wrong  bool // see GuessedWrong
}

// Error gives the text for people, then the fields' own, then the cause.
func (e *Error) Error() string {
	parts := []string{e.Text}
	for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
		parts = append(parts, field+": "+strings.Join(e.Fields[field], " "))
	}
	if e.cause != nil {
		parts = append(parts, "cause: "+e.cause.Error())
	}
	return strings.Join(parts, " | ")
}

// Unwrap gives the cause, nil where there is none.
func (e *Error) Unwrap() error { return e.cause }

// KindOf gives the Kind of an *Error anywhere in err's chain, and 0 for every other error.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return 0
}

// GuessedWrong says whether somebody gave a wrong password, or a wrong code: such tries are what is limited.
func GuessedWrong(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.wrong || e.Fields["current_password"] != nil)
}

// fields collects what is wrong with a form, field by field.
type fields map[string][]string

func (f fields) add(field, text string) { f[field] = append(f[field], text) }

// err is nil where nothing was collected.
func (f fields) err(text string) error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Text: text, Fields: f}
}

// guessedWrong is err for a form that takes a secret.
func (f fields) guessedWrong(text string) error {
	return &Error{Kind: Invalid, Text: text, Fields: f, wrong: true}
}

func notFound(text string) error { return &Error{Kind: NotFound, Text: text} }
