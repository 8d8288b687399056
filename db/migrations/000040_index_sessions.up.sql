-- People see their sessions a page at a time, the latest first. A program that signs in each time it runs has tens of thousands.
ALTER TABLE sessions ADD KEY sessions_made (user_id, created_at)
