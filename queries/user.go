package queries

import "context"

// CreateUsers makes the accounts whose names are free, and leaves the others as they are.
func (q *Queries) CreateUsers(ctx context.Context, users []CreateUserParams) error {
	rows := insertInto("CreateUsers", "users", "username", "username_key", "display_name", "search_key", "email", "email_key", "password_hash", "is_admin", "created_at").
		onDuplicate("id = id")
	for _, u := range users {
		rows.add(u.Username, u.UsernameKey, u.DisplayName, u.SearchKey, u.Email, u.EmailKey, u.PasswordHash, u.IsAdmin, u.CreatedAt)
	}
	return rows.run(ctx, q.db)
}
