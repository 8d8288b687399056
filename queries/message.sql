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
