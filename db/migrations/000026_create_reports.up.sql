-- What people have reported to the admins, with the text as it was then. is_open is 1 until the report is closed and NULL from then
-- on: the unique key holds for open ones alone.
CREATE TABLE reports (
  id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  is_open         BOOLEAN         NULL,
  created_at      DATETIME(6)     NOT NULL,
  reporter_id     BIGINT UNSIGNED NOT NULL,
  subject_id      BIGINT UNSIGNED NOT NULL,
  conversation_id BIGINT UNSIGNED NOT NULL,
  seq             BIGINT UNSIGNED NOT NULL,
  sent_at         DATETIME(6)     NOT NULL,
  reason          VARCHAR(32)     NOT NULL,
  note            VARCHAR(1000)   NOT NULL,
  body            MEDIUMTEXT      NOT NULL,
  closed_at       DATETIME(6)     NULL,
  closer_id       BIGINT UNSIGNED NULL,
  decision        VARCHAR(32)     NOT NULL DEFAULT '',
  decision_note   VARCHAR(1000)   NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  UNIQUE KEY reports_open (reporter_id, conversation_id, seq, is_open),
  KEY reports_queue (is_open, id),
  KEY reports_own (reporter_id, id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
