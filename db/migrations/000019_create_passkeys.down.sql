DROP TABLE passkeys
