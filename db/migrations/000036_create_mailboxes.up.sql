-- How much mail that anybody can ask for has gone to an address of late. What is over is swept.
CREATE TABLE mailboxes (
  address_hash BINARY(32)  NOT NULL, -- SHA-256 of the kind of mail and the address's canonical form
  free_at      DATETIME(6) NOT NULL, -- from when on nothing counts any more
  PRIMARY KEY (address_hash),
  KEY mailboxes_free (free_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
