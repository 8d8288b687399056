-- One row for each person in a conversation (one row in all for notes to oneself), with that person's watermarks.
-- last_delivered_seq is for delivery receipts and not kept yet.
CREATE TABLE members (
  user_id            BIGINT UNSIGNED NOT NULL,
  conversation_id    BIGINT UNSIGNED NOT NULL,
  last_read_seq      BIGINT UNSIGNED NOT NULL DEFAULT 0,
  last_delivered_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (user_id, conversation_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
