-- name: CreateSession :exec
INSERT INTO sessions (id_hash, user_id, created_at, seen_at, expires_at, user_agent, ip) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: SessionsByHash :many
-- Each request asks this: it reads no more than a request needs. The index is named since servers read all of a small
-- table rather than the few rows that several requests ask for together.
SELECT STRAIGHT_JOIN s.id_hash, s.seen_at, s.expires_at, u.id, u.username, u.display_name, u.is_admin FROM sessions s FORCE INDEX (PRIMARY) JOIN users u ON u.id = s.user_id
WHERE s.id_hash IN (sqlc.slice(hashes)) AND s.expires_at > sqlc.arg(now) AND u.disabled_at IS NULL;

-- name: TouchSession :execrows
-- Only the first of many at the same time changes the row.
UPDATE sessions SET seen_at = sqlc.arg(seen_at), expires_at = sqlc.arg(expires_at) WHERE id_hash = ? AND seen_at <= sqlc.arg(seen_until);

-- name: DeleteSession :execrows
DELETE FROM sessions WHERE id_hash = ?;

-- name: DeleteUserSessions :execrows
DELETE FROM sessions WHERE user_id = ?;

-- name: DeleteSessionsOf :exec
DELETE FROM sessions WHERE user_id IN (sqlc.slice(user_ids));

-- name: CountUserSessions :one
SELECT COUNT(*) FROM sessions WHERE user_id = ? AND expires_at > sqlc.arg(now);

-- name: DeleteExpiredSessions :execrows
DELETE FROM sessions WHERE expires_at <= ? LIMIT 1000;
