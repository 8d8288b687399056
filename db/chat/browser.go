package chat

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"parley/queries"
)

// A browser in which somebody has signed in is known by a cookie of its own, which outlives their sessions: OWASP, "Slow
// Down Online Guessing Attacks with Device Cookies". It opens nothing. It tells the owner of an account from strangers
// who guess at its password, so that throttling those never locks the owner out.

// BrowserFor is how long a browser is known after the last sign-in there.
const BrowserFor = 365 * 24 * time.Hour

// maxBrowsers is how many browsers of one person are known, those of the latest sign-ins.
const maxBrowsers = 20

// RememberBrowser notes that the user has signed in in the browser that holds this cookie, and gives the cookie that it is
// to hold from now on: the same one, if it had one.
func (s *Store) RememberBrowser(ctx context.Context, user User, cookie string) (string, error) {
	if len(cookie) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		secret := make([]byte, tokenBytes)
		_, _ = rand.Read(secret) // never fails since Go 1.24
		cookie = base64.RawURLEncoding.EncodeToString(secret)
	}
	now := s.now()
	return cookie, s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		if err := q.PutBrowser(ctx, queries.PutBrowserParams{UserID: user.ID, Hash: tokenHash(cookie), SeenAt: now}); err != nil {
			return err
		}
		browsers, err := q.ListBrowsers(ctx, user.ID)
		if err != nil {
			return err
		}
		for _, b := range browsers[min(len(browsers), maxBrowsers):] {
			if err := q.DeleteBrowser(ctx, queries.DeleteBrowserParams{UserID: user.ID, Hash: b.Hash}); err != nil {
				return err
			}
		}
		return nil
	})
}

// KnowsBrowser says whether whoever has this username has signed in in the browser that holds this cookie.
func (s *Store) KnowsBrowser(ctx context.Context, username, cookie string) (bool, error) {
	if cookie == "" {
		return false, nil
	}
	seen, err := s.q.BrowserSeen(ctx, queries.BrowserSeenParams{UsernameKey: usernameKey(username), Hash: tokenHash(cookie)})
	if noRow(err) {
		return false, nil
	}
	return err == nil && s.now().Sub(seen) < BrowserFor, fault(err, "")
}
