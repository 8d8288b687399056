-- The row is the conversation's counter: whoever holds its lock hands out the next seq and rev.
-- last_at is NULL until the first message.
CREATE TABLE conversations (
  id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  user_lo  BIGINT UNSIGNED NOT NULL,
  user_hi  BIGINT UNSIGNED NOT NULL,
  last_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  last_rev BIGINT UNSIGNED NOT NULL DEFAULT 0,
  last_at  DATETIME(6)     NULL,
  PRIMARY KEY (id),
  UNIQUE KEY conversations_pair (user_lo, user_hi)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
