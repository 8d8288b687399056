-- name: ListSettings :many
SELECT * FROM settings;

-- name: PutSetting :exec
INSERT INTO settings (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = VALUES(value);
