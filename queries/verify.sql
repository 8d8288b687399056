-- name: VerifyTotals :one
-- What there is to do, for progress.
SELECT
  (SELECT COUNT(*) FROM users) AS users,
  (SELECT COUNT(*) FROM members) AS members,
  (SELECT COUNT(*) FROM sessions) AS sessions,
  (SELECT COUNT(*) FROM audit_events) AS audit_events,
  (SELECT COUNT(*) FROM conversations) AS conversations,
  CAST((SELECT COALESCE(MAX(id), 0) FROM conversations) AS UNSIGNED) AS last_conversation,
  CAST((SELECT COALESCE(SUM(last_seq), 0) FROM conversations) AS UNSIGNED) AS messages;

-- name: VerifyUsers :many
SELECT id, username, username_key, display_name, search_key, email, email_key FROM users
WHERE id > sqlc.arg(after) ORDER BY id LIMIT ?;

-- name: VerifyConversations :many
-- Conversations from an ID on, each with its two people and their rows in members; what is NULL isn't there. Watermarks
-- are cut at what the type holds.
SELECT sqlc.embed(c), lo.id AS lo_id, hi.id AS hi_id, mlo.user_id AS lo_member, mhi.user_id AS hi_member,
  CAST(LEAST(COALESCE(mlo.last_read_seq, 0), 9223372036854775807) AS UNSIGNED) AS lo_read,
  CAST(LEAST(COALESCE(mhi.last_read_seq, 0), 9223372036854775807) AS UNSIGNED) AS hi_read,
  CAST(LEAST(COALESCE(mlo.last_delivered_seq, 0), 9223372036854775807) AS UNSIGNED) AS lo_delivered,
  CAST(LEAST(COALESCE(mhi.last_delivered_seq, 0), 9223372036854775807) AS UNSIGNED) AS hi_delivered,
  blo.user_id AS lo_blocks, bhi.user_id AS hi_blocks
FROM conversations c
LEFT JOIN users lo ON lo.id = c.user_lo
LEFT JOIN users hi ON hi.id = c.user_hi
LEFT JOIN members mlo ON mlo.user_id = c.user_lo AND mlo.conversation_id = c.id
LEFT JOIN members mhi ON mhi.user_id = c.user_hi AND mhi.conversation_id = c.id
LEFT JOIN blocks blo ON blo.user_id = c.user_lo AND blo.blocked_id = c.user_hi
LEFT JOIN blocks bhi ON bhi.user_id = c.user_hi AND bhi.blocked_id = c.user_lo
WHERE c.id >= sqlc.arg(from_id) AND c.id <= sqlc.arg(to_id) ORDER BY c.id LIMIT ?;

-- name: VerifyMembers :many
-- Who is in which conversation, after a place in the primary key: whether it is theirs, and whether it is there, or at
-- least its messages are.
SELECT m.user_id, m.conversation_id,
  CAST(COALESCE(c.user_lo = m.user_id OR c.user_hi = m.user_id, 0) AS UNSIGNED) AS belongs, c.id AS conversation,
  CAST(CASE WHEN c.id IS NULL THEN EXISTS (SELECT 1 FROM messages x WHERE x.conversation_id = m.conversation_id) ELSE 0 END AS UNSIGNED) AS orphans
FROM members m LEFT JOIN conversations c ON c.id = m.conversation_id
WHERE m.user_id > sqlc.arg(after_user) OR (m.user_id = sqlc.arg(after_user) AND m.conversation_id > sqlc.arg(after_conversation))
ORDER BY m.user_id, m.conversation_id LIMIT ?;

-- name: VerifySessions :many
-- Sessions of nobody.
SELECT s.user_id, COUNT(*) AS sessions FROM sessions s LEFT JOIN users u ON u.id = s.user_id
WHERE u.id IS NULL AND s.user_id > sqlc.arg(after) GROUP BY s.user_id ORDER BY s.user_id LIMIT ?;

-- name: VerifyAuditEvents :many
-- What audit events refer to; an ID that is NULL where the event has one is of nothing that is there.
SELECT sqlc.embed(e), a.id AS actor, s.id AS subject, m.seq AS message FROM audit_events e
LEFT JOIN users a ON a.id = e.actor_id
LEFT JOIN users s ON s.id = e.subject_id
LEFT JOIN messages m ON m.conversation_id = e.conversation_id AND m.seq = e.seq
WHERE e.id > sqlc.arg(after) ORDER BY e.id LIMIT ?;

-- name: VerifyClientKeys :many
-- Client IDs that more than one message of a sender's has.
SELECT sender_id, CAST(MIN(seq) AS UNSIGNED) AS first_seq, CAST(MAX(seq) AS UNSIGNED) AS last_seq, COUNT(*) AS messages FROM messages
WHERE conversation_id = ? GROUP BY sender_id, client_key HAVING COUNT(*) > 1 ORDER BY 2 LIMIT ?;

-- name: VerifyRevs :many
-- Revs that more than one message has.
SELECT rev, CAST(MAX(seq) AS UNSIGNED) AS last_seq, COUNT(*) AS messages FROM messages
WHERE conversation_id = ? GROUP BY rev HAVING COUNT(*) > 1 ORDER BY 2 LIMIT ?;

-- name: VerifyUsernameKeys :many
-- Accounts that share a username with another, which the unique key lets nobody do while it stands.
SELECT CAST(MAX(id) AS UNSIGNED) AS id, COUNT(*) AS accounts FROM users GROUP BY username_key HAVING COUNT(*) > 1 ORDER BY 1 LIMIT ?;

