-- Only the SHA-256 of the cookie's token is stored, so a copy of this table signs nobody in.
CREATE TABLE sessions (
  id_hash    BINARY(32)      NOT NULL,
  user_id    BIGINT UNSIGNED NOT NULL,
  created_at DATETIME(6)     NOT NULL,
  seen_at    DATETIME(6)     NOT NULL,
  expires_at DATETIME(6)     NOT NULL,
  user_agent VARCHAR(255)    NOT NULL,
  ip         VARCHAR(45)     NOT NULL,
  PRIMARY KEY (id_hash),
  KEY sessions_user (user_id),
  KEY sessions_expiry (expires_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
