-- The column goes with the migration before.
DO 0
