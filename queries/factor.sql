-- name: CountFactors :one
SELECT
  (SELECT COUNT(*) FROM totps t WHERE t.user_id = sqlc.arg(user_id) AND t.confirmed = TRUE) AS totps,
  (SELECT COUNT(*) FROM passkeys p WHERE p.user_id = sqlc.arg(user_id)) AS passkeys,
  (SELECT COUNT(*) FROM recovery_codes r WHERE r.user_id = sqlc.arg(user_id)) AS recovery_codes;
