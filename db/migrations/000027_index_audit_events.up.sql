-- Admins search the log by person and action together, and by day; old events are deleted by their time.
ALTER TABLE audit_events
  ADD KEY audit_created (created_at, id),
  ADD KEY audit_actor_action (actor_id, action, id),
  ADD KEY audit_subject_action (subject_id, action, id)
