-- name: PutCeremony :exec
INSERT INTO ceremonies (owner, state, expires_at) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE state = VALUES(state), expires_at = VALUES(expires_at);

-- name: LockCeremony :one
SELECT state FROM ceremonies WHERE owner = ? AND expires_at > sqlc.arg(now) FOR UPDATE;

-- name: DeleteCeremony :execrows
DELETE FROM ceremonies WHERE owner = ?;

-- name: DeleteExpiredCeremonies :execrows
DELETE FROM ceremonies WHERE expires_at <= ? LIMIT 1000;
