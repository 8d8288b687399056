DROP TABLE mailboxes
