package chat

import (
	"encoding/base64"
	"strings"
)

// MaxLimit is the longest page of any list; a higher limit counts as this one.
const MaxLimit = 100

// Page is a part of a list. Next is the cursor that the next page starts after, "" on the last one.
type Page[T any] struct {
	Items []T
	Next  string
}

// pageOf cuts items, read one longer than the limit, and names the last one kept as the next page's cursor.
func pageOf[T any](items []T, limit int, cursor func(T) string) Page[T] {
	if len(items) <= limit {
		return Page[T]{Items: items}
	}
	items = items[:limit]
	return Page[T]{Items: items, Next: cursor(items[limit-1])}
}

// clampLimit gives the fallback for a limit that isn't positive, and MaxLimit for one above it.
func clampLimit(limit, fallback int) int {
	if limit <= 0 {
		return fallback
	}
	return min(limit, MaxLimit)
}

// Cursors are opaque to those who hold them, so that what is in them can change.
func encodeCursor(plain string) string { return base64.RawURLEncoding.EncodeToString([]byte(plain)) }

func decodeCursor(cursor string) (string, error) {
	plain, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", badCursor("after")
	}
	return string(plain), nil
}

func badCursor(field string) error {
	return &Error{Kind: Malformed, Text: "The address of this page is damaged. Start again from the list's first page.",
		Fields: fields{field: {"This is not a cursor that a list gave."}}}
}

// likePattern matches keys that hold the words of q in their order.
func likePattern(q string) []byte {
	words := strings.Fields(canonical(q))
	for i, w := range words {
		words[i] = escapeLike(w)
	}
	return []byte("%" + strings.Join(words, "%") + "%")
}

// escapeLike takes from LIKE's wildcards what they mean, so that people find what they typed.
func escapeLike(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}
