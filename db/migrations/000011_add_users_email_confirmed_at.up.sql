-- When it was known that the e-mail address is the person's own: they followed a link that was sent there, or an admin typed it in.
ALTER TABLE users ADD COLUMN email_confirmed_at DATETIME(6) NULL
