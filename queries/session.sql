-- name: CreateSession :exec
INSERT INTO sessions (id_hash, user_id, created_at, seen_at, expires_at, user_agent, ip) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: SessionsByHash :many
-- Each request asks this: it reads no more than a request needs. The index is named since servers read all of a small
-- table rather than the few rows that several requests ask for together.
SELECT STRAIGHT_JOIN s.id_hash, s.created_at, s.seen_at, s.expires_at, u.id, u.username, u.display_name, u.is_admin FROM sessions s FORCE INDEX (PRIMARY) JOIN users u ON u.id = s.user_id
WHERE s.id_hash IN (sqlc.slice(hashes)) AND s.expires_at > sqlc.arg(now) AND s.created_at > sqlc.arg(made_after) AND u.disabled_at IS NULL;

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
-- Counts no further than up to a number.
SELECT COUNT(*) FROM (
  SELECT s.id_hash FROM sessions s WHERE s.user_id = ? AND s.expires_at > sqlc.arg(now) AND s.created_at > sqlc.arg(made_after) LIMIT ?
) some;

-- name: SessionTimeBack :one
-- When the session began that lies so many sessions behind a position in ListUserSessions.
SELECT s.created_at FROM sessions s FORCE INDEX (sessions_made)
WHERE s.user_id = ? AND s.expires_at > sqlc.arg(now) AND s.created_at > sqlc.arg(made_after) AND s.created_at <= sqlc.arg(before)
  AND (s.created_at < sqlc.arg(before) OR LEFT(SHA2(s.id_hash, 256), 32) < sqlc.arg(before_name))
ORDER BY s.created_at DESC LIMIT 1 OFFSET ?;

-- name: ListUserSessions :many
-- name is what a session is called outside: a part of a hash of its hash. No index has that order, so all sessions since the given
-- time are sorted: see SessionTimeBack.
SELECT s.*, LEFT(SHA2(s.id_hash, 256), 32) AS name FROM sessions s FORCE INDEX (sessions_made)
WHERE s.user_id = ? AND s.expires_at > sqlc.arg(now) AND s.created_at > sqlc.arg(made_after) AND s.created_at >= sqlc.arg(since) AND s.created_at <= sqlc.arg(before)
  AND (s.created_at < sqlc.arg(before) OR LEFT(SHA2(s.id_hash, 256), 32) < sqlc.arg(before_name))
ORDER BY s.created_at DESC, name DESC LIMIT ?;

-- name: UserSessionByName :one
SELECT * FROM sessions WHERE user_id = ? AND expires_at > sqlc.arg(now) AND created_at > sqlc.arg(made_after) AND LEFT(SHA2(id_hash, 256), 32) = sqlc.arg(name);

-- name: OtherSessions :many
SELECT id_hash FROM sessions WHERE user_id = ? AND id_hash <> sqlc.arg(but) LIMIT ?;

-- name: DeleteOtherSessions :execrows
DELETE FROM sessions WHERE user_id = ? AND id_hash <> sqlc.arg(but);

-- name: MoveSession :execrows
-- The session goes on under another token.
UPDATE sessions SET id_hash = sqlc.arg(new_hash) WHERE id_hash = sqlc.arg(old_hash) AND user_id = ?;

-- name: DeleteExpiredSessions :execrows
DELETE FROM sessions WHERE expires_at <= ? LIMIT 1000;
