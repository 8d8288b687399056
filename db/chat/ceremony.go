package chat

import (
	"context"

	"parley/queries"
)

// BeginCeremony remembers what a passkey is asked, for ten minutes, in place of what it was asked before. The owner is the
// Hash of the Session that adds a passkey, or of the SignIn that it is to finish; so nobody else can answer.
func (s *Store) BeginCeremony(ctx context.Context, owner, state []byte) error {
	return fault(s.q.PutCeremony(ctx, queries.PutCeremonyParams{Owner: owner, State: state, ExpiresAt: s.now().Add(SignInFor)}), "")
}

// TakeCeremony gives what BeginCeremony was given, once. Otherwise the error is Denied.
func (s *Store) TakeCeremony(ctx context.Context, owner []byte) (state []byte, _ error) {
	err := s.inTx(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		if state, err = q.LockCeremony(ctx, queries.LockCeremonyParams{Owner: owner, Now: s.now()}); err != nil {
			return err
		}
		_, err = q.DeleteCeremony(ctx, owner)
		return err
	})
	if noRow(err) {
		return nil, &Error{Kind: Denied, Text: "The passkey took too long to answer, or it answered twice. Try again."}
	}
	return state, err
}
