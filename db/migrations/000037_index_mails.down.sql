ALTER TABLE mails DROP KEY mails_user, DROP KEY mails_email, DROP KEY mails_created
