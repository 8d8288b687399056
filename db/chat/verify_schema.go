package chat

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// schemaKey is a key that a rule or the speed of a page rests on.
type schemaKey struct {
	table, name string
	unique      bool
	columns     string
}

// schemaKeys are all that the migrations make. A test compares them.
var schemaKeys = []schemaKey{
	{"audit_events", "PRIMARY", true, "id"},
	{"audit_events", "audit_action", false, "action, id"},
	{"audit_events", "audit_actor", false, "actor_id, id"},
	{"audit_events", "audit_actor_action", false, "actor_id, action, id"},
	{"audit_events", "audit_created", false, "created_at, id"},
	{"audit_events", "audit_subject", false, "subject_id, id"},
	{"ceremonies", "PRIMARY", true, "owner"},
	{"ceremonies", "ceremonies_expiry", false, "expires_at"},
	{"audit_events", "audit_subject_action", false, "subject_id, action, id"},
	{"blocks", "PRIMARY", true, "user_id, blocked_id"},
	{"blocks", "blocks_newest", false, "user_id, created_at, blocked_id"},
	{"conversations", "PRIMARY", true, "id"},
	{"conversations", "conversations_pair", true, "user_lo, user_hi"},
	{"invitation_uses", "PRIMARY", true, "invitation_id, user_id"},
	{"invitation_uses", "invitation_uses_user", false, "user_id"},
	{"invitations", "PRIMARY", true, "id"},
	{"invitations", "invitations_creator", false, "creator_id, id"},
	{"invitations", "invitations_token", true, "token_hash"},
	{"known_browsers", "PRIMARY", true, "user_id, hash"},
	{"known_browsers", "known_browsers_seen", false, "seen_at"},
	{"links", "PRIMARY", true, "user_id, kind"},
	{"links", "links_expiry", false, "expires_at"},
	{"links", "links_token", true, "token_hash"},
	{"mailboxes", "PRIMARY", true, "address_hash"},
	{"mailboxes", "mailboxes_free", false, "free_at"},
	{"mails", "PRIMARY", true, "id"},
	{"mails", "mails_created", false, "created_at"},
	{"mails", "mails_due", false, "due_at, id"},
	{"mails", "mails_email", false, "email"},
	{"mails", "mails_user", false, "user_id"},
	{"deletions", "PRIMARY", true, "user_id"},
	{"former_usernames", "PRIMARY", true, "name_hash"},
	{"members", "PRIMARY", true, "user_id, conversation_id"},
	{"messages", "PRIMARY", true, "conversation_id, seq"},
	{"messages", "messages_client", true, "conversation_id, sender_id, client_key"},
	{"messages", "messages_created", false, "created_at, conversation_id, seq"},
	{"messages", "messages_rev", false, "conversation_id, rev"},
	{"passkeys", "PRIMARY", true, "id"},
	{"passkeys", "passkeys_credential", true, "credential_hash"},
	{"passkeys", "passkeys_user", false, "user_id"},
	{"recovery_codes", "PRIMARY", true, "user_id, code_hash"},
	{"reports", "PRIMARY", true, "id"},
	{"reports", "reports_open", true, "reporter_id, conversation_id, seq, is_open"},
	{"reports", "reports_own", false, "reporter_id, id"},
	{"reports", "reports_queue", false, "is_open, id"},
	{"reports", "reports_subject", false, "subject_id"},
	{"photos", "PRIMARY", true, "user_id"},
	{"photos", "photos_hash", true, "hash"},
	{"profiles", "PRIMARY", true, "user_id"},
	{"sessions", "PRIMARY", true, "id_hash"},
	{"sessions", "sessions_expiry", false, "expires_at"},
	{"sessions", "sessions_made", false, "user_id, created_at"},
	{"sessions", "sessions_user", false, "user_id"},
	{"settings", "PRIMARY", true, "name"},
	{"setup_links", "PRIMARY", true, "id"},
	{"sign_ins", "PRIMARY", true, "id_hash"},
	{"sign_ins", "sign_ins_expiry", false, "expires_at"},
	{"sign_ins", "sign_ins_user", false, "user_id"},
	{"skeletons", "PRIMARY", true, "skeleton_key"},
	{"skeletons", "skeletons_user", true, "user_id"},
	{"totps", "PRIMARY", true, "user_id, confirmed"},
	{"totps", "totps_pending", false, "confirmed, created_at"},
	{"tokens", "PRIMARY", true, "id"},
	{"tokens", "tokens_expiry", false, "expires_at"},
	{"tokens", "tokens_hash", true, "hash"},
	{"tokens", "tokens_name", true, "user_id, name"},
	{"users", "PRIMARY", true, "id"},
	{"users", "users_admin", false, "is_admin, disabled_at"},
	{"users", "users_email", true, "email_key"},
	{"users", "users_search", false, "username_key, search_key, disabled_at"},
	{"users", "users_username", true, "username_key"},
}

