-- Mail that is to go out: what it is about and to whom, never its text, nor the link in it, which is made when it is sent. So a copy
-- of this table signs nobody in. due_at is NULL where nobody tries any more until an admin says so; a node that sends a mail has it
-- until leased_until. user_id is 0 where somebody asked for a new password under an address that wasn't looked up yet.
CREATE TABLE mails (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  kind         VARCHAR(32)     NOT NULL,
  user_id      BIGINT UNSIGNED NOT NULL,
  email        VARCHAR(254)    NOT NULL,
  ip           VARCHAR(45)     NOT NULL,
  created_at   DATETIME(6)     NOT NULL,
  due_at       DATETIME(6)     NULL,
  leased_until DATETIME(6)     NULL,
  attempts     INT UNSIGNED    NOT NULL DEFAULT 0,
  error        VARCHAR(255)    NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  KEY mails_due (due_at, id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
