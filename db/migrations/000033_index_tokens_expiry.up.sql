-- Access tokens that expired long ago are deleted by this.
ALTER TABLE tokens ADD KEY tokens_expiry (expires_at)
