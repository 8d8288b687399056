-- name: PhotoByHash :one
SELECT * FROM photos WHERE hash = ?;

-- name: PutPhoto :exec
INSERT INTO photos (user_id, hash, content_type, small, large) VALUES (?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE hash = VALUES(hash), content_type = VALUES(content_type), small = VALUES(small), large = VALUES(large);

-- name: DeletePhoto :exec
DELETE FROM photos WHERE user_id = ?;

-- name: SetUserPhoto :exec
UPDATE users SET photo = ? WHERE id = ?;
