ALTER TABLE tokens DROP KEY tokens_expiry