-- name: VerifyEmailKeys :many
SELECT CAST(MAX(id) AS UNSIGNED) AS id, COUNT(*) AS accounts FROM users WHERE email_key IS NOT NULL
GROUP BY email_key HAVING COUNT(*) > 1 ORDER BY 1 LIMIT ?;

-- name: VerifyPairs :many
SELECT CAST(MIN(id) AS UNSIGNED) AS first_id, CAST(MAX(id) AS UNSIGNED) AS last_id, COUNT(*) AS conversations FROM conversations
GROUP BY user_lo, user_hi HAVING COUNT(*) > 1 ORDER BY 1 LIMIT ?;

-- name: VerifyKeysTaken :one
-- How many other accounts have one of these keys.
SELECT COUNT(*) FROM users WHERE (username_key = ? OR email_key = ?) AND id <> ?;

-- name: VerifyMemberTwice :many
SELECT user_id, conversation_id FROM members GROUP BY user_id, conversation_id HAVING COUNT(*) > 1 ORDER BY 1, 2 LIMIT ?;

-- name: VerifyLockConversation :one
SELECT * FROM conversations WHERE id = ? FOR UPDATE;

-- name: VerifyLockUser :one
SELECT * FROM users WHERE id = ? FOR UPDATE;

-- name: RepairUserKeys :exec
UPDATE users SET username_key = ?, search_key = ?, email_key = ? WHERE id = ?;

-- name: RepairConversation :exec
-- Not what sends use: where keys are missing, that could make a second row.
UPDATE conversations SET last_seq = ?, last_rev = ?, last_at = ?, blocked = ? WHERE id = ?;

-- name: RepairWatermarks :exec
-- Brings watermarks that are beyond the last message back to it.
UPDATE members SET last_read_seq = CASE WHEN last_read_seq > sqlc.arg(last_seq) THEN sqlc.arg(last_seq) ELSE last_read_seq END,
  last_delivered_seq = CASE WHEN last_delivered_seq > sqlc.arg(last_seq) THEN sqlc.arg(last_seq) ELSE last_delivered_seq END
WHERE user_id = ? AND conversation_id = ?;

-- name: RepairMember :execrows
-- Removes a person from a conversation that isn't theirs, or that isn't there and has left no messages either.
DELETE FROM members WHERE members.user_id = ? AND members.conversation_id = ?
  AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = members.conversation_id AND (c.user_lo = members.user_id OR c.user_hi = members.user_id))
  AND (EXISTS (SELECT 1 FROM conversations d WHERE d.id = members.conversation_id)
    OR NOT EXISTS (SELECT 1 FROM messages x WHERE x.conversation_id = members.conversation_id));

-- name: RepairSessions :execrows
DELETE FROM sessions WHERE sessions.user_id = ? AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = sessions.user_id);

-- name: RepairableRevs :many
-- Messages whose rev is lower than any that they can have had, or is that of an older message too.
SELECT m.seq FROM messages m WHERE m.conversation_id = ? AND (m.rev < m.seq
  OR EXISTS (SELECT 1 FROM messages e WHERE e.conversation_id = m.conversation_id AND e.rev = m.rev AND e.seq < m.seq))
ORDER BY m.seq LIMIT ?;

-- name: RepairRev :exec
UPDATE messages SET rev = ? WHERE conversation_id = ? AND seq = ?;

-- name: VerifySkeletons :many
SELECT u.id, u.username, s.skeleton_key FROM users u JOIN skeletons s ON s.user_id = u.id
WHERE u.deleted_at IS NULL AND u.id > sqlc.arg(after) ORDER BY u.id LIMIT ?;

-- name: SkeletonOwner :one
SELECT user_id FROM skeletons WHERE skeleton_key = ?;

-- name: RepairSkeleton :execrows
UPDATE skeletons SET skeleton_key = sqlc.arg(new_key) WHERE user_id = ? AND skeleton_key = sqlc.arg(old_key);

-- name: VerifyBuried :many
-- Deleted accounts whose own row still says something of somebody, or still lets them in.
SELECT id FROM users WHERE deleted_at IS NOT NULL AND id > sqlc.arg(after)
  AND (email IS NOT NULL OR email_key IS NOT NULL OR email_confirmed_at IS NOT NULL OR photo IS NOT NULL OR last_seen_at IS NOT NULL OR is_admin OR disabled_at IS NULL)
ORDER BY id LIMIT ?;

-- name: RepairBuried :execrows
UPDATE users SET email = NULL, email_key = NULL, email_confirmed_at = NULL, photo = NULL, last_seen_at = NULL, is_admin = FALSE,
  disabled_at = COALESCE(disabled_at, deleted_at)
WHERE id = ? AND deleted_at IS NOT NULL;

-- name: VerifyPhotos :many
-- Accounts whose row names another photo than there is.
SELECT u.id FROM users u LEFT JOIN photos p ON p.user_id = u.id
WHERE u.deleted_at IS NULL AND u.id > sqlc.arg(after) AND NOT (u.photo <=> p.hash) ORDER BY u.id LIMIT ?;

-- name: RepairPhoto :execrows
UPDATE users SET photo = (SELECT p.hash FROM photos p WHERE p.user_id = users.id) WHERE users.id = ? AND users.deleted_at IS NULL;

-- name: VerifyReports :many
-- What reports refer to; what is NULL isn't there.
SELECT r.id, r.reporter_id, r.subject_id, r.conversation_id, r.seq, p.id AS reporter, s.id AS subject, m.seq AS message FROM reports r
LEFT JOIN users p ON p.id = r.reporter_id
LEFT JOIN users s ON s.id = r.subject_id
LEFT JOIN messages m ON m.conversation_id = r.conversation_id AND m.seq = r.seq
WHERE r.id > sqlc.arg(after) ORDER BY r.id LIMIT ?;
