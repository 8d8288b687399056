-- name: CreateInvitation :execlastid
INSERT INTO invitations (token_hash, creator_id, note, uses_allowed, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: InvitationByToken :one
SELECT sqlc.embed(i), u.username, u.display_name, u.is_admin, u.disabled_at
FROM invitations i JOIN users u ON u.id = i.creator_id WHERE i.token_hash = ?;

-- name: UseInvitation :execrows
-- Of several at the same time only as many change the row as there are uses left.
UPDATE invitations SET uses = uses + 1 WHERE id = ? AND uses < uses_allowed AND revoked_at IS NULL AND expires_at > sqlc.arg(now);

-- name: CreateInvitationUse :exec
INSERT INTO invitation_uses (invitation_id, user_id, used_at) VALUES (?, ?, ?);

-- name: CountOpenInvitations :one
SELECT COUNT(*) FROM invitations WHERE creator_id = ? AND uses < uses_allowed AND revoked_at IS NULL AND expires_at > sqlc.arg(now);

-- name: ListInvitations :many
SELECT sqlc.embed(i), u.username, u.display_name FROM invitations i JOIN users u ON u.id = i.creator_id
WHERE i.creator_id = ? AND i.id < sqlc.arg(before_id) ORDER BY i.id DESC LIMIT ?;

-- name: ListAllInvitations :many
SELECT sqlc.embed(i), u.username, u.display_name FROM invitations i JOIN users u ON u.id = i.creator_id
WHERE i.id < sqlc.arg(before_id) ORDER BY i.id DESC LIMIT ?;

-- name: ListInvitationUses :many
SELECT x.invitation_id, u.username, u.display_name, x.used_at FROM invitation_uses x JOIN users u ON u.id = x.user_id
WHERE x.invitation_id IN (sqlc.slice(invitation_ids)) ORDER BY x.invitation_id, x.used_at, x.user_id;

-- name: LockInvitation :one
SELECT * FROM invitations WHERE id = ? FOR UPDATE;

-- name: RevokeInvitation :exec
UPDATE invitations SET revoked_at = ? WHERE id = ?;
