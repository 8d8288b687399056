-- username_key and email_key hold canonical forms (NFKC, case-folded) as bytes: a collation would call
-- 'a', 'á', 'a ' and even two emoji equal. search_key is the same form of username and display name together.
CREATE TABLE users (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  username      VARCHAR(64)     NOT NULL,
  username_key  VARBINARY(256)  NOT NULL,
  display_name  VARCHAR(64)     NOT NULL,
  search_key    VARBINARY(1024) NOT NULL,
  email         VARCHAR(254)    NULL,
  email_key     VARBINARY(1024) NULL,
  password_hash VARCHAR(255)    NOT NULL,
  is_admin      BOOLEAN         NOT NULL DEFAULT FALSE,
  created_at    DATETIME(6)     NOT NULL,
  disabled_at   DATETIME(6)     NULL,
  last_seen_at  DATETIME(6)     NULL,
  PRIMARY KEY (id),
  UNIQUE KEY users_username (username_key),
  UNIQUE KEY users_email (email_key),
  KEY users_search (username_key, search_key, disabled_at),
  KEY users_admin (is_admin, disabled_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
