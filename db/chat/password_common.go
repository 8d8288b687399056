package chat

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// packedCommonPasswords are the 10,000 commonest passwords of at least 8 characters in small letters, sorted, a line each;
// OWASP ASVS 5.0, 6.2.4 asks for 3,000. They are the first of data/passwords.txt of zxcvbn (github.com/dropbox/zxcvbn, MIT
// licence, Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.), where they were counted in Mark Burnett's ten million:
//
//	awk '{ p = tolower($1) } length(p) >= 8 && p !~ /[^ -~]/ && !seen[p]++ { print p }' passwords.txt |
//	  head -10000 | LC_ALL=C sort | gzip -9n >common_passwords.txt.gz
//
//go:embed common_passwords.txt.gz
var packedCommonPasswords []byte

// commonPasswords is unpacked, into some 250 kB, when somebody first sets a password.
var commonPasswords = sync.OnceValue(func() []string {
	reader, err := gzip.NewReader(bytes.NewReader(packedCommonPasswords))
	if err != nil {
		panic(err) // the file is a part of the program
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		panic(err) // as before
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
})

// commonPassword says whether a password is among the commonest, without regard to case.
func commonPassword(password string) bool {
	_, found := slices.BinarySearch(commonPasswords(), canonical(password))
	return found
}

// namesOf are the words that whoever knows somebody tries first: their names, their e-mail address, what the place is called,
// and what the program is. OWASP ASVS 5.0, 6.2.11 asks for such a list, and 6.1.2 to write it down: this is it.
func (s *Store) namesOf(ctx context.Context, username, displayName, email string) ([]string, error) {
	place, err := s.Place(ctx)
	return []string{username, displayName, email, localPart(email), place.Name, "Parley"}, err
}

// localPart is what stands before the @ of an e-mail address.
func localPart(email string) string {
	local, _, _ := strings.Cut(email, "@")
	return local
}

// isAnyName says whether a password is one of the names, with at most a few signs and figures around it: fewer than would
// make a password by themselves. Case and what stands between the letters don't count.
func isAnyName(password string, names []string) bool {
	bare := bareWord(password)
	return slices.ContainsFunc(names, func(name string) bool {
		word := bareWord(name)
		rest := utf8.RuneCountInString(password) - utf8.RuneCountInString(word)
		return word != "" && word == bare && rest < minPassword
	})
}

// bareWord is what identifies a name: its letters, with the figures between them, or the figures where it has no letters.
func bareWord(text string) string {
	word := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.L, unicode.M, unicode.N) {
			return r
		}
		return -1
	}, canonical(text))
	if letters := strings.TrimFunc(word, unicode.IsNumber); letters != "" {
		return letters
	}
	return word
}
