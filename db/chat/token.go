package chat

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/queries"
)

// Scope says what an access token may do.
type Scope string

// The values of Scope. Both are for all that the token's owner may, the admin pages of an admin included. Where they are
// asked for their password, so is the program: that it has their token doesn't make it them.
const (
	ScopeRead  Scope = "read"  // look, and hear of what happens
	ScopeWrite Scope = "write" // also change what is there
)

// Token is what is known of an access token: everything but the token itself, which is stored nowhere.
type Token struct {
	ID        uint64
	Name      string
	Scope     Scope
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	UsedAt    time.Time // zero: not yet; a minute coarse
	UsedIP    string    // where it was used then
}

// Expired says whether the token's time was over at that moment.
func (t Token) Expired(at time.Time) bool { return !t.ExpiresAt.IsZero() && !at.Before(t.ExpiresAt) }

func tokenOf(row queries.Token) Token {
	return Token{
		ID: row.ID, Name: row.Name, Scope: Scope(row.Scope), CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt.Time,
		UsedAt: row.UsedAt.Time, UsedIP: row.UsedIp,
	}
}

// NewToken is what an access token is made of.
type NewToken struct {
	Name    string
	Scope   string
	Days    string // until it expires: one of TokenDays, or TokenForever
	Current string // the person's present one, so that nobody at an open page makes themself a way back in
}

// TokenForever is what NewToken.Days says of a token that doesn't expire by itself.
const TokenForever = "never"

// TokenDays are the times that a token can last.
var TokenDays = []int{30, 90, 365}

const (
	maxTokenName = 64 // characters, as the column takes them
	maxTokens    = 50 // of one person, so that their list can be overlooked
)

// A token is "parley_", 43 digits that are 256 random bits, and six that are the CRC-32 of those before them. By its form,
// secret scanners recognise it, and what was mistyped needn't be looked up. It has no character at which a double click
// would stop.
const (
	tokenPrefix   = "parley_"
	tokenDigits   = 43
	tokenChecksum = 6
	tokenBase     = 62
)

var tokenForm = regexp.MustCompile(`^parley_[0-9A-Za-z]{49}$`)

func makeToken() string {
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	digits := inDigits(new(big.Int).SetBytes(secret), tokenDigits)
	return tokenPrefix + digits + checksumOf(digits)
}

func inDigits(n *big.Int, width int) string {
	text := n.Text(tokenBase)
	return strings.Repeat("0", width-len(text)) + text
}

func checksumOf(digits string) string {
	return inDigits(big.NewInt(int64(crc32.ChecksumIEEE([]byte(digits)))), tokenChecksum)
}

func wellFormed(token string) bool {
	if !tokenForm.MatchString(token) {
		return false
	}
	digits := token[len(tokenPrefix):][:tokenDigits]
	return strings.HasSuffix(token, checksumOf(digits))
}

// check gives in how many days the token expires, 0 for never.
func (n *NewToken) check(f fields) (days int) {
	n.Name = norm.NFC.String(strings.Join(strings.Fields(n.Name), " "))
	switch {
	case n.Name == "" || !strings.ContainsFunc(n.Name, visible):
		f.add("name", "Give the token a name that says what it is for.")
	case utf8.RuneCountInString(n.Name) > maxTokenName:
		f.add("name", "A token's name has at most 64 characters.")
	case strings.ContainsFunc(n.Name, misleading):
		f.add("name", "A token's name can't hold control characters or characters that turn the direction of text.")
	}
	if n.Scope != string(ScopeRead) && n.Scope != string(ScopeWrite) {
		f.add("scope", "Choose what the token may do: read or write.")
	}
	if n.Days == TokenForever {
		return 0
	}
	for _, days := range TokenDays {
		if n.Days == strconv.Itoa(days) {
			return days
		}
	}
	f.add("days", "Choose how long the token is to last: 30, 90 or 365 days, or never for no end.")
	return 0
}

const tokenNotMade = "The token wasn't made."

// CreateToken makes an access token for the actor and gives it: this is the only time that anybody sees it. An Invalid
// error names the fields name, scope, days and current_password.
func (s *Store) CreateToken(ctx context.Context, actor Actor, n NewToken) (secret string, token Token, err error) {
	f := fields{}
	days := n.check(f)
	if err := f.err(tokenNotMade); err != nil {
		return "", Token{}, err
	}
	row, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return "", Token{}, fault(err, nothingHere)
	}
	if own, err := s.isOwnPassword(ctx, actor, row, n.Current); err != nil || !own {
		return "", Token{}, cmp.Or(err, wrongPresentPassword(tokenNotMade))
	}
	secret = makeToken()
	err = s.asSelfInSession(ctx, actor, func(ctx context.Context, t ownTx) error {
		if t.row.PasswordHash != row.PasswordHash {
			return wrongPresentPassword(tokenNotMade)
		}
		made := Token{Name: n.Name, Scope: Scope(n.Scope), CreatedAt: t.at}
		if days > 0 {
			made.ExpiresAt = t.at.AddDate(0, 0, days)
		}
		token, err = t.createToken(ctx, secret, made)
		return err
	})
	if err != nil {
		return "", Token{}, err
	}
	s.wakeMail()
	return secret, token, nil
}

