// Package views makes the HTML: a page, the fragments inside it and the forms, a file a noun. It decides nothing: what
// is shown, and to whom, was decided before.
package views

import (
	"fmt"
	"hash/fnv"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/db/chat"
)

// Viewing is who looks, and when and where.
type Viewing struct {
	Viewer chat.User
	Now    time.Time
	Zone   *time.Location // the viewer's own, so that days and times are theirs
}

func (v Viewing) local(t time.Time) time.Time { return t.In(v.Zone) }

func (v Viewing) sameDay(a, b time.Time) bool {
	return v.dayKey(a) == v.dayKey(b)
}

// dayKey names the viewer's day that t falls in. Keys sort as the days do.
func (v Viewing) dayKey(t time.Time) string { return v.local(t).Format(time.DateOnly) }

func (v Viewing) clock(t time.Time) string { return v.local(t).Format("15:04") }

// day is a heading over the messages of a day. It is never "Today": a page that stays open past midnight would lie.
func (v Viewing) day(t time.Time) string {
	if v.local(t).Year() == v.local(v.Now).Year() {
		return v.local(t).Format("Monday 2 January")
	}
	return v.local(t).Format("Monday 2 January 2006")
}

// short is as much of a time as a list has room for.
func (v Viewing) short(t time.Time) string {
	switch {
	case v.sameDay(t, v.Now):
		return v.clock(t)
	case v.local(t).Year() == v.local(v.Now).Year():
		return v.local(t).Format("2 Jan")
	default:
		return v.local(t).Format("2 Jan 2006")
	}
}

// long is a whole time with its day, for titles and the admin pages.
func (v Viewing) long(t time.Time) string { return v.local(t).Format("2 January 2006, 15:04:05") }

func machineTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// avatarColours is how many colours app.css has for avatars.
const avatarColours = 8

// avatarClass gives a person the same colour on every page and device.
func avatarClass(u chat.User) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(u.Username)) // a hash never fails
	return fmt.Sprintf("avatar c%d", h.Sum32()%avatarColours)
}

// initials are the first letters of the first and the last word of the display name.
func initials(u chat.User) string {
	words := strings.FieldsFunc(u.DisplayName, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	if len(words) == 0 {
		first, _ := utf8.DecodeRuneInString(u.DisplayName)
		return string(first)
	}
	letters := firstLetter(words[0])
	if len(words) > 1 {
		letters += firstLetter(words[len(words)-1])
	}
	return letters
}

func firstLetter(word string) string {
	r, _ := utf8.DecodeRuneInString(word)
	return string(unicode.ToUpper(r))
}

// ConversationURL is the page of the viewer's conversation with somebody.
func ConversationURL(username string) string { return "/conversations/" + url.PathEscape(username) }

func messageURL(id chat.MessageID) string { return "/messages/" + id.String() }

func userURL(username string) string { return "/users/" + url.PathEscape(username) }

// WithQuery puts parameters, given as name and value in turn, behind a path; those without a value are left out. Every
// address with a query is made here, so that nothing gets into one unescaped.
func WithQuery(path string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// preview is the start of a body on one line, as long as the widest list can show.
func preview(body string) string {
	const longest = 90
	line := strings.Join(strings.Fields(body), " ")
	if utf8.RuneCountInString(line) <= longest {
		return line
	}
	return string([]rune(line)[:longest]) + "…"
}

func unreadLabel(n int) string {
	if n > 99 {
		return "99+"
	}
	return fmt.Sprint(n)
}
