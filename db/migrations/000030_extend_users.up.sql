-- photo is the hash of the person's row in photos, so that lists need not look there. deleted_at marks what is left of a deleted account.
ALTER TABLE users
  ADD COLUMN photo      BINARY(32)  NULL,
  ADD COLUMN deleted_at DATETIME(6) NULL
