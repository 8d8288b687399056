-- Public keys of passkeys (WebAuthn). credential_id has up to 1023 octets, so its SHA-256 is what is looked up. handle is what
-- the passkey calls its owner: random, and the same for all of one person's.
CREATE TABLE passkeys (
  id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  user_id         BIGINT UNSIGNED NOT NULL,
  credential_hash BINARY(32)      NOT NULL,
  credential_id   VARBINARY(1023) NOT NULL,
  public_key      VARBINARY(4096) NOT NULL,
  handle          VARBINARY(64)   NOT NULL,
  name            VARCHAR(64)     NOT NULL,
  transports      VARCHAR(255)    NOT NULL,
  sign_count      BIGINT UNSIGNED NOT NULL,
  backup_eligible BOOLEAN         NOT NULL,
  created_at      DATETIME(6)     NOT NULL,
  used_at         DATETIME(6)     NULL,
  PRIMARY KEY (id),
  UNIQUE KEY passkeys_credential (credential_hash),
  KEY passkeys_user (user_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
