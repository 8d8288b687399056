package chat

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"parley/queries"
)

// belongings checks what accounts have besides their row: that it is somebody's, and that whoever deleted theirs has nothing left.
func (v *verifier) belongings(ctx context.Context) error {
	for _, table := range queries.LeftoverTables {
		if err := v.leftovers(ctx, table); err != nil {
			return err
		}
	}
	for _, check := range []func(context.Context) error{v.buried, v.photos, v.skeletons, v.reports} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) leftovers(ctx context.Context, table string) error {
	return inPieces(v.sizes.rows, func(after queries.Leftover) ([]queries.Leftover, error) {
		return v.q.Leftovers(ctx, table, after.UserID, int(v.sizes.rows))
	}, func(row queries.Leftover) error {
		p := Problem{Check: CheckLeftover, User: row.UserID, Repairable: true, Detail: fmt.Sprintf("%s in the table %s of somebody who has no account", several(row.Rows, "row"), table)}
		switch {
		case row.Account.Valid:
			p.Check, p.Detail = CheckDeletedLeft, fmt.Sprintf("somebody who deleted their account still has %s in the table %s", several(row.Rows, "row"), table)
		case table == "sessions": // CheckSessionOrphan
			return nil
		}
		return v.settle(ctx, []Problem{p}, func(ctx context.Context, tx *sql.Tx) ([]Problem, error) {
			n, err := v.q.WithTx(tx).DeleteLeftovers(ctx, table, row.UserID)
			return repairedIf(n > 0, p), err
		})
	}, func(int) {})
}

// eachUser settles a problem that one statement finds and another repairs, for each account.
func (v *verifier) eachUser(ctx context.Context, check Check, detail string, find func(after uint64) ([]uint64, error), repair func(*queries.Queries, uint64) (int64, error)) error {
	return inPieces(v.sizes.rows, find, func(user uint64) error {
		p := Problem{Check: check, User: user, Repairable: true, Detail: detail}
		return v.settle(ctx, []Problem{p}, func(_ context.Context, tx *sql.Tx) ([]Problem, error) {
			n, err := repair(v.q.WithTx(tx), user)
			return repairedIf(n > 0, p), err
		})
	}, func(int) {})
}

func (v *verifier) buried(ctx context.Context) error {
	return v.eachUser(ctx, CheckDeletedLeft, "a deleted account's row still has an e-mail address, a photo, a time or a right", func(after uint64) ([]uint64, error) {
		return v.q.VerifyBuried(ctx, queries.VerifyBuriedParams{After: after, Limit: v.sizes.rows})
	}, func(q *queries.Queries, user uint64) (int64, error) { return q.RepairBuried(ctx, user) })
}

// photos holds users against the photos, which are what there is.
func (v *verifier) photos(ctx context.Context) error {
	return v.eachUser(ctx, CheckPhoto, "pages show another photo of somebody than there is, or none", func(after uint64) ([]uint64, error) {
		return v.q.VerifyPhotos(ctx, queries.VerifyPhotosParams{After: after, Limit: v.sizes.rows})
	}, func(q *queries.Queries, user uint64) (int64, error) { return q.RepairPhoto(ctx, user) })
}

// skeletons checks those that there are: FillSkeletons makes those that are missing.
func (v *verifier) skeletons(ctx context.Context) error {
	return inPieces(v.sizes.rows, func(after queries.VerifySkeletonsRow) ([]queries.VerifySkeletonsRow, error) {
		return v.q.VerifySkeletons(ctx, queries.VerifySkeletonsParams{After: after.ID, Limit: v.sizes.rows})
	}, func(row queries.VerifySkeletonsRow) error {
		return v.skeleton(ctx, row)
	}, func(int) {})
}

func (v *verifier) skeleton(ctx context.Context, row queries.VerifySkeletonsRow) error {
	if bytes.Equal(row.SkeletonKey, skeletonKey(row.Username)) {
		return nil
	}
	want, err := skeletonOf(ctx, v.q, row)
	if err != nil || bytes.Equal(row.SkeletonKey, want) {
		return err
	}
	p := Problem{Check: CheckSkeleton, User: row.ID, Repairable: true, Detail: "nothing keeps others from a name that looks like " + row.Username + ": its row in skeletons is of another name, or beside one that is free"}
	return v.settle(ctx, []Problem{p}, func(ctx context.Context, tx *sql.Tx) ([]Problem, error) {
		q := v.q.WithTx(tx)
		if want, err = skeletonOf(ctx, q, row); err != nil {
			return nil, err
		}
		n, err := q.RepairSkeleton(ctx, queries.RepairSkeletonParams{NewKey: want, UserID: row.ID, OldKey: row.SkeletonKey})
		if duplicateKey(err) { // somebody took it just now: the next run finds it a place beside that
			return []Problem{p}, nil
		}
		return repairedIf(n > 0, p), err
	})
}

// skeletonOf is what an account's name looks like, or stands beside that where somebody else has it.
func skeletonOf(ctx context.Context, q *queries.Queries, row queries.VerifySkeletonsRow) ([]byte, error) {
	plain := skeletonKey(row.Username)
	owner, err := q.SkeletonOwner(ctx, plain)
	if noRow(err) || err == nil && owner == row.ID {
		return plain, nil
	}
	return besideSkeleton(plain, row.ID), err
}

// besideSkeleton is the place of a name that looks like somebody else's.
func besideSkeleton(plain []byte, user uint64) []byte {
	return strconv.AppendUint(append(plain[:len(plain):len(plain)], 0), user, 10)
}

// reports finds those of what isn't there. They are never repaired: they are evidence.
func (v *verifier) reports(ctx context.Context) error {
	return inPieces(v.sizes.rows, func(after queries.VerifyReportsRow) ([]queries.VerifyReportsRow, error) {
		return v.q.VerifyReports(ctx, queries.VerifyReportsParams{After: after.ID, Limit: v.sizes.rows})
	}, func(row queries.VerifyReportsRow) error {
		v.oneReport(row)
		return nil
	}, func(int) {})
}

func (v *verifier) oneReport(row queries.VerifyReportsRow) {
	var gone []string
	if !row.Reporter.Valid {
		gone = append(gone, fmt.Sprintf("by account %d", row.ReporterID))
	}
	if !row.Subject.Valid {
		gone = append(gone, fmt.Sprintf("about account %d", row.SubjectID))
	}
	if !row.Message.Valid {
		gone = append(gone, fmt.Sprintf("of message %d-%d", row.ConversationID, row.Seq))
	}
	if len(gone) > 0 {
		v.report(Problem{Check: CheckReportOrphan, User: row.ReporterID, Conversation: row.ConversationID, Seq: row.Seq, Detail: fmt.Sprintf(
			"report %d is %s, of which there is nothing: put that back from a backup", row.ID, strings.Join(gone, " and "))})
	}
}
