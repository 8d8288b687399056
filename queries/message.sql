-- name: CreateMessage :exec
INSERT INTO messages (conversation_id, seq, sender_id, client_key, rev, body, created_at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: MessageBySeq :one
SELECT * FROM messages WHERE conversation_id = ? AND seq = ?;

-- name: MessageByClientKey :one
SELECT * FROM messages WHERE conversation_id = ? AND sender_id = ? AND client_key = ?;

-- name: MessagesBefore :many
SELECT * FROM messages WHERE conversation_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?;

-- name: MessagesAfter :many
SELECT * FROM messages WHERE conversation_id = ? AND seq > ? ORDER BY seq LIMIT ?;

-- name: MessagesSinceRev :many
SELECT * FROM messages WHERE conversation_id = ? AND rev > ? ORDER BY rev LIMIT ?;
