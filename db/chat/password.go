package chat

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Argon2id with m=19456 (KiB), t=2, p=1: the second of the equal choices in the OWASP Password Storage Cheat Sheet.
const (
	argonMemory  = 19 * 1024
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16 // octets, RFC 9106 section 3.1
)

// Each hash holds 19 MiB while it runs; four at once keep two cores busy and bound the memory to 76 MiB.
const maxConcurrentHashes = 4

// Password lengths in characters: OWASP ASVS 5.0, 6.2.1 (at least 8) and 6.2.9 (at least 64 must be allowed).
const (
	minPassword = 8
	maxPassword = 128
)

func checkPassword(f fields, password string) {
	n := utf8.RuneCountInString(password)
	if n < minPassword || n > maxPassword {
		f.add("password", "A password has 8 to 128 characters. A few unrelated words make a good one.")
	}
}

// CheckPassword says what is wrong with a password: an Invalid error names the field password.
func CheckPassword(password string) error {
	f := fields{}
	checkPassword(f, password)
	return f.err("The password can't be used.")
}

// hashPassword gives the password's Argon2id hash in the PHC string format, with a fresh salt.
func hashPassword(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, encode(salt), encode(key))
}

// noSuchUserHash is checked where there is no account, so that the answer takes as long as where there is one.
var noSuchUserHash = "$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("A", 22) + "$" + strings.Repeat("A", 43)

func passwordMatches(hash, password string) bool {
	var version int
	var memory, time uint32
	var threads uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &threads); err != nil {
		return false
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	want, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(want) == 0 || version != argon2.Version || time == 0 || threads == 0 {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}

// hashingSlot waits until one of the few hashing places is free, and gives the function that frees it again.
func (s *Store) hashingSlot(ctx context.Context) (release func(), err error) {
	s.counts.hashesWaiting.Add(1)
	defer s.counts.hashesWaiting.Add(-1)
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, &Error{Kind: Unavailable, Text: "Too many people are signing in right now. Try again in a moment.", cause: ctx.Err()}
	}
}
