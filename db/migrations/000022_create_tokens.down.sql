DROP TABLE tokens
