ALTER TABLE users
  DROP COLUMN photo,
  DROP COLUMN deleted_at
