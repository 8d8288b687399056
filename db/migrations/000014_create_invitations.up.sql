-- Links by which people may make themselves an account. Only the SHA-256 of the token is stored.
CREATE TABLE invitations (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  token_hash   BINARY(32)      NOT NULL,
  creator_id   BIGINT UNSIGNED NOT NULL,
  note         VARCHAR(100)    NOT NULL,
  uses         INT UNSIGNED    NOT NULL DEFAULT 0,
  uses_allowed INT UNSIGNED    NOT NULL,
  created_at   DATETIME(6)     NOT NULL,
  expires_at   DATETIME(6)     NOT NULL,
  revoked_at   DATETIME(6)     NULL,
  PRIMARY KEY (id),
  UNIQUE KEY invitations_token (token_hash),
  KEY invitations_creator (creator_id, id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
