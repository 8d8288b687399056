-- name: CreateUser :execlastid
INSERT INTO users (username, username_key, display_name, search_key, email, email_key, password_hash, is_admin, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: UserByKey :one
SELECT * FROM users WHERE username_key = ?;

-- name: UsersByKey :many
SELECT * FROM users FORCE INDEX (users_username) WHERE username_key IN (sqlc.slice(username_keys));

-- name: UserByID :one
SELECT * FROM users WHERE id = ?;

-- name: LockUser :one
SELECT * FROM users WHERE username_key = ? FOR UPDATE;

-- name: LockUserByID :one
SELECT * FROM users WHERE id = ? FOR UPDATE;

-- name: ListUsers :many
-- The inner query runs inside the index users_search alone; only the page that it finds touches the table.
SELECT u.* FROM (
  SELECT i.id FROM users i
  WHERE i.username_key > sqlc.arg(after) AND i.search_key LIKE sqlc.arg(pattern)
    AND i.disabled_at IS NULL AND i.id <> sqlc.arg(viewer)
  ORDER BY i.username_key LIMIT ?
) page JOIN users u ON u.id = page.id
ORDER BY u.username_key;

-- name: ListAllUsers :many
-- As ListUsers, for admins: disabled people and the admin themself too, and whoever has just this e-mail address.
SELECT u.* FROM (
  SELECT i.id FROM users i
  WHERE i.username_key > sqlc.arg(after)
    AND (i.search_key LIKE sqlc.arg(pattern) OR i.id = (SELECT e.id FROM users e WHERE e.email_key = sqlc.arg(email_key)))
  ORDER BY i.username_key LIMIT ?
) page JOIN users u ON u.id = page.id
ORDER BY u.username_key;

-- name: AnyUser :one
SELECT EXISTS (SELECT 1 FROM users) AS found;

-- name: LockActiveAdmins :many
SELECT id FROM users WHERE is_admin = TRUE AND disabled_at IS NULL FOR UPDATE;

-- name: UpdateUser :exec
-- Another address isn't confirmed, until somebody says so. That stands before email_key, as assignments are made in order.
UPDATE users SET display_name = ?, search_key = ?, email_confirmed_at = IF(email_key <=> sqlc.arg(email_key), email_confirmed_at, NULL),
  email = ?, email_key = sqlc.arg(email_key), is_admin = ? WHERE id = ?;

-- name: SetPassword :exec
UPDATE users SET password_hash = ? WHERE id = ?;

-- name: ReplacePassword :execrows
-- Changes nothing where the password isn't as it was.
UPDATE users SET password_hash = sqlc.arg(hash) WHERE id = ? AND password_hash = sqlc.arg(was);

-- name: SetPasswords :exec
UPDATE users SET password_hash = ? WHERE id IN (sqlc.slice(ids));

-- name: SetDisabled :exec
UPDATE users SET disabled_at = ? WHERE id = ?;

-- name: TouchUser :exec
UPDATE users SET last_seen_at = ? WHERE id = ?;

-- name: UserByEmail :one
SELECT * FROM users WHERE email_key = ?;

-- name: SetEmailConfirmed :exec
UPDATE users SET email_confirmed_at = ? WHERE id = ?;

-- name: ReleaseEmail :exec
-- Takes an address from whoever never confirmed it.
UPDATE users SET email = NULL, email_key = NULL WHERE email_key = ? AND email_confirmed_at IS NULL AND id <> sqlc.arg(owner);
