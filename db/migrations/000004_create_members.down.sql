DROP TABLE members
