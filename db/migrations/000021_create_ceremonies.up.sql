-- What a passkey was asked, until it answers: one question for each session that adds a passkey, and for each sign-in.
-- owner is the id_hash of the one or the other.
CREATE TABLE ceremonies (
  owner      BINARY(32)      NOT NULL,
  state      VARBINARY(8192) NOT NULL,
  expires_at DATETIME(6)     NOT NULL,
  PRIMARY KEY (owner),
  KEY ceremonies_expiry (expires_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
