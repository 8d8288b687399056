package queries_test

import (
	"context"

	"parley/queries"
)

// The calls of what programs and known browsers are found by.
func init() {
	token := queries.CreateTokenParams{Hash: hash, UserID: 1, Name: "x", Scope: "read", CreatedAt: now, ExpiresAt: moment(soon)}
	on := func(f call) call {
		return func(ctx context.Context, q *queries.Queries) (any, error) {
			if _, err := q.CreateToken(ctx, token); err != nil {
				return nil, err
			}
			return f(ctx, q)
		}
	}
	browser := queries.PutBrowserParams{UserID: 1, Hash: hash, SeenAt: now}
	with := func(f call) call {
		return func(ctx context.Context, q *queries.Queries) (any, error) {
			if err := q.PutBrowser(ctx, browser); err != nil {
				return nil, err
			}
			return f(ctx, q)
		}
	}
	seeds["CreateToken"], seeds["PutBrowser"] = nil, nil // each call below makes its own
	calls["TokensByHash"] = on(func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.TokensByHash(ctx, queries.TokensByHashParams{Hashes: [][]byte{hash, key}, Now: moment(now)}))
	})
	calls["TouchToken"] = on(func(ctx context.Context, q *queries.Queries) (any, error) {
		rows, err := q.UserTokens(ctx, 1)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		return some(q.TouchToken(ctx, queries.TouchTokenParams{UsedAt: moment(now), UsedIp: "::1", ID: rows[0].ID, UsedUntil: moment(past)}))
	})
	calls["UserTokens"] = on(func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.UserTokens(ctx, 1)) })
	calls["DeleteToken"] = on(func(ctx context.Context, q *queries.Queries) (any, error) {
		rows, err := q.UserTokens(ctx, 1)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		return some(q.DeleteToken(ctx, queries.DeleteTokenParams{ID: rows[0].ID, UserID: 1}))
	})
	calls["DeleteUserTokens"] = on(func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.DeleteUserTokens(ctx, 1)) })
	calls["BrowserSeen"] = with(func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.BrowserSeen(ctx, queries.BrowserSeenParams{UsernameKey: []byte("ada"), Hash: hash}))
	})
	calls["ListBrowsers"] = with(func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.ListBrowsers(ctx, 1)) })
	calls["DeleteBrowser"] = with(func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.DeleteBrowser(ctx, queries.DeleteBrowserParams{UserID: 1, Hash: hash}))
	})
	calls["DeleteExpiredTokens"] = on(func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteExpiredTokens(ctx, moment(soon)))
	})
	calls["DeleteOldBrowsers"] = with(func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.DeleteOldBrowsers(ctx, now)) })
	calls["DeletePendingTOTPs"] = func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.PutTOTP(ctx, queries.PutTOTPParams{UserID: 1, Secret: key, CreatedAt: now}); err != nil {
			return nil, err
		}
		return some(q.DeletePendingTOTPs(ctx, now))
	}
	calls["DeleteUserBrowsers"] = with(func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.DeleteUserBrowsers(ctx, 1))
	})
}
