-- name: CreateSkeleton :exec
INSERT INTO skeletons (skeleton_key, user_id) VALUES (?, ?);

-- name: UserBySkeleton :one
SELECT u.* FROM skeletons s JOIN users u ON u.id = s.user_id WHERE s.skeleton_key = ?;

-- name: ListWithoutSkeleton :many
SELECT u.id, u.username FROM users u LEFT JOIN skeletons s ON s.user_id = u.id
WHERE s.user_id IS NULL AND u.deleted_at IS NULL AND u.id > sqlc.arg(after) ORDER BY u.id LIMIT ?;
