-- Who did what to whom, as admins read it. actor_id and subject_id are users; an event about a message names its ID too.
CREATE TABLE audit_events (
  id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  created_at      DATETIME(6)     NOT NULL,
  actor_id        BIGINT UNSIGNED NOT NULL,
  action          VARCHAR(64)     NOT NULL,
  subject_id      BIGINT UNSIGNED NULL,
  conversation_id BIGINT UNSIGNED NULL,
  seq             BIGINT UNSIGNED NULL,
  ip              VARCHAR(45)     NOT NULL,
  PRIMARY KEY (id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
