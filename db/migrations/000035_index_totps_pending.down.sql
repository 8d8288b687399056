ALTER TABLE totps DROP KEY totps_pending
