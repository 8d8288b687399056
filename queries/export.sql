-- name: ExportReach :one
-- How much there is to export.
SELECT COUNT(*) AS conversations, CAST(COALESCE(SUM(c.last_seq), 0) AS UNSIGNED) AS messages
FROM members mb JOIN conversations c ON c.id = mb.conversation_id WHERE mb.user_id = ? AND c.last_seq > 0;

-- name: ExportSessions :many
SELECT id_hash, created_at, seen_at, expires_at, user_agent, ip FROM sessions
WHERE user_id = ? AND id_hash > sqlc.arg(after) AND expires_at > sqlc.arg(now) ORDER BY id_hash LIMIT ?;

-- name: ExportConversations :many
-- In the order of the primary key, which new messages don't change. A conversation without a message is none to anybody: a block makes it.
SELECT sqlc.embed(c), sqlc.embed(u), mb.last_read_seq FROM members mb
JOIN conversations c ON c.id = mb.conversation_id
JOIN users u ON u.id = CASE WHEN c.user_lo = mb.user_id THEN c.user_hi ELSE c.user_lo END
WHERE mb.user_id = ? AND mb.conversation_id > sqlc.arg(after) AND c.last_seq > 0 ORDER BY mb.conversation_id LIMIT ?;
