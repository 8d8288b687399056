-- name: CreateRecoveryCode :exec
INSERT INTO recovery_codes (user_id, code_hash, created_at) VALUES (?, ?, ?);

-- name: DeleteRecoveryCode :execrows
DELETE FROM recovery_codes WHERE user_id = ? AND code_hash = ?;

-- name: DeleteRecoveryCodes :execrows
DELETE FROM recovery_codes WHERE user_id = ?;
