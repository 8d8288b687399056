-- What is left to do for accounts that were deleted: conversations up to conversation_id are done, with so many messages erased. A node
-- that works on it holds it until a time, so that another goes on where one died.
CREATE TABLE deletions (
  user_id         BIGINT UNSIGNED NOT NULL,
  erase           BOOLEAN         NOT NULL,
  created_at      DATETIME(6)     NOT NULL,
  conversation_id BIGINT UNSIGNED NOT NULL DEFAULT 0,
  erased          BIGINT UNSIGNED NOT NULL DEFAULT 0,
  held_until      DATETIME(6)     NULL,
  PRIMARY KEY (user_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
