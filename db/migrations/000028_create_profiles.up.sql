-- What somebody says of themself beyond their names: no row where they say nothing. It is apart from users, whose rows the lists read.
CREATE TABLE profiles (
  user_id   BIGINT UNSIGNED NOT NULL,
  about     VARCHAR(160)    NOT NULL DEFAULT '',
  time_zone VARCHAR(64)     NOT NULL DEFAULT '',
  PRIMARY KEY (user_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
