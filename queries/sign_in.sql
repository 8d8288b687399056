-- name: CreateSignIn :exec
INSERT INTO sign_ins (id_hash, user_id, password_key, expires_at) VALUES (?, ?, ?, ?);

-- name: FindSignIn :one
SELECT * FROM sign_ins WHERE id_hash = ? AND tries < sqlc.arg(most) AND expires_at > sqlc.arg(now);

-- name: TrySignIn :execrows
-- Each try counts before it is looked at, so that several at the same time are no more than one after the other.
UPDATE sign_ins SET tries = tries + 1 WHERE id_hash = ? AND tries < sqlc.arg(most) AND expires_at > sqlc.arg(now);

-- name: DeleteSignIn :execrows
DELETE FROM sign_ins WHERE id_hash = ?;

-- name: DeleteExpiredSignIns :execrows
DELETE FROM sign_ins WHERE expires_at <= ? LIMIT 1000;
