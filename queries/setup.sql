-- name: PutSetupLink :exec
-- The newest link takes the place of the one before.
INSERT INTO setup_links (id, token_hash, created_at) VALUES (1, ?, ?)
ON DUPLICATE KEY UPDATE token_hash = VALUES(token_hash), created_at = VALUES(created_at);

-- name: SetupLinkOpen :one
SELECT EXISTS (SELECT 1 FROM setup_links WHERE token_hash = ?
  AND NOT EXISTS (SELECT 1 FROM users WHERE is_admin = TRUE AND disabled_at IS NULL)) AS open;

-- name: TakeSetupLink :execrows
-- Of several at the same time only one deletes the row.
DELETE FROM setup_links WHERE id = 1 AND token_hash = ?;

-- name: DropSetupLinks :exec
DELETE FROM setup_links;
