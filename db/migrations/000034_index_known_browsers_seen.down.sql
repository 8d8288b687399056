ALTER TABLE known_browsers DROP KEY known_browsers_seen
