-- name: PutLink :exec
INSERT INTO links (user_id, kind, token_hash, state_hash, email, mail_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE token_hash = VALUES(token_hash), state_hash = VALUES(state_hash), email = VALUES(email), mail_id = VALUES(mail_id),
  created_at = VALUES(created_at), expires_at = VALUES(expires_at);

-- name: LinkByHash :one
SELECT * FROM links WHERE token_hash = ?;

-- name: LinkOf :one
SELECT * FROM links WHERE user_id = ? AND kind = ?;

-- name: DeleteLink :exec
DELETE FROM links WHERE user_id = ? AND kind = ?;

-- name: DeleteExpiredLinks :execrows
DELETE FROM links WHERE expires_at <= ? LIMIT 1000;
