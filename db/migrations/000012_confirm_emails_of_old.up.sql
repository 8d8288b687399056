-- Until now only admins could type addresses in.
UPDATE users SET email_confirmed_at = created_at WHERE email IS NOT NULL AND email_confirmed_at IS NULL
