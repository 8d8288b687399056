-- Browsers in which nobody has signed in for long are forgotten by this.
ALTER TABLE known_browsers ADD KEY known_browsers_seen (seen_at)
