-- Who came by which invitation.
CREATE TABLE invitation_uses (
  invitation_id BIGINT UNSIGNED NOT NULL,
  user_id       BIGINT UNSIGNED NOT NULL,
  used_at       DATETIME(6)     NOT NULL,
  PRIMARY KEY (invitation_id, user_id),
  KEY invitation_uses_user (user_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
