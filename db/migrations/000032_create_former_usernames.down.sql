DROP TABLE former_usernames
