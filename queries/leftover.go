package queries

import (
	"context"
	"database/sql"
	"fmt"
)

// LeftoverTables are those whose rows are one account's alone and go with it.
var LeftoverTables = []string{
	"invitation_uses", "known_browsers", "links", "mails", "passkeys", "photos", "profiles", "recovery_codes", "sessions", "sign_ins",
	"skeletons", "tokens", "totps",
}

// Leftover is how many rows of a table are somebody's who has no account, or who has deleted it.
type Leftover struct {
	UserID  uint64
	Rows    int64
	Account sql.NullInt64 // NULL where there is none
}

// Leftovers lists them by their owner, after one. What is nobody's by its nature has the owner 0, and isn't among them.
func (q *Queries) Leftovers(ctx context.Context, table string, after uint64, limit int) (all []Leftover, _ error) {
	rows, err := q.db.QueryContext(ctx, named("Leftovers", fmt.Sprintf(`SELECT x.user_id, COUNT(*), MAX(u.id) FROM %s x LEFT JOIN users u ON u.id = x.user_id
		WHERE x.user_id > ? AND (u.id IS NULL OR u.deleted_at IS NOT NULL) GROUP BY x.user_id ORDER BY x.user_id LIMIT ?`, table)), after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Leftover
		if err := rows.Scan(&l.UserID, &l.Rows, &l.Account); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// DeleteLeftovers deletes somebody's, unless they have an account after all, and says how many they were.
func (q *Queries) DeleteLeftovers(ctx context.Context, table string, user uint64) (int64, error) {
	result, err := q.db.ExecContext(ctx, named("DeleteLeftovers", fmt.Sprintf(`DELETE FROM %[1]s WHERE %[1]s.user_id = ?
		AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = %[1]s.user_id AND u.deleted_at IS NULL)`, table)), user)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
