ALTER TABLE reports DROP KEY reports_subject
