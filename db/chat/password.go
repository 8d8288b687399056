package chat

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// What is hashed is the password's NFKC form, so that it is the same from every keyboard: NIST SP 800-63B-4, 3.1.1.2. It is
// neither cut nor folded (OWASP ASVS 5.0, 6.2.8), and for what ASCII holds it is what was typed. Hashes from before are of what
// was typed, and still match.

// Argon2id with m=19456 (KiB), t=2, p=1: the second of the equal choices in the OWASP Password Storage Cheat Sheet.
const (
	argonMemory  = 19 * 1024
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16 // octets, RFC 9106 section 3.1
)

// maxConcurrentHashes leaves half of the processors to those who write, whose messages otherwise wait for a processor until
// some hash has had its 10 ms there: with as many hashes as processors a message took a hundred times as long. Each hash
// holds 19 MiB while it runs, so four of them 76 MiB.
var maxConcurrentHashes = max(1, min(runtime.GOMAXPROCS(0)/2, 4))

// maxHashesWaiting is how many may wait for one of those places: on a small machine the last of them gets it after two or three seconds.
const maxHashesWaiting = 64

// maxHashWait is how long they do: half of what a request may take, so that the rest of it is done in time.
const maxHashWait = 5 * time.Second

// Password lengths in characters: OWASP ASVS 5.0, 6.2.1 (at least 8) and 6.2.9 (at least 64 must be allowed).
const (
	minPassword = 8
	maxPassword = 128
)

// checkPassword also refuses what is guessed first, which is about whoever the names are of: see namesOf. What characters
// it is made of is everybody's own choice: OWASP ASVS 5.0, 6.2.5.
func checkPassword(f fields, password string, names ...string) {
	n := utf8.RuneCountInString(normalPassword(password))
	switch {
	case n < minPassword || n > maxPassword:
		f.add("password", "A password has 8 to 128 characters. A few unrelated words make a good one.")
	case commonPassword(password):
		f.add("password", "So many people have this password that it is among the first to be tried. A few unrelated words make a good one.")
	case isAnyName(password, names):
		f.add("password", "This password is a name that others know, or little more than that. A few unrelated words make a good one.")
	}
}

// normalPassword leaves alone what is far too long to be one: some characters grow eighteenfold.
func normalPassword(password string) string {
	if len(password) > 4*maxPassword {
		return password
	}
	return norm.NFKC.String(password)
}

// CheckPassword says what is wrong with a password that several people get: an Invalid error names the field password.
func CheckPassword(password string) error {
	f := fields{}
	checkPassword(f, password)
	return f.err("The password can't be used.")
}

// hashParameters is how every hash begins that is made now.
var hashParameters = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonThreads)

// hashPassword gives the password's Argon2id hash in the PHC string format, with a fresh salt.
func hashPassword(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	key := argon2.IDKey([]byte(normalPassword(password)), salt, argonTime, argonMemory, argonThreads, argonKey)
	encode := base64.RawStdEncoding.EncodeToString
	return hashParameters + encode(salt) + "$" + encode(key)
}

// noSuchUserHash is checked where there is no account, so that the answer takes as long as where there is one.
var noSuchUserHash = "$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("A", 22) + "$" + strings.Repeat("A", 43)

func passwordMatches(hash, password string) bool {
	matches, _ := matchPassword(hash, password)
	return matches
}

// matchPassword also says whether the hash is as one that is made now would be. How long it takes tells nothing of the hash.
func matchPassword(hash, password string) (matches, current bool) {
	normal := normalPassword(password)
	if hashIsOf(hash, normal) {
		return true, strings.HasPrefix(hash, hashParameters)
	}
	return normal != password && hashIsOf(hash, password), false
}

func hashIsOf(hash, text string) bool {
	var version int
	var memory, rounds uint32
	var threads uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &rounds, &threads); err != nil {
		return false
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	want, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(want) == 0 || version != argon2.Version || rounds == 0 || threads == 0 {
		return false
	}
	got := argon2.IDKey([]byte(text), salt, rounds, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}

// hashingSlot waits until one of the few hashing places is free, and gives the function that frees it again. Where too many
// wait already it is Unavailable at once: a crowd that signs in takes neither memory nor the time of those who write.
func (s *Store) hashingSlot(ctx context.Context) (release func(), err error) {
	defer s.counts.hashesWaiting.Add(-1)
	if s.counts.hashesWaiting.Add(1) > maxHashesWaiting {
		return nil, &Error{Kind: Unavailable, Text: tooManySignIns, cause: ErrCrowded}
	}
	ctx, cancel := context.WithTimeout(ctx, s.hashWait)
	defer cancel()
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, &Error{Kind: Unavailable, Text: tooManySignIns, cause: fmt.Errorf("%w: %w", ErrCrowded, ctx.Err())}
	}
}

const tooManySignIns = "Too many people are signing in right now. Try again in a moment."

// ErrCrowded is in the chain of an Unavailable error that is nobody's fault: more people come than can be served.
var ErrCrowded = errors.New("more sign-ins wait than are let in")
