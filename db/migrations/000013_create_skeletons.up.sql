-- What each username looks like, so that nobody gets one that looks like another's. Accounts from before, and those that an older
-- Parley or an import makes, get theirs within the hour. Of accounts that look alike all the same, one has the plain skeleton; that of
-- the others is followed by a zero octet and their ID. A table of its own: what a name looks like is asked when one is chosen, and
-- never where people's rows are read.
CREATE TABLE skeletons (
  skeleton_key VARBINARY(512)  NOT NULL,
  user_id      BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (skeleton_key),
  UNIQUE KEY skeletons_user (user_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
