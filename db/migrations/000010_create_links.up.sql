-- Links that do something for whoever has them: at most one of a kind for each user, so that a newer one ends an older. Only the
-- SHA-256 of the token in the link is stored. state_hash is that of what the link rests on, such as the password so far: a link ends
-- when that changes. email is where it was sent to, and mail_id the mail that it was in; empty and 0 where an admin passed it on.
CREATE TABLE links (
  user_id    BIGINT UNSIGNED NOT NULL,
  kind       VARCHAR(32)     NOT NULL,
  token_hash BINARY(32)      NOT NULL,
  state_hash BINARY(32)      NOT NULL,
  email      VARCHAR(254)    NOT NULL,
  mail_id    BIGINT UNSIGNED NOT NULL,
  created_at DATETIME(6)     NOT NULL,
  expires_at DATETIME(6)     NOT NULL,
  PRIMARY KEY (user_id, kind),
  UNIQUE KEY links_token (token_hash),
  KEY links_expiry (expires_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
