-- name: CreateToken :execlastid
INSERT INTO tokens (hash, user_id, name, scope, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: TokensByHash :many
-- As SessionsByHash, for programs.
SELECT STRAIGHT_JOIN t.id AS token_id, t.hash, t.scope, t.expires_at, t.used_at, u.id, u.username, u.display_name, u.is_admin FROM tokens t FORCE INDEX (tokens_hash) JOIN users u ON u.id = t.user_id
WHERE t.hash IN (sqlc.slice(hashes)) AND (t.expires_at IS NULL OR t.expires_at > sqlc.arg(now)) AND u.disabled_at IS NULL;

-- name: TouchToken :execrows
-- Only the first of many at the same time changes the row.
UPDATE tokens SET used_at = sqlc.arg(used_at), used_ip = sqlc.arg(used_ip) WHERE id = ? AND (used_at IS NULL OR used_at <= sqlc.arg(used_until));

-- name: UserTokens :many
SELECT * FROM tokens WHERE user_id = ? ORDER BY id DESC;

-- name: DeleteToken :execrows
DELETE FROM tokens WHERE id = ? AND user_id = ?;

-- name: DeleteUserTokens :execrows
DELETE FROM tokens WHERE user_id = ?;

-- name: DeleteExpiredTokens :execrows
DELETE FROM tokens WHERE expires_at <= ? LIMIT 1000;
