-- name: AdminMessage :one
-- What an admin sees of a message without opening it.
SELECT m.conversation_id, m.seq, m.created_at, m.edited_at, m.deleted_at, CAST(CHAR_LENGTH(m.body) AS UNSIGNED) AS characters,
  s.username AS sender, s.display_name AS sender_name, r.username AS recipient, r.display_name AS recipient_name
FROM messages m
JOIN conversations c ON c.id = m.conversation_id
JOIN users s ON s.id = m.sender_id
JOIN users r ON r.id = CASE WHEN m.sender_id = c.user_lo THEN c.user_hi ELSE c.user_lo END
WHERE m.conversation_id = ? AND m.seq = ?;

-- name: AdminMessages :many
-- Newest first, from the position (before_at, before_conversation, before_seq) back to since. The inner query walks the
-- index messages_created and stops at the limit; person 0 is everybody and the pattern '%' every text. LOWER and not a
-- collation that ignores case: those call two emoji equal, and 'a' and 'á'.
SELECT m.conversation_id, m.seq, m.created_at, m.edited_at, m.deleted_at, CAST(CHAR_LENGTH(m.body) AS UNSIGNED) AS characters,
  s.username AS sender, s.display_name AS sender_name, r.username AS recipient, r.display_name AS recipient_name
FROM (
  SELECT x.conversation_id, x.seq FROM messages x
  WHERE x.created_at >= sqlc.arg(since) AND x.created_at <= sqlc.arg(before_at)
    AND (x.created_at < sqlc.arg(before_at) OR x.conversation_id < sqlc.arg(before_conversation)
      OR (x.conversation_id = sqlc.arg(before_conversation) AND x.seq < sqlc.arg(before_seq)))
    AND (sqlc.arg(person) = 0 OR EXISTS (SELECT 1 FROM members mb WHERE mb.user_id = sqlc.arg(person) AND mb.conversation_id = x.conversation_id))
    AND LOWER(x.body) LIKE LOWER(sqlc.arg(pattern))
  ORDER BY x.created_at DESC, x.conversation_id DESC, x.seq DESC LIMIT ?
) page
JOIN messages m ON m.conversation_id = page.conversation_id AND m.seq = page.seq
JOIN conversations c ON c.id = m.conversation_id
JOIN users s ON s.id = m.sender_id
JOIN users r ON r.id = CASE WHEN m.sender_id = c.user_lo THEN c.user_hi ELSE c.user_lo END
ORDER BY m.created_at DESC, m.conversation_id DESC, m.seq DESC;

-- name: AdminMessagesOfPerson :many
-- The same for one person by way of their conversations: it reads all that they and the others wrote there.
SELECT m.conversation_id, m.seq, m.created_at, m.edited_at, m.deleted_at, CAST(CHAR_LENGTH(m.body) AS UNSIGNED) AS characters,
  s.username AS sender, s.display_name AS sender_name, r.username AS recipient, r.display_name AS recipient_name
FROM (
  SELECT x.conversation_id, x.seq FROM members mb STRAIGHT_JOIN messages x ON x.conversation_id = mb.conversation_id
  WHERE mb.user_id = sqlc.arg(person)
    AND x.created_at >= sqlc.arg(since) AND x.created_at <= sqlc.arg(before_at)
    AND (x.created_at < sqlc.arg(before_at) OR x.conversation_id < sqlc.arg(before_conversation)
      OR (x.conversation_id = sqlc.arg(before_conversation) AND x.seq < sqlc.arg(before_seq)))
    AND LOWER(x.body) LIKE LOWER(sqlc.arg(pattern))
  ORDER BY x.created_at DESC, x.conversation_id DESC, x.seq DESC LIMIT ?
) page
JOIN messages m ON m.conversation_id = page.conversation_id AND m.seq = page.seq
JOIN conversations c ON c.id = m.conversation_id
JOIN users s ON s.id = m.sender_id
JOIN users r ON r.id = CASE WHEN m.sender_id = c.user_lo THEN c.user_hi ELSE c.user_lo END
ORDER BY m.created_at DESC, m.conversation_id DESC, m.seq DESC;

-- name: MessageTimeBack :one
-- The time of the message that lies so many messages behind a position; read from the index messages_created alone.
SELECT x.created_at FROM messages x
WHERE x.created_at >= sqlc.arg(since) AND x.created_at <= sqlc.arg(before_at)
  AND (x.created_at < sqlc.arg(before_at) OR x.conversation_id < sqlc.arg(before_conversation)
    OR (x.conversation_id = sqlc.arg(before_conversation) AND x.seq < sqlc.arg(before_seq)))
ORDER BY x.created_at DESC, x.conversation_id DESC, x.seq DESC LIMIT 1 OFFSET ?;

-- name: PersonReach :one
-- How many messages a person's conversations hold, and the time of the newest.
SELECT CAST(COALESCE(SUM(c.last_seq), 0) AS UNSIGNED) AS messages, CAST(COALESCE(MAX(c.last_at), '1970-01-01') AS DATETIME(6)) AS last_at
FROM members mb JOIN conversations c ON c.id = mb.conversation_id WHERE mb.user_id = ?;
