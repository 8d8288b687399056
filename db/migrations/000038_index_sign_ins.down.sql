ALTER TABLE sign_ins DROP KEY sign_ins_user
