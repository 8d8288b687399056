-- name: ProfileByKey :one
SELECT sqlc.embed(u), COALESCE(p.about, '') AS about, COALESCE(p.time_zone, '') AS time_zone
FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.username_key = ?;

-- name: ProfileByID :one
SELECT sqlc.embed(u), COALESCE(p.about, '') AS about, COALESCE(p.time_zone, '') AS time_zone
FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.id = ?;

-- name: PutProfile :exec
INSERT INTO profiles (user_id, about, time_zone) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE about = VALUES(about), time_zone = VALUES(time_zone);

-- name: DeleteProfile :exec
DELETE FROM profiles WHERE user_id = ?;

-- name: ViewersByID :many
-- What pages need of whoever looks at them, beyond the session.
SELECT u.id, u.photo, COALESCE(p.time_zone, '') AS time_zone
FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.id IN (sqlc.slice(ids));
