package chat

// What the tests need besides the exported functions.
var (
	Canonical       = canonical
	UsernameKey     = usernameKey
	SearchKey       = searchKey
	PasswordMatches = passwordMatches
	NoSuchUserHash  = noSuchUserHash
)

// Limits that tests go up to and one beyond.
const (
	RetryFor            = retryFor
	MaxConcurrentHashes = maxConcurrentHashes
	SweepLimit          = 1000
)

// HoldHashingSlots takes all places for hashing and gives the function that frees them.
func (s *Store) HoldHashingSlots() (release func()) {
	for range maxConcurrentHashes {
		s.hashing <- struct{}{}
	}
	return func() {
		for range maxConcurrentHashes {
			<-s.hashing
		}
	}
}