// createToken runs again after a commit whose answer was lost: then the token is there already.
func (t ownTx) createToken(ctx context.Context, secret string, n Token) (Token, error) {
	rows, err := t.q.UserTokens(ctx, t.row.ID)
	if err != nil {
		return Token{}, err
	}
	for _, row := range rows {
		if bytes.Equal(row.Hash, tokenHash(secret)) {
			return tokenOf(row), nil
		}
		if row.Name == n.Name {
			return Token{}, fields{"name": {"You have a token of this name already. Choose another name, or revoke that one first."}}.err(tokenNotMade)
		}
	}
	if len(rows) >= maxTokens {
		return Token{}, fields{"name": {"You have 50 tokens, which is the most. Revoke one that you no longer use."}}.err(tokenNotMade)
	}
	id, err := t.q.CreateToken(ctx, queries.CreateTokenParams{
		Hash: tokenHash(secret), UserID: t.row.ID, Name: n.Name, Scope: string(n.Scope), CreatedAt: n.CreatedAt, ExpiresAt: nullTime(n.ExpiresAt),
	})
	if err != nil {
		return Token{}, err
	}
	n.ID = uint64(id)
	return n, t.announce(ctx, MailTokenMade, AuditCreateToken, n.Name+": "+string(n.Scope))
}

// Tokens lists somebody's own access tokens, newest first, those that have expired too.
func (s *Store) Tokens(ctx context.Context, actor Actor) ([]Token, error) {
	rows, err := s.q.UserTokens(ctx, actor.User.ID)
	if err != nil {
		return nil, fault(err, "")
	}
	tokens := make([]Token, len(rows))
	for i, row := range rows {
		tokens[i] = tokenOf(row)
	}
	return tokens, nil
}

// RevokeToken ends one of the actor's access tokens, and its windows. One that isn't theirs, or is gone, is NotFound.
func (s *Store) RevokeToken(ctx context.Context, actor Actor, id uint64) error {
	return s.revokeToken(ctx, actor, func(row queries.Token) bool { return row.ID == id })
}

func (s *Store) revokeToken(ctx context.Context, actor Actor, which func(queries.Token) bool) error {
	var hash []byte
	err := s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) (err error) {
		hash, err = t.revokeToken(ctx, which)
		return err
	})
	if err != nil {
		return err
	}
	s.SessionEnded(actor.User.ID, hash)
	s.notifier.Notify(Event{Type: EventSessionEnded, To: actor.User.ID, Session: hash})
	return nil
}

func (t ownTx) revokeToken(ctx context.Context, which func(queries.Token) bool) (hash []byte, _ error) {
	rows, err := t.q.UserTokens(ctx, t.row.ID)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if !which(row) {
			continue
		}
		if _, err := t.q.DeleteToken(ctx, queries.DeleteTokenParams{ID: row.ID, UserID: t.row.ID}); err != nil {
			return nil, err
		}
		return row.Hash, t.log(ctx, AuditRevokeToken, row.Name)
	}
	return nil, notFound(nothingHere)
}

// SessionByAccessToken is SessionByToken for a program: it finds what an access token stands for, and notes its use from
// an address, once a minute at most.
func (s *Store) SessionByAccessToken(ctx context.Context, token, ip string) (Session, error) {
	const gone = "This access token doesn't hold: it was revoked, has expired, or was mistyped. Make another at /account/tokens."
	if !wellFormed(token) {
		return Session{}, notFound(gone)
	}
	now := s.now()
	row, found, err := s.tokens.recall(ctx, tokenHash(token))
	if err != nil || !found || row.ExpiresAt.Valid && !now.Before(row.ExpiresAt.Time) {
		return Session{}, fault(orNoRow(err), gone)
	}
	session := Session{Hash: row.Hash, Scope: Scope(row.Scope), ExpiresAt: row.ExpiresAt.Time,
		User: User{ID: row.ID, Username: row.Username, DisplayName: row.DisplayName, IsAdmin: row.IsAdmin}}
	if row.UsedAt.Valid && now.Sub(row.UsedAt.Time) < renewEvery {
		return session, nil
	}
	_, err = s.q.TouchToken(ctx, queries.TouchTokenParams{
		UsedAt: nullTime(now), UsedIp: truncate(ip, 45), ID: row.TokenID, UsedUntil: nullTime(now.Add(-renewEvery)),
	})
	s.SessionEnded(row.ID, row.Hash) // as it was
	return session, fault(err, "")
}

// revokedTokens is for the audit log, which says nothing where there were none.
func revokedTokens(n int64) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 access token revoked"
	default:
		return fmt.Sprintf("%d access tokens revoked", n)
	}
}

// revokeTokens revokes all of the actor's, whose windows are to close with the sessions that end.
func (t ownTx) revokeTokens(ctx context.Context, ended *endings) (n int64, _ error) {
	rows, err := t.q.UserTokens(ctx, t.row.ID)
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		ended.add(row.Hash)
	}
	return t.q.DeleteUserTokens(ctx, t.row.ID)
}

func wrongPresentPassword(failed string) error {
	return &Error{Kind: Invalid, Text: failed, Fields: fields{"current_password": {"This isn't your present password."}}}
}
