-- The reports of what somebody wrote are emptied with it.
ALTER TABLE reports ADD KEY reports_subject (subject_id)
