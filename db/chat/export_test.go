package chat

import (
	"bytes"
	"context"
	"encoding/base64"
	"time"

	"golang.org/x/crypto/argon2"

	"parley/queries"
)

// What the tests need besides the exported functions.
var (
	Canonical       = canonical
	UsernameKey     = usernameKey
	SearchKey       = searchKey
	HashPassword    = hashPassword
	PasswordMatches = passwordMatches
	NoSuchUserHash  = noSuchUserHash
	CommonPasswords = commonPasswords

	MaxConcurrentHashes = maxConcurrentHashes
)

// Limits that tests go up to and one beyond.
const (
	MaxHashesWaiting = maxHashesWaiting
	MaxTold          = maxTold
	SweepLimit       = sweepRows
)

// PackedCommonPasswords is how many octets they are in the program.
func PackedCommonPasswords() int { return len(packedCommonPasswords) }

// HashAsTyped hashes as was done before the NFKC form was.
func HashAsTyped(password string) string {
	salt := bytes.Repeat([]byte{7}, argonSalt)
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	encode := base64.RawStdEncoding.EncodeToString
	return hashParameters + encode(salt) + "$" + encode(key)
}

// CheckNewUser is what CreateUser asks before it makes an account.
func (s *Store) CheckNewUser(ctx context.Context, n NewUser) error {
	_, _, err := s.checkNewUser(ctx, n)
	return err
}

// BePatient changes how long a write goes on trying, 5 seconds otherwise.
func (s *Store) BePatient(d time.Duration) { s.patience = d }

// HoldHashingSlots takes all places for hashing and gives the function that frees them. Others wait that long for one.
func (s *Store) HoldHashingSlots(wait time.Duration) (release func()) {
	s.hashWait = wait
	for range maxConcurrentHashes {
		s.hashing <- struct{}{}
	}
	return func() {
		for range maxConcurrentHashes {
			<-s.hashing
		}
	}
}

// InTx is what every write goes through.
func (s *Store) InTx(ctx context.Context, f func(context.Context, *queries.Queries) error) error {
	return s.inTx(ctx, f)
}

// QueueMail has a mail sent when q's transaction is committed.
func QueueMail(ctx context.Context, q *queries.Queries, at time.Time, kind MailKind, user uint64, to string) error {
	return queueMail(ctx, q, at, letter{kind: kind, user: user, to: to})
}

// QueueConfirmation is for whoever gives an account an address.
var QueueConfirmation = queueConfirmation

// Skeleton and what else says how a name looks.
var (
	Skeleton     = skeleton
	MixesScripts = mixesScripts
	IsReserved   = isReserved
)

// SkeletonKey is what the table has.
var SkeletonKey = skeletonKey

var TokenHash = tokenHash

// SkeletonRows is how many accounts FillSkeletons takes at a time.
const SkeletonRows = skeletonRows

// TidyUsername gives a username as a new account has it, and whether it can be one.
func TidyUsername(given string) (string, bool) {
	f := fields{}
	name := checkUsername(f, given)
	return name, len(f) == 0
}

// MaxOpenInvitations is how many one person can have.
const MaxOpenInvitations = maxOpenInvitations
