-- name: CreateReport :execlastid
INSERT INTO reports (is_open, created_at, reporter_id, subject_id, conversation_id, seq, sent_at, reason, note, body)
VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: OpenReportOf :one
-- Somebody's open report of a message, without the text.
SELECT id, reason, note, created_at FROM reports WHERE reporter_id = ? AND conversation_id = ? AND seq = ? AND is_open = 1;

-- name: ReportByID :one
-- Without the text.
SELECT r.id, r.is_open, r.created_at, r.reporter_id, r.subject_id, r.conversation_id, r.seq, r.sent_at, r.reason, r.note,
  r.closed_at, r.closer_id, r.decision, r.decision_note, CAST(CHAR_LENGTH(r.body) AS UNSIGNED) AS characters,
  COALESCE(p.username, '') AS reporter, COALESCE(s.username, '') AS subject, COALESCE(c.username, '') AS closer
FROM reports r
LEFT JOIN users p ON p.id = r.reporter_id
LEFT JOIN users s ON s.id = r.subject_id
LEFT JOIN users c ON c.id = r.closer_id
WHERE r.id = ?;

-- name: ReportBody :one
SELECT body FROM reports WHERE id = ?;

-- name: LockReport :one
SELECT is_open, closer_id, decision, decision_note, subject_id, conversation_id, seq FROM reports WHERE id = ? FOR UPDATE;

-- name: CloseReport :exec
UPDATE reports SET is_open = NULL, closed_at = ?, closer_id = ?, decision = ?, decision_note = ? WHERE id = ?;

-- name: ListOpenReports :many
SELECT r.id, r.is_open, r.created_at, r.reporter_id, r.subject_id, r.conversation_id, r.seq, r.sent_at, r.reason, r.note,
  r.closed_at, r.closer_id, r.decision, r.decision_note, CAST(CHAR_LENGTH(r.body) AS UNSIGNED) AS characters,
  COALESCE(p.username, '') AS reporter, COALESCE(s.username, '') AS subject, COALESCE(c.username, '') AS closer
FROM reports r FORCE INDEX (reports_queue)
LEFT JOIN users p ON p.id = r.reporter_id
LEFT JOIN users s ON s.id = r.subject_id
LEFT JOIN users c ON c.id = r.closer_id
WHERE r.is_open = 1 AND r.id < sqlc.arg(before_id) ORDER BY r.id DESC LIMIT ?;

-- name: ListClosedReports :many
SELECT r.id, r.is_open, r.created_at, r.reporter_id, r.subject_id, r.conversation_id, r.seq, r.sent_at, r.reason, r.note,
  r.closed_at, r.closer_id, r.decision, r.decision_note, CAST(CHAR_LENGTH(r.body) AS UNSIGNED) AS characters,
  COALESCE(p.username, '') AS reporter, COALESCE(s.username, '') AS subject, COALESCE(c.username, '') AS closer
FROM reports r FORCE INDEX (reports_queue)
LEFT JOIN users p ON p.id = r.reporter_id
LEFT JOIN users s ON s.id = r.subject_id
LEFT JOIN users c ON c.id = r.closer_id
WHERE r.is_open IS NULL AND r.id < sqlc.arg(before_id) ORDER BY r.id DESC LIMIT ?;

-- name: ListReportsOf :many
SELECT r.id, r.is_open, r.created_at, r.reporter_id, r.subject_id, r.conversation_id, r.seq, r.sent_at, r.reason, r.note,
  r.closed_at, r.closer_id, r.decision, r.decision_note, CAST(CHAR_LENGTH(r.body) AS UNSIGNED) AS characters,
  COALESCE(p.username, '') AS reporter, COALESCE(s.username, '') AS subject, COALESCE(c.username, '') AS closer
FROM reports r FORCE INDEX (reports_own)
LEFT JOIN users p ON p.id = r.reporter_id
LEFT JOIN users s ON s.id = r.subject_id
LEFT JOIN users c ON c.id = r.closer_id
WHERE r.reporter_id = sqlc.arg(reporter_id) AND r.id < sqlc.arg(before_id) ORDER BY r.id DESC LIMIT ?;

-- name: CountOpenReports :one
-- Counts no further than up to a number.
SELECT COUNT(*) FROM (SELECT r.id FROM reports r WHERE r.is_open = 1 LIMIT ?) some;
