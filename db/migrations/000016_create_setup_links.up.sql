-- The link that makes the first admin. There is one at most, under ID 1; only the SHA-256 of its token is stored.
CREATE TABLE setup_links (
  id         TINYINT UNSIGNED NOT NULL,
  token_hash BINARY(32)       NOT NULL,
  created_at DATETIME(6)      NOT NULL,
  PRIMARY KEY (id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
