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

// The longest keys in octets, as the columns take them. Folding makes some letters longer, and NFKC spells some
// characters out: 64 characters can be more.
const (
	maxUsernameKey = 256
	maxSearchKey   = 1024
	maxEmailKey    = 1024
)

// A username starts with a letter or a digit, so that it can stand alone as a part of a URL's path ("." and ".." can't).
var usernameForm = regexp.MustCompile(`^[\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}._@+-]*$`)

// canonical is the form in which names are compared: compatibility-composed and case-folded, and composed once more
// since folding can undo it (Unicode Standard Annex #15, section 9, and chapter 3.13 on caseless matching).
func canonical(name string) string {
	return norm.NFKC.String(cases.Fold().String(strings.Map(cherokeeCapital, norm.NFKC.String(name))))
}

// cherokeeCapital makes up for cases.Fold, which takes Cherokee capitals for small letters and those for capitals.
func cherokeeCapital(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(r)
	}
	return r
}

// longestAsked is the longest name, in octets, that anybody can have: 64 characters of 4 octets.
const longestAsked = 256

// usernameKey is the canonical form as the users table's unique key has it. What is too long for any name has the key of
// nobody: some characters grow eighteenfold on their way to the canonical form, and their key goes into a query together
// with other people's.
func usernameKey(username string) []byte {
	if len(username) > longestAsked {
		return []byte{}
	}
	return []byte(canonical(username))
}

// CanonicalUsername is the same for all ways to write one person's username. What is too long for any name gives "".
func CanonicalUsername(username string) string { return string(usernameKey(username)) }

// searchKey is cut where the column ends: the rest of so long a name can't be searched.
func searchKey(username, displayName string) []byte {
	key := canonical(username + " " + displayName)
	return []byte(strings.ToValidUTF8(key[:min(len(key), maxSearchKey)], ""))
}

func checkUsername(f fields, username string) string {
	username = norm.NFKC.String(strings.TrimSpace(username))
	switch {
	case username == "":
		f.add("username", "Choose a username.")
	case utf8.RuneCountInString(username) > maxUsername || len(usernameKey(username)) > maxUsernameKey:
		f.add("username", "A username has at most 64 characters, and fewer in some scripts.")
	case !usernameForm.MatchString(username) || strings.ContainsFunc(username, invisible):
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
	case !strings.ContainsFunc(displayName, visible):
		f.add("display_name", "A display name needs a character that can be seen.")
	}
	return displayName
}

// misleading characters can make a name look like something else, or break the line that it stands in.
func misleading(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
}

// invisible characters in a username would let somebody look like somebody else; display names need some of them, such
// as the joiners in emoji and in Persian.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func visible(r rune) bool { return !invisible(r) && !unicode.In(r, unicode.M, unicode.Z) }

func checkEmail(f fields, email string) string {
	email = strings.TrimSpace(email)
	if email == "" {
		return ""
	}
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email || len(email) > maxEmail || len(canonical(email)) > maxEmailKey {
		f.add("email", "This is not an e-mail address, such as name@example.org.")
	}
	return email
}
