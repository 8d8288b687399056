-- A deleted account takes its mail with it, and mail that was stuck for a month is deleted: neither reads the whole queue, which is
-- long where the mail server is away.
ALTER TABLE mails ADD KEY mails_user (user_id), ADD KEY mails_email (email), ADD KEY mails_created (created_at)
