-- No foreign keys: each would take a lock on a parent row in every send, and no row here is ever orphaned by Parley.
CREATE TABLE messages (
  conversation_id BIGINT UNSIGNED NOT NULL,
  seq             BIGINT UNSIGNED NOT NULL,
  sender_id       BIGINT UNSIGNED NOT NULL,
  client_key      BINARY(16)      NOT NULL,
  rev             BIGINT UNSIGNED NOT NULL,
  body            MEDIUMTEXT      NOT NULL,
  created_at      DATETIME(6)     NOT NULL,
  edited_at       DATETIME(6)     NULL,
  deleted_at      DATETIME(6)     NULL,
  PRIMARY KEY (conversation_id, seq),
  UNIQUE KEY messages_client (conversation_id, sender_id, client_key),
  KEY messages_rev (conversation_id, rev),
  KEY messages_created (created_at, conversation_id, seq)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
