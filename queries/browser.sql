-- name: PutBrowser :exec
INSERT INTO known_browsers (user_id, hash, seen_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at);

-- name: BrowserSeen :one
SELECT b.seen_at FROM known_browsers b JOIN users u ON u.id = b.user_id WHERE u.username_key = ? AND b.hash = ?;

-- name: ListBrowsers :many
SELECT hash, seen_at FROM known_browsers WHERE user_id = ? ORDER BY seen_at DESC;

-- name: DeleteBrowser :exec
DELETE FROM known_browsers WHERE user_id = ? AND hash = ?;

-- name: DeleteUserBrowsers :exec
DELETE FROM known_browsers WHERE user_id = ?;

-- name: DeleteOldBrowsers :execrows
DELETE FROM known_browsers WHERE seen_at <= ? LIMIT 1000;
