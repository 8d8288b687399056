ALTER TABLE audit_events
  DROP KEY audit_action,
  DROP KEY audit_subject,
  DROP KEY audit_actor,
  DROP COLUMN detail
