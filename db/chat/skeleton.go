package chat

import (
	"context"

	"parley/queries"
)

const (
	looksTaken   = "This username looks like that of somebody else. Choose one that can't be taken for another."
	looksLike    = "This name looks like the username of somebody who administers this place. Add something to it, such as a surname."
	nameReserved = "This name is reserved, since people would take it for somebody official. Choose another."
)

// takeSkeleton gives a new account what its name looks like, unless somebody else has a name that looks the same, or had one
// before they deleted their account. The latter is asked after the row is written, as by neverTaken.
func takeSkeleton(ctx context.Context, q *queries.Queries, user uint64, username string) error {
	err := q.CreateSkeleton(ctx, queries.CreateSkeletonParams{SkeletonKey: skeletonKey(username), UserID: user})
	if duplicateKey(err) {
		return fields{"username": {looksTaken}}.err(accountNotMade)
	}
	if err != nil {
		return err
	}
	_, err = q.TombstoneKey(ctx, lookFingerprint(username))
	if err == nil {
		return fields{"username": {looksTaken}}.err(accountNotMade)
	}
	if noRow(err) {
		return nil
	}
	return err
}

// mayBeCalled says whether somebody may call themself so. Display names are anybody's: several people can have the same
// one, as in life, and their usernames tell them apart. But nobody may look like those who have a say here.
func mayBeCalled(ctx context.Context, q *queries.Queries, user User, displayName string) error {
	looks := skeletonKey(displayName)
	if user.IsAdmin || string(looks) == string(skeletonKey(user.Username)) {
		return nil
	}
	if isReserved(displayName) {
		return fields{"display_name": {nameReserved}}.err(nothingChanged)
	}
	other, err := q.UserBySkeleton(ctx, looks)
	if noRow(err) || err == nil && (!other.IsAdmin || other.DisabledAt.Valid || other.ID == user.ID) {
		return nil
	}
	if err == nil {
		return fields{"display_name": {looksLike}}.err(nothingChanged)
	}
	return err
}

// skeletonRows is how many accounts get their skeletons in one transaction.
const skeletonRows = 500

// FillSkeletons gives all accounts their skeletons that have none, and says how many those were. It may run on several
// nodes at once, and be cut short. Where two look alike, the second keeps its name, and stands beside the first.
func (s *Store) FillSkeletons(ctx context.Context) (filled int, err error) {
	for after := uint64(0); ; {
		rows, err := s.q.ListWithoutSkeleton(ctx, queries.ListWithoutSkeletonParams{After: after, Limit: skeletonRows})
		if err != nil || len(rows) == 0 {
			return filled, fault(err, "")
		}
		if err := s.fillSkeletons(ctx, rows); err != nil {
			return filled, fault(err, "")
		}
		filled, after = filled+len(rows), rows[len(rows)-1].ID
	}
}

// fillSkeletons offers each row the plain skeleton first: what is taken is passed over.
func (s *Store) fillSkeletons(ctx context.Context, rows []queries.ListWithoutSkeletonRow) error {
	plain, beside := make([]queries.Skeleton, len(rows)), make([]queries.Skeleton, len(rows))
	for i, row := range rows {
		key := skeletonKey(row.Username)
		plain[i] = queries.Skeleton{SkeletonKey: key, UserID: row.ID}
		beside[i] = queries.Skeleton{SkeletonKey: besideSkeleton(key, row.ID), UserID: row.ID}
	}
	return s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		if err := q.CreateSkeletons(ctx, plain); err != nil {
			return err
		}
		return q.CreateSkeletons(ctx, beside)
	})
}
