DROP TABLE profiles
