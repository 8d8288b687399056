ALTER TABLE sessions DROP KEY sessions_made
