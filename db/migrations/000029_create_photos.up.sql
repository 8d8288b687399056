-- One photo a person, in two sizes, made anew by Parley: here rather than in files, so that every node has it. The hash is of the content and
-- its owner, and stands in the address: another photo has another address, and no two people's are the same.
CREATE TABLE photos (
  user_id      BIGINT UNSIGNED NOT NULL,
  hash         BINARY(32)      NOT NULL,
  content_type VARCHAR(16)     NOT NULL,
  small        MEDIUMBLOB      NOT NULL,
  large        MEDIUMBLOB      NOT NULL,
  PRIMARY KEY (user_id),
  UNIQUE KEY photos_hash (hash)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
