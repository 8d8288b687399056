package chat

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The longest names in characters. 64 is what the column takes.
const (
	maxUsername    = 64
	maxDisplayName = 64
	maxEmail       = 254 // octets, RFC 5321 section 4.5.3.1.3 less the angle brackets
)

// A username starts with a letter or a digit, so that it can stand alone as a part of a URL's path ("." and ".." can't).
var usernameForm = regexp.MustCompile(`^[\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}._@+-]*$`)

// canonical is the form in which names are compared: compatibility-composed and case-folded, and composed once more
// since folding can undo it (Unicode Standard Annex #15, section 9, and chapter 3.13 on caseless matching).
func canonical(name string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
}

// usernameKey is the canonical form as the users table's unique key has it.
func usernameKey(username string) []byte { return []byte(canonical(username)) }

func searchKey(username, displayName string) []byte {
	return []byte(canonical(username + " " + displayName))
}

func checkUsername(f fields, username string) string {
	username = norm.NFKC.String(strings.TrimSpace(username))
	switch {
	case username == "":
		f.add("username", "Choose a username.")
	case utf8.RuneCountInString(username) > maxUsername:
		f.add("username", "A username has at most 64 characters.")
	case !usernameForm.MatchString(username):
		f.add("username", "A username starts with a letter or a digit and goes on with letters, digits and . _ - + @ only.")
	}
	return username
}

// checkDisplayName gives the username where no display name is wanted.
func checkDisplayName(f fields, displayName, username string) string {
	displayName = norm.NFC.String(strings.Join(strings.Fields(displayName), " "))
	switch {
	case displayName == "":
		return username
	case utf8.RuneCountInString(displayName) > maxDisplayName:
		f.add("display_name", "A display name has at most 64 characters.")
	case strings.ContainsFunc(displayName, misleading):
		f.add("display_name", "A display name can't hold control characters or characters that turn the direction of text.")
	}
	return displayName
}

// misleading characters can make a name look like something else, or break the line that it stands in.
func misleading(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
}

func checkEmail(f fields, email string) string {
	email = strings.TrimSpace(email)
	if email == "" {
		return ""
	}
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email || len(email) > maxEmail {
		f.add("email", "This is not an e-mail address, such as name@example.org.")
	}
	return email
}
