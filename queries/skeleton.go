package queries

import "context"

// CreateSkeletons stores those that are free, and leaves the others as they are.
func (q *Queries) CreateSkeletons(ctx context.Context, skeletons []Skeleton) error {
	rows := insertInto("CreateSkeletons", "skeletons", "skeleton_key", "user_id").onDuplicate("user_id = user_id")
	for _, s := range skeletons {
		rows.add(s.SkeletonKey, s.UserID)
	}
	return rows.run(ctx, q.db)
}
