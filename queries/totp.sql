-- name: PutTOTP :exec
-- A secret that is to be confirmed takes the place of one that never was.
INSERT INTO totps (user_id, confirmed, secret, created_at) VALUES (?, FALSE, ?, ?)
ON DUPLICATE KEY UPDATE secret = VALUES(secret), created_at = VALUES(created_at);

-- name: FindTOTP :one
SELECT * FROM totps WHERE user_id = ? AND confirmed = ?;

-- name: LockTOTP :one
SELECT * FROM totps WHERE user_id = ? AND confirmed = TRUE FOR UPDATE;

-- name: ConfirmTOTP :execrows
UPDATE totps SET confirmed = TRUE, last_step = ? WHERE user_id = ? AND confirmed = FALSE;

-- name: UseTOTP :execrows
-- Only the first of several uses of one time step changes the row.
UPDATE totps SET last_step = sqlc.arg(step), used_at = sqlc.arg(used_at), failures = 0, failed_at = NULL
WHERE user_id = ? AND confirmed = TRUE AND last_step < sqlc.arg(step);

-- name: FailTOTP :exec
UPDATE totps SET failures = failures + 1, failed_at = ? WHERE user_id = ? AND confirmed = TRUE;

-- name: DeleteTOTP :execrows
DELETE FROM totps WHERE user_id = ? AND confirmed = ?;

-- name: DeletePendingTOTPs :execrows
DELETE FROM totps WHERE confirmed = FALSE AND created_at <= ? LIMIT 1000;
