-- 1: user_lo has blocked user_hi. 2: the other way round. 3: each has blocked the other.
ALTER TABLE conversations ADD COLUMN blocked TINYINT UNSIGNED NOT NULL DEFAULT 0
