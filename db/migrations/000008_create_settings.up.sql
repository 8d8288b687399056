-- What admins set on their pages, a row a setting; what has no row has its default. The names are those of the form's fields.
CREATE TABLE settings (
  name  VARCHAR(64)  NOT NULL,
  value VARCHAR(255) NOT NULL,
  PRIMARY KEY (name)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
