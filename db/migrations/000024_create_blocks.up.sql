-- Who has blocked whom. The conversation's row repeats it (blocked), since that is what a send reads and locks anyway.
CREATE TABLE blocks (
  user_id    BIGINT UNSIGNED NOT NULL,
  blocked_id BIGINT UNSIGNED NOT NULL,
  created_at DATETIME(6)     NOT NULL,
  PRIMARY KEY (user_id, blocked_id),
  KEY blocks_newest (user_id, created_at, blocked_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
