-- name: CreatePasskey :execlastid
INSERT INTO passkeys (user_id, credential_hash, credential_id, public_key, handle, name, transports, sign_count, backup_eligible, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: ListPasskeys :many
SELECT * FROM passkeys WHERE user_id = ? ORDER BY id;

-- name: PasskeyByCredential :one
SELECT * FROM passkeys WHERE credential_hash = ?;

-- name: LockPasskey :one
SELECT * FROM passkeys WHERE id = ? FOR UPDATE;

-- name: UsePasskey :exec
UPDATE passkeys SET sign_count = ?, used_at = ? WHERE id = ?;

-- name: DeletePasskey :execrows
DELETE FROM passkeys WHERE id = ? AND user_id = ?;

-- name: DeletePasskeysOf :execrows
DELETE FROM passkeys WHERE user_id = ?;
