-- name: ConversationOf :one
SELECT * FROM conversations WHERE user_lo = ? AND user_hi = ?;

-- name: ConversationWith :one
-- The person, and the viewer's conversation with them where there is one (conversation_id 0 where there is none).
SELECT sqlc.embed(u),
  CAST(COALESCE(c.id, 0) AS UNSIGNED) AS conversation_id,
  CAST(COALESCE(c.last_seq, 0) AS UNSIGNED) AS last_seq,
  CAST(COALESCE(c.last_rev, 0) AS UNSIGNED) AS last_rev,
  CAST(COALESCE(c.blocked, 0) AS UNSIGNED) AS blocked,
  CAST(COALESCE(m.last_read_seq, 0) AS UNSIGNED) AS last_read_seq,
  CAST((SELECT COUNT(*) FROM messages x FORCE INDEX (PRIMARY) WHERE x.conversation_id = c.id AND x.seq > m.last_read_seq
    AND x.sender_id <> m.user_id AND x.deleted_at IS NULL) AS UNSIGNED) AS unread
FROM users u
LEFT JOIN conversations c ON c.user_lo = LEAST(u.id, sqlc.arg(viewer)) AND c.user_hi = GREATEST(u.id, sqlc.arg(viewer))
LEFT JOIN members m ON m.user_id = sqlc.arg(viewer) AND m.conversation_id = c.id
WHERE u.username_key = sqlc.arg(username_key);

-- name: ConversationByID :one
-- No row unless the viewer is in it: the look-up is the permission.
SELECT sqlc.embed(u), sqlc.embed(c) FROM conversations c
JOIN users u ON u.id = CASE WHEN c.user_lo = sqlc.arg(viewer) THEN c.user_hi ELSE c.user_lo END
WHERE c.id = sqlc.arg(id) AND (c.user_lo = sqlc.arg(viewer) OR c.user_hi = sqlc.arg(viewer));

-- name: MarkRead :execrows
-- Changes a row only upwards: watermarks never fall.
UPDATE members SET last_read_seq = sqlc.arg(seq)
WHERE user_id = ? AND conversation_id = ? AND last_read_seq < sqlc.arg(seq);
