-- Access tokens of people's programs. Only a token's SHA-256 is stored, so a copy of this table opens nothing. Without expires_at a
-- token holds until it is revoked, which deletes its row.
CREATE TABLE tokens (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  hash       BINARY(32)      NOT NULL,
  user_id    BIGINT UNSIGNED NOT NULL,
  name       VARCHAR(64)     NOT NULL,
  scope      VARCHAR(16)     NOT NULL,
  created_at DATETIME(6)     NOT NULL,
  expires_at DATETIME(6)     NULL,
  used_at    DATETIME(6)     NULL,
  used_ip    VARCHAR(45)     NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  UNIQUE KEY tokens_hash (hash),
  UNIQUE KEY tokens_name (user_id, name)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
