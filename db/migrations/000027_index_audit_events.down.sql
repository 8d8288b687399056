ALTER TABLE audit_events
  DROP KEY audit_subject_action,
  DROP KEY audit_actor_action,
  DROP KEY audit_created
