-- name: CreateBlock :execrows
-- One that is there already stays as old as it is.
INSERT INTO blocks (user_id, blocked_id, created_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE user_id = user_id;

-- name: DeleteBlock :execrows
DELETE FROM blocks WHERE user_id = ? AND blocked_id = ?;

-- name: SetBlocked :exec
UPDATE conversations SET blocked = ? WHERE id = ?;

-- name: ListBlocks :many
-- Newest first, from the position (before_at, before_id) on.
SELECT sqlc.embed(b), sqlc.embed(u) FROM blocks b JOIN users u ON u.id = b.blocked_id
WHERE b.user_id = sqlc.arg(user_id) AND b.created_at <= sqlc.arg(before_at)
  AND (b.created_at < sqlc.arg(before_at) OR b.blocked_id < sqlc.arg(before_id))
ORDER BY b.created_at DESC, b.blocked_id DESC LIMIT ?;

-- name: VerifyBlocks :many
-- After a place in the primary key; what is NULL isn't there.
SELECT b.user_id, b.blocked_id, u.id AS blocker, o.id AS other, c.id AS conversation FROM blocks b
LEFT JOIN users u ON u.id = b.user_id
LEFT JOIN users o ON o.id = b.blocked_id
LEFT JOIN conversations c ON c.user_lo = LEAST(b.user_id, b.blocked_id) AND c.user_hi = GREATEST(b.user_id, b.blocked_id)
WHERE b.user_id > sqlc.arg(after_user) OR (b.user_id = sqlc.arg(after_user) AND b.blocked_id > sqlc.arg(after_blocked))
ORDER BY b.user_id, b.blocked_id LIMIT ?;

-- name: RepairBlock :execrows
-- Deletes a block by or of somebody without an account.
DELETE FROM blocks WHERE blocks.user_id = ? AND blocks.blocked_id = ?
  AND (NOT EXISTS (SELECT 1 FROM users u WHERE u.id = blocks.user_id) OR NOT EXISTS (SELECT 1 FROM users o WHERE o.id = blocks.blocked_id));
