-- Browsers in which somebody has signed in before. They still let their owner in while strangers' guesses at the account are
-- throttled. Only the SHA-256 of what the browser's cookie holds is stored.
CREATE TABLE known_browsers (
  user_id    BIGINT UNSIGNED NOT NULL,
  hash       BINARY(32)      NOT NULL,
  seen_at    DATETIME(6)     NOT NULL,
  PRIMARY KEY (user_id, hash)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
