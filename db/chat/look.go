package chat

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// confusablesText says which characters look alike: Unicode Technical Standard #39, section 4. Its head says from where.
//
//go:embed confusables.txt
var confusablesText string

// prototypes leads from each character that looks like another to that.
var prototypes = sync.OnceValue(func() map[rune]string {
	all := make(map[rune]string, 8192)
	for line := range strings.Lines(confusablesText) {
		prototype, alike, found := strings.Cut(line, ":")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		for _, r := range runesIn(alike) {
			all[r] = string(runesIn(prototype))
		}
	}
	return all
})

func runesIn(hexadecimal string) (runes []rune) {
	for _, word := range strings.Fields(hexadecimal) {
		n, _ := strconv.ParseUint(word, 16, 32) // a test reads all of the file
		runes = append(runes, rune(n))
	}
	return runes
}

// skeleton is what a name looks like: two names with the same one can be taken for each other. It is UTS #39's skeleton
// with three differences. Capitals and small letters are the same to Parley, so they are here, each looking like what the
// other one looks like; hence also i like l, since I does. Accents above and below Latin, Greek and Cyrillic letters don't
// count: few people would notice one. (Vowel signs and the like of other scripts do: without them words are others.)
func skeleton(name string) string {
	name = strings.Map(plainly, norm.NFD.String(norm.NFKC.String(name)))
	name = alike(cases.Fold().String(alike(name)))
	return strings.ReplaceAll(name, "i", "l")
}

// plainly drops what can't be seen, or hardly.
func plainly(r rune) rune {
	if invisible(r) || r >= 0x0300 && r <= 0x036F { // the block of combining diacritical marks
		return -1
	}
	return r
}

// alike replaces each character by the one that it is taken for.
func alike(text string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(text) {
		if prototype, found := prototypes()[r]; found {
			b.WriteString(prototype)
		} else {
			b.WriteRune(r)
		}
	}
	return norm.NFD.String(b.String())
}

// maxSkeleton leaves room in the column for what tells apart those who had the same one before there was a rule.
const maxSkeleton = 480

// skeletonKey is cut where the column ends. A name whose first 480 octets look like another's is refused with it.
func skeletonKey(username string) []byte {
	key := skeleton(username)
	return []byte(strings.ToValidUTF8(key[:min(len(key), maxSkeleton)], ""))
}

// writingSystems are the scripts that people mix in one word: UTS #39, section 5.2, "highly restrictive", with the sets of
// section 5.1 for Japanese, Chinese and Korean.
var writingSystems = [][]*unicode.RangeTable{
	{unicode.Latin, unicode.Han, unicode.Hiragana, unicode.Katakana},
	{unicode.Latin, unicode.Han, unicode.Bopomofo},
	{unicode.Latin, unicode.Han, unicode.Hangul},
}

// mixesScripts says whether a name has letters of scripts that no word mixes. Any one script is fine, and what belongs to
// all of them, such as digits, goes with each.
func mixesScripts(name string) bool {
	var letters []rune
	for _, r := range name {
		if !unicode.In(r, unicode.Common, unicode.Inherited) {
			letters = append(letters, r)
		}
	}
	if len(letters) == 0 {
		return false
	}
	for _, system := range append(writingSystems, []*unicode.RangeTable{scriptOf(letters[0])}) {
		if !strings.ContainsFunc(string(letters), func(r rune) bool { return !unicode.In(r, system...) }) {
			return false
		}
	}
	return true
}

// scriptOf gives nothing for a character that this Go doesn't know yet.
func scriptOf(r rune) *unicode.RangeTable {
	for _, script := range unicode.Scripts {
		if unicode.Is(script, r) {
			return script
		}
	}
	return &unicode.RangeTable{}
}

// reservedNames look official, or are addresses that mail and certificates rest on (RFC 2142; CA/Browser Forum Baseline
// Requirements 3.2.2.4.4). Nobody gets one by signing up; admins can still make such an account. "all" isn't among them,
// which Ali looks like.
var reservedNames = strings.Fields(`
	abuse account accounts admin administrator administrators admins anonymous api billing bot channel conversations
	everybody everyone here help helpdesk hostmaster info invitation invitations legal login logout mail mailer-daemon
	mailerdaemon me messages mod moderator moderators mods noc nobody noreply no-reply null official operator owner parley
	password postmaster privacy root sales security self service settings setup signin signup staff static superuser support
	sysadmin system team undefined user users webmaster www`)

var reserved = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, name := range reservedNames {
		all[skeleton(name)] = true
	}
	return all
})

// isReserved says whether a name is reserved, or looks like one that is.
func isReserved(name string) bool { return reserved()[skeleton(name)] }
