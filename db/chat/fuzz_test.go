package chat

import (
	"testing"
	"unicode/utf8"
)

// Whatever stands in a cursor, it either names a place in the list or is refused as damaged.
func FuzzCursors(f *testing.F) {
	for _, plain := range []string{"", "0 0", "1763892000123456 7", "-1 1", "9223372036854775807 18446744073709551615", "253370764800000001 1", "42", "alice", "\x00\xff", "1 ", " 1"} {
		f.Add(encodeCursor(plain))
	}
	f.Add("no base64!")
	f.Fuzz(func(t *testing.T, cursor string) {
		at, _, err := conversationCursor(cursor)
		if err != nil && KindOf(err) != Malformed {
			t.Errorf("%q gives %v", cursor, err)
		}
		if err == nil && (at.Year() < 1 || at.After(endOfTime)) {
			t.Errorf("%q is a time that the database doesn't have: %v", cursor, at)
		}
		if before, err := auditCursor(cursor); err != nil && KindOf(err) != Malformed || err == nil && before > 1<<63-1 {
			t.Errorf("%q gives %d, %v", cursor, before, err)
		}
		if plain, err := decodeCursor(cursor); err == nil && encodeCursor(plain) != cursor && cursor != "" {
			again, err := decodeCursor(encodeCursor(plain)) // base64 has spellings with idle bits and line ends
			if again != plain || err != nil {
				t.Errorf("%q is %q, which is %q: %v", cursor, plain, again, err)
			}
		}
	})
}

// A message ID has one spelling, which is the one that it is written in.
func FuzzMessageIDs(f *testing.F) {
	for _, text := range []string{"7-42", "0-1", "1-0", "07-42", "7-042", "+7-42", "7--42", "7-42 ", "18446744073709551615-1", "18446744073709551616-1", "٧-٤٢", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseMessageID(text)
		if err == nil && id.String() != text {
			t.Errorf("%q is read as %s", text, id)
		}
		if err != nil && KindOf(err) != Malformed {
			t.Errorf("%q gives %v", text, err)
		}
	})
}

// What a search is made of is always text that finds what it was made from.
func FuzzSearch(f *testing.F) {
	for _, q := range []string{"", "alice", "50%", `a\b_c`, "ǅ", "İ", "\xff", "a\u200bb", "ﷺ"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		if pattern := likePattern(q); utf8.ValidString(q) && !utf8.Valid(pattern) {
			t.Errorf("%q is searched as %q", q, pattern)
		}
		if key := searchKey(q, q); len(key) > maxSearchKey || utf8.ValidString(q) && !utf8.Valid(key) {
			t.Errorf("%q is kept as %q", q, key)
		}
	})
}
