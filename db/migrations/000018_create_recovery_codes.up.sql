-- The SHA-256 of recovery codes that haven't been used.
CREATE TABLE recovery_codes (
  user_id    BIGINT UNSIGNED NOT NULL,
  code_hash  BINARY(32)      NOT NULL,
  created_at DATETIME(6)     NOT NULL,
  PRIMARY KEY (user_id, code_hash)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