// schema checks what every other check and promise rests on.
func (v *verifier) schema(ctx context.Context) error {
	if err := v.engines(ctx); err != nil {
		return err
	}
	there, err := readKeys(ctx, v.store.db)
	if err != nil {
		return err
	}
	for _, want := range schemaKeys {
		if !slices.ContainsFunc(there, want.servedBy) {
			v.keysMissing = true
			v.report(Problem{Check: CheckKey, Detail: want.missing()})
		}
	}
	return nil
}

// engines also finds out whether all tables are there: without one there is nothing to check.
func (v *verifier) engines(ctx context.Context) error {
	engine := map[string]string{}
	err := eachRow(ctx, v.store.db, `SELECT table_name, COALESCE(engine, '') FROM information_schema.tables WHERE table_schema = DATABASE()`,
		func(rows *sql.Rows) error {
			var table, name string
			err := rows.Scan(&table, &name)
			engine[table] = name
			return err
		})
	if err != nil {
		return err
	}
	for _, key := range schemaKeys {
		name, there := engine[key.table]
		if !there {
			return fmt.Errorf("the table %s is missing, so this is no database of Parley's, or only a part of one: put it back from a backup", key.table)
		}
		if key.name == "PRIMARY" && name != "InnoDB" {
			v.report(Problem{Check: CheckEngine, Detail: fmt.Sprintf(
				"the table %s is kept by %s, which has no transactions: stop Parley and run ALTER TABLE %s ENGINE = InnoDB", key.table, name, key.table)})
		}
	}
	return nil
}

// servedBy says whether another key does all that this one is for. The name counts: some statements say by which key
// they are to be run, and fail without it.
func (k schemaKey) servedBy(other schemaKey) bool {
	return k.table == other.table && k.name == other.name && k.columns == other.columns && (other.unique || !k.unique)
}

func (k schemaKey) missing() string {
	kind, harm := "KEY "+k.name, "pages are slow or fail"
	if k.unique {
		kind, harm = "UNIQUE KEY "+k.name, "nothing keeps rows from being there twice, and sending may fail"
	}
	if k.name == "PRIMARY" {
		kind = "PRIMARY KEY"
	}
	return fmt.Sprintf("the table %s has no %s on %s, so %s: stop Parley, put right what else is reported of that table, and run ALTER TABLE %s ADD %s (%s)",
		k.table, kind, k.columns, harm, k.table, kind, k.columns)
}

// readKeys reads the keys that are there. sqlc doesn't know the server's own tables. A key on a part of a column is
// none of ours.
func readKeys(ctx context.Context, db *sql.DB) (keys []schemaKey, _ error) {
	err := eachRow(ctx, db, `SELECT table_name, index_name, non_unique, COALESCE(column_name, ''), COALESCE(sub_part, 0)
		FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index`,
		func(rows *sql.Rows) error {
			var table, name, column string
			var nonUnique, part int
			if err := rows.Scan(&table, &name, &nonUnique, &column, &part); err != nil {
				return err
			}
			if part > 0 {
				column = fmt.Sprintf("%s(%d)", column, part)
			}
			if n := len(keys); n > 0 && keys[n-1].table == table && keys[n-1].name == name {
				keys[n-1].columns += ", " + column
			} else {
				keys = append(keys, schemaKey{table, name, nonUnique == 0, column})
			}
			return nil
		})
	for i := range keys {
		keys[i].columns = strings.ToLower(keys[i].columns)
	}
	return keys, err
}

func eachRow(ctx context.Context, db *sql.DB, query string, f func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
