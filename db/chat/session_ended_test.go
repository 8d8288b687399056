package chat_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"parley/db/chat"
)

func TestEndedSessions(t *testing.T) {
	w, alice, _, ended := signedIn(t)
	start := func() []byte {
		_, s, err := w.StartSession(t.Context(), alice, chat.Device{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Hash
	}
	if err := w.EndSession(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	expired := start()
	w.clock.move(lifetime + time.Hour)
	var hashes [][]byte
	for range 1100 { // more than one statement's worth
		hashes = append(hashes, start())
	}
	want := [][]byte{ended.Hash, expired, []byte("never heard of")}
	got, err := w.EndedSessions(t.Context(), slices.Concat(want[:1], hashes[:700], want[1:], hashes[700:]))
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("ended are %x, want %x: %v", got, want, err)
	}
	if got, err := w.EndedSessions(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("of none, %x have ended: %v", got, err)
	}
	if _, err := w.db.Exec("UPDATE users SET disabled_at = ?", time.Now()); err != nil {
		t.Fatal(err)
	}
	if got, err := w.EndedSessions(t.Context(), hashes); err != nil || len(got) != len(hashes) {
		t.Errorf("of a disabled user's sessions %d have ended, want all %d: %v", len(got), len(hashes), err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.EndedSessions(over, hashes); err == nil {
		t.Error("without an answer, who knows?")
	}
}
