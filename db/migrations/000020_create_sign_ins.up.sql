-- Sign-ins that wait for a second factor, by the SHA-256 of the token in the browser's cookie. user_id is 0 where a passkey
-- alone will say who it is. password_key is the SHA-256 of the password's hash: another password ends the sign-in.
CREATE TABLE sign_ins (
  id_hash      BINARY(32)      NOT NULL,
  user_id      BIGINT UNSIGNED NOT NULL,
  password_key BINARY(32)      NOT NULL,
  tries        INT UNSIGNED    NOT NULL DEFAULT 0,
  expires_at   DATETIME(6)     NOT NULL,
  PRIMARY KEY (id_hash),
  KEY sign_ins_expiry (expires_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
