-- The secrets of authenticator apps (RFC 6238). Beside the confirmed one, which is in force, there may be one that its app has not
-- yet shown to have. last_step is the last time step that a code was taken for; failures counts wrong codes since then.
CREATE TABLE totps (
  user_id    BIGINT UNSIGNED NOT NULL,
  confirmed  BOOLEAN         NOT NULL,
  secret     VARBINARY(64)   NOT NULL,
  created_at DATETIME(6)     NOT NULL,
  used_at    DATETIME(6)     NULL,
  last_step  BIGINT UNSIGNED NOT NULL DEFAULT 0,
  failures   INT UNSIGNED    NOT NULL DEFAULT 0,
  failed_at  DATETIME(6)     NULL,
  PRIMARY KEY (user_id, confirmed)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
