DROP TABLE deletions
