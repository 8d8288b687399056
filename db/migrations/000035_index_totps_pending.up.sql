-- Secrets that no app has shown to have are deleted by this.
ALTER TABLE totps ADD KEY totps_pending (confirmed, created_at)
