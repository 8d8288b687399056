-- A deleted account takes its unfinished sign-ins with it, and waits for nobody else's.
ALTER TABLE sign_ins ADD KEY sign_ins_user (user_id)
