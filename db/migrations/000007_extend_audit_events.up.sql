-- The log tells of everybody, no longer of admins alone, and admins search it by person and by what happened. actor_id is 0 where
-- nobody is known to have acted, as for a sign-in that failed; detail is what the IDs don't say, such as the name that was tried.
ALTER TABLE audit_events
  ADD COLUMN detail VARCHAR(255) NOT NULL DEFAULT '',
  ADD KEY audit_actor (actor_id, id),
  ADD KEY audit_subject (subject_id, id),
  ADD KEY audit_action (action, id)
