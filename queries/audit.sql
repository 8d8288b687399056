-- name: CreateAuditEvent :exec
INSERT INTO audit_events (created_at, actor_id, action, subject_id, conversation_id, seq, detail, ip) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: PutAuditEvent :execlastid
-- Writes an event, or changes the detail of the one with this ID. It is one statement for both, so that it takes the same time.
INSERT INTO audit_events (id, created_at, actor_id, action, subject_id, detail, ip) VALUES (sqlc.narg(id), ?, ?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE detail = VALUES(detail);

-- name: AuditTimeFrom :one
SELECT created_at FROM audit_events FORCE INDEX (audit_created) WHERE created_at >= sqlc.arg(since) ORDER BY created_at, id LIMIT 1;

-- name: AuditTimeBefore :one
SELECT created_at FROM audit_events FORCE INDEX (audit_created) WHERE created_at < sqlc.arg(upto) ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: AuditIDsBetween :one
SELECT CAST(COALESCE(MIN(id), 0) AS UNSIGNED) AS first_id, CAST(COALESCE(MAX(id), 0) AS UNSIGNED) AS last_id
FROM audit_events FORCE INDEX (audit_created) WHERE created_at >= sqlc.arg(since) AND created_at <= sqlc.arg(upto);

-- name: DeleteAuditEvents :execrows
DELETE FROM audit_events WHERE created_at < ? ORDER BY created_at, id LIMIT ?;
