-- name: CreateAuditEvent :exec
INSERT INTO audit_events (created_at, actor_id, action, subject_id, conversation_id, seq, detail, ip) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: ListAuditEvents :many
SELECT sqlc.embed(e), COALESCE(a.username, '') AS actor, COALESCE(s.username, '') AS subject FROM audit_events e
LEFT JOIN users a ON a.id = e.actor_id
LEFT JOIN users s ON s.id = e.subject_id
WHERE e.id < sqlc.arg(before_id) ORDER BY e.id DESC LIMIT ?;
