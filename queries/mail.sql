-- name: QueueMail :exec
INSERT INTO mails (kind, user_id, email, ip, created_at, due_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: DueMails :many
SELECT id FROM mails
WHERE due_at <= sqlc.arg(due_until) AND (leased_until IS NULL OR leased_until <= sqlc.arg(now))
ORDER BY due_at, id LIMIT ?;

-- name: ClaimMail :execrows
-- Only the first of several nodes changes the row.
UPDATE mails SET leased_until = sqlc.arg(lease), attempts = attempts + 1
WHERE id = ? AND due_at <= sqlc.arg(due_until) AND (leased_until IS NULL OR leased_until <= sqlc.arg(now));

-- name: LockClaimedMail :one
SELECT * FROM mails WHERE id = ? AND leased_until = sqlc.arg(lease) FOR UPDATE;

-- name: ResolveMail :exec
UPDATE mails SET kind = ?, user_id = ?, email = ? WHERE id = ?;

-- name: DeleteClaimedMail :execrows
DELETE FROM mails WHERE id = ? AND leased_until = sqlc.arg(lease);

-- name: PostponeMail :execrows
UPDATE mails SET due_at = ?, leased_until = NULL, error = ? WHERE id = ? AND leased_until = sqlc.arg(lease);

-- name: LockMail :one
SELECT * FROM mails WHERE id = ? FOR UPDATE;

-- name: RetryMail :exec
UPDATE mails SET due_at = ?, leased_until = NULL, attempts = 0 WHERE id = ?;

-- name: DeleteMail :exec
DELETE FROM mails WHERE id = ?;

-- name: ListMails :many
SELECT sqlc.embed(m), COALESCE(u.username, '') AS username
FROM mails m LEFT JOIN users u ON u.id = m.user_id
WHERE m.id < sqlc.arg(before_id) ORDER BY m.id DESC LIMIT ?;

-- name: CountMails :one
SELECT COUNT(*) AS every, COUNT(due_at) AS waiting FROM mails;

-- name: DeleteOldMails :execrows
DELETE FROM mails WHERE due_at IS NULL AND created_at <= ? LIMIT 1000;

-- name: LockMailbox :exec
-- Makes the row where there is none, and holds it in any case.
INSERT INTO mailboxes (address_hash, free_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE address_hash = address_hash;

-- name: MailboxFree :one
SELECT free_at FROM mailboxes WHERE address_hash = ? FOR UPDATE;

-- name: FillMailbox :exec
UPDATE mailboxes SET free_at = ? WHERE address_hash = ?;

-- name: DeleteFreeMailboxes :execrows
DELETE FROM mailboxes WHERE free_at <= ? LIMIT 1000;
