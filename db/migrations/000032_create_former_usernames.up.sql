-- The SHA-256 of the canonical usernames of deleted accounts: the names themselves are gone, and nobody gets them again.
CREATE TABLE former_usernames (
  name_hash BINARY(32)      NOT NULL,
  user_id   BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name_hash)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
