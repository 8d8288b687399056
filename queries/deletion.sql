-- name: BuryUser :exec
-- Leaves of an account only what other people's conversations need.
UPDATE users SET username = ?, username_key = ?, display_name = ?, search_key = ?, email = NULL, email_key = NULL, password_hash = ?,
  is_admin = FALSE, disabled_at = sqlc.arg(at), deleted_at = sqlc.arg(at), last_seen_at = NULL, photo = NULL, email_confirmed_at = NULL
WHERE id = ?;

-- name: CreateFormerUsername :exec
INSERT INTO former_usernames (name_hash, user_id) VALUES (?, ?);

-- name: CreateFormerLook :exec
-- Several names of the same look may be gone.
INSERT INTO former_usernames (name_hash, user_id) VALUES (?, ?) ON DUPLICATE KEY UPDATE user_id = user_id;

-- name: TombstoneKey :one
SELECT u.username_key FROM former_usernames f JOIN users u ON u.id = f.user_id WHERE f.name_hash = ?;

-- name: CreateDeletion :exec
INSERT INTO deletions (user_id, erase, created_at) VALUES (?, ?, ?);

-- name: DeletionsToDo :many
SELECT * FROM deletions WHERE created_at <= sqlc.arg(settled) AND (held_until IS NULL OR held_until < sqlc.arg(now)) ORDER BY created_at LIMIT ?;

-- name: HoldDeletion :execrows
UPDATE deletions SET held_until = sqlc.arg(new_until) WHERE user_id = ? AND (held_until IS NULL OR held_until < sqlc.arg(now));

-- name: AdvanceDeletion :exec
UPDATE deletions SET conversation_id = ?, erased = ?, held_until = ? WHERE user_id = ?;

-- name: EndDeletion :execrows
DELETE FROM deletions WHERE user_id = ?;

-- name: DeletionConversations :many
SELECT c.* FROM members mb JOIN conversations c ON c.id = mb.conversation_id
WHERE mb.user_id = ? AND mb.conversation_id > sqlc.arg(after) ORDER BY mb.conversation_id LIMIT ?;

-- name: SeqsToErase :many
SELECT seq FROM messages FORCE INDEX (PRIMARY)
WHERE conversation_id = ? AND seq > sqlc.arg(after) AND sender_id = ? AND (deleted_at IS NULL OR body <> '') ORDER BY seq LIMIT ?;

-- name: AuditIDsByActor :many
SELECT id FROM audit_events FORCE INDEX (audit_actor) WHERE actor_id = ? AND id > sqlc.arg(after) ORDER BY id LIMIT ?;

-- name: AuditIDsOnSubject :many
SELECT id FROM audit_events FORCE INDEX (audit_subject) WHERE subject_id = ? AND id > sqlc.arg(after) ORDER BY id LIMIT ?;

-- name: BlankAuditByActor :exec
UPDATE audit_events SET ip = '' WHERE id IN (sqlc.slice(ids));

-- name: BlankAuditOnSubject :exec
-- Sign-ins that failed are nobody's doing, and mostly come from the person's own address.
UPDATE audit_events SET detail = '', ip = CASE WHEN actor_id = 0 THEN '' ELSE ip END WHERE id IN (sqlc.slice(ids));

-- name: DeleteLinksOf :exec
DELETE FROM links WHERE user_id = ?;

-- name: DeleteMailsOf :exec
DELETE FROM mails WHERE user_id = ?;

-- name: DeleteMailsTo :exec
-- Somebody who forgot their password gave the address, and nobody has looked yet whose it is.
DELETE FROM mails WHERE email = ?;

-- name: DeleteSignInsOf :exec
DELETE FROM sign_ins WHERE user_id = ?;

-- name: DeleteBrowsersOf :exec
DELETE FROM known_browsers WHERE user_id = ?;

-- name: DeleteTOTPsOf :exec
DELETE FROM totps WHERE user_id = ?;

-- name: BlankReportsOf :exec
-- What somebody wrote to the admins about others.
UPDATE reports SET note = '' WHERE reporter_id = ?;

-- name: BlankReportedBodies :exec
-- The copies of what somebody wrote.
UPDATE reports SET body = '' WHERE subject_id = ?;

-- name: DeleteSkeletonOf :exec
DELETE FROM skeletons WHERE user_id = ?;

-- name: DeleteInvitationUsesOf :exec
DELETE FROM invitation_uses WHERE user_id = ?;

-- name: CloseInvitationsOf :exec
-- The links work no more, and what was noted about whom they were for is gone.
UPDATE invitations SET note = '', revoked_at = COALESCE(revoked_at, sqlc.arg(now)) WHERE creator_id = ?;
