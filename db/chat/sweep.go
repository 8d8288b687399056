package chat

import (
	"context"
	"time"
)

// A sweep deletes what is over in portions of 1,000 rows, each a short transaction by an index, and at most so many of them a
// call: that of the next hour goes on. 100,000 rows an hour are more than any crowd leaves behind.
const (
	sweepRows     = 1000
	sweepPortions = 100
)

// keepExpired is how long an access token that has expired still stands in its owner's list, as expired: whoever wonders why a
// program stopped finds out.
const keepExpired = 30 * 24 * time.Hour

// inPortions deletes by statements that each take sweepRows rows at most, and says how many went.
func inPortions(delete func() (int64, error)) (swept int64, _ error) {
	for range sweepPortions {
		n, err := delete()
		swept += n
		if err != nil || n < sweepRows {
			return swept, fault(err, "")
		}
	}
	return swept, nil
}

// until is one statement of a sweep, for what was over by a time.
func until[T any](ctx context.Context, at T, delete func(context.Context, T) (int64, error)) func() (int64, error) {
	return func() (int64, error) { return delete(ctx, at) }
}

// sweepEach runs sweeps one after the other, and says how many rows went in all.
func sweepEach(sweeps ...func() (int64, error)) (swept int64, _ error) {
	for _, sweep := range sweeps {
		n, err := inPortions(sweep)
		swept += n
		if err != nil {
			return swept, err
		}
	}
	return swept, nil
}

// SweepSessions deletes sessions that have expired, a bounded number a call, and says how many.
func (s *Store) SweepSessions(ctx context.Context) (int64, error) {
	return sweepEach(until(ctx, s.now(), s.q.DeleteExpiredSessions))
}

// SweepSignIns deletes what waited for somebody to go on, and whose time is over: sign-ins, questions to passkeys, and secrets
// that no app has shown to have. It says how many, a bounded number a call.
func (s *Store) SweepSignIns(ctx context.Context) (int64, error) {
	now := s.now()
	return sweepEach(until(ctx, now, s.q.DeleteExpiredSignIns), until(ctx, now, s.q.DeleteExpiredCeremonies),
		until(ctx, now.Add(-totpSetUpFor), s.q.DeletePendingTOTPs))
}

// SweepMail deletes links that have expired and mail that has been stuck for a month, and forgets to whom so much was sent of
// late that it doesn't matter any more. It says how many rows went, a bounded number a call.
func (s *Store) SweepMail(ctx context.Context) (int64, error) {
	now := s.now()
	return sweepEach(until(ctx, now, s.q.DeleteExpiredLinks), until(ctx, now.Add(-keepStuck), s.q.DeleteOldMails),
		until(ctx, now, s.q.DeleteFreeMailboxes))
}

// SweepTokens deletes access tokens that expired a month ago, and forgets browsers in which nobody has signed in for a year. It
// says how many, a bounded number a call.
func (s *Store) SweepTokens(ctx context.Context) (int64, error) {
	now := s.now()
	return sweepEach(until(ctx, nullTime(now.Add(-keepExpired)), s.q.DeleteExpiredTokens),
		until(ctx, now.Add(-BrowserFor), s.q.DeleteOldBrowsers))
}
