package chat_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/go-sql-driver/mysql"

	"parley/db/chat"
)

// damage is what may have happened to a database, and what Verify is to say of it: just that, once.
type damage struct {
	name string
	sql  []string
	want []chat.Problem // in the order of their checks
}

const (
	copyMessage = "INSERT INTO messages SELECT conversation_id, %s, sender_id, %s, %s, body, %s, edited_at, deleted_at FROM messages WHERE conversation_id = 1 AND seq = %d"
	dropKey     = "ALTER TABLE %s DROP KEY %s"
)

// harm skips what a server can't suffer: TiDB's tables lie in the order of their primary keys and can't lose them (8200,
// "Unsupported drop primary key when the table is using clustered index").
func (w *world) harm(t *testing.T, statement string) {
	t.Helper()
	_, err := w.db.Exec(statement)
	if said, ok := errors.AsType[*mysql.MySQLError](err); ok && said.Number == 8200 {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func broken(check chat.Check) chat.Problem { return chat.Problem{Check: check} }

func inOne(check chat.Check, seq uint64) chat.Problem {
	return chat.Problem{Check: check, Conversation: 1, Seq: seq}
}

func byUser(check chat.Check, conversation, user uint64) chat.Problem {
	return chat.Problem{Check: check, Conversation: conversation, User: user}
}

func repairable(p chat.Problem) chat.Problem {
	p.Repairable = true
	return p
}

var damages = []damage{
	{"a message in the middle is lost", []string{"DELETE FROM messages WHERE conversation_id = 1 AND seq = 3"},
		[]chat.Problem{inOne(chat.CheckSeqHole, 3)}},
	{"the first messages are lost", []string{"DELETE FROM messages WHERE conversation_id = 1 AND seq <= 2", "DELETE FROM audit_events"},
		[]chat.Problem{inOne(chat.CheckSeqHole, 1)}},
	{"the newest message is lost", []string{"DELETE FROM messages WHERE conversation_id = 1 AND seq = 6"},
		[]chat.Problem{inOne(chat.CheckSeqAhead, 5)}},
	{"all messages are lost", []string{"DELETE FROM messages WHERE conversation_id = 2"},
		[]chat.Problem{{Check: chat.CheckSeqAhead, Conversation: 2}}},
	{"a message is lost that was changed last", []string{"UPDATE messages SET rev = 7 WHERE conversation_id = 1 AND seq = 3", "UPDATE conversations SET last_rev = 7 WHERE id = 1", "DELETE FROM messages WHERE conversation_id = 1 AND seq = 3"},
		[]chat.Problem{inOne(chat.CheckSeqHole, 3)}},
	{"a seq twice", []string{"ALTER TABLE messages DROP PRIMARY KEY", fmt.Sprintf(copyMessage, "seq", "REPEAT('x', 16)", "7", "created_at", 6), "UPDATE conversations SET last_rev = 7 WHERE id = 1"},
		[]chat.Problem{broken(chat.CheckKey), inOne(chat.CheckSeqRepeat, 6)}},
	{"a message numbered 0", []string{fmt.Sprintf(copyMessage, "0", "REPEAT('x', 16)", "7", "created_at", 1), "UPDATE conversations SET last_rev = 7 WHERE id = 1"},
		[]chat.Problem{inOne(chat.CheckSeqRepeat, 0)}},
	{"last_seq behind", []string{"UPDATE conversations SET last_seq = 5 WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckSeqBehind, 6))}},
	{"only last_seq ahead", []string{"UPDATE conversations SET last_seq = 8 WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckSeqAhead, 6))}},
	{"last_rev behind", []string{"UPDATE conversations SET last_rev = 5 WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckRevBehind, 0))}},
	{"last_rev ahead", []string{"UPDATE conversations SET last_rev = 9 WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckRevAhead, 0))}},
	{"an old conversation row", []string{"UPDATE conversations SET last_seq = 5, last_rev = 5, last_at = (SELECT created_at FROM messages WHERE conversation_id = 1 AND seq = 5) WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckLastAt, 0)), repairable(inOne(chat.CheckRevBehind, 0)), repairable(inOne(chat.CheckSeqBehind, 6))}},
	{"a rev of 0", []string{"UPDATE messages SET rev = 0 WHERE conversation_id = 1 AND seq = 6"},
		[]chat.Problem{repairable(inOne(chat.CheckRevLow, 6))}},
	{"all revs 0", []string{"UPDATE messages SET rev = 0 WHERE conversation_id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckRevLow, 1))}},
	{"a rev twice", []string{"UPDATE messages SET rev = 6 WHERE conversation_id = 1 AND seq = 4"},
		[]chat.Problem{repairable(inOne(chat.CheckRevRepeat, 6))}},
	{"the newest rev twice", []string{"UPDATE messages SET rev = 7 WHERE conversation_id = 1 AND seq IN (2, 6)", "UPDATE conversations SET last_rev = 8 WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckRevRepeat, 6))}},
	{"last_at wrong", []string{"UPDATE conversations SET last_at = '2020-01-01' WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckLastAt, 0))}},
	{"last_at missing", []string{"UPDATE conversations SET last_at = NULL WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckLastAt, 0))}},
	{"a time too early", []string{"UPDATE messages SET created_at = '2020-01-01' WHERE conversation_id = 1 AND seq = 4"},
		[]chat.Problem{inOne(chat.CheckTimeOrder, 4)}},
	{"a client ID twice", []string{fmt.Sprintf(dropKey, "messages", "messages_client"), "UPDATE messages SET client_key = REPEAT('x', 16) WHERE conversation_id = 1 AND seq IN (1, 5)"},
		[]chat.Problem{{Check: chat.CheckClientRepeat, Conversation: 1, Seq: 5, User: 1}, broken(chat.CheckKey)}},
	{"a stranger's message", []string{"UPDATE messages SET sender_id = 3 WHERE conversation_id = 1 AND seq = 2"},
		[]chat.Problem{inOne(chat.CheckSender, 2)}},
	{"an empty body", []string{"UPDATE messages SET body = '' WHERE conversation_id = 1 AND seq = 2"},
		[]chat.Problem{inOne(chat.CheckBody, 2)}},
	{"a body of white space", []string{"UPDATE messages SET body = '\u2003\n ' WHERE conversation_id = 1 AND seq = 2"},
		[]chat.Problem{inOne(chat.CheckBody, 2)}},
	{"a deleted message may be empty", []string{"UPDATE messages SET body = '', deleted_at = created_at WHERE conversation_id = 1 AND seq IN (2, 6)"}, nil},
	{"a changed message", []string{"UPDATE messages SET rev = 7, edited_at = created_at WHERE conversation_id = 1 AND seq = 2", "UPDATE conversations SET last_rev = 7 WHERE id = 1"}, nil},
	{"a conversation without messages", []string{"INSERT INTO conversations (user_lo, user_hi) VALUES (2, 3)", "INSERT INTO members (user_id, conversation_id) SELECT user_lo, id FROM conversations WHERE last_seq = 0 UNION ALL SELECT user_hi, id FROM conversations WHERE last_seq = 0"}, nil},
	{"a watermark ahead", []string{"UPDATE members SET last_read_seq = 7 WHERE conversation_id = 1 AND user_id = 2"},
		[]chat.Problem{repairable(byUser(chat.CheckWatermark, 1, 2))}},
	{"a watermark far ahead", []string{"UPDATE members SET last_delivered_seq = 18446744073709551615 WHERE conversation_id = 1 AND user_id = 2"},
		[]chat.Problem{repairable(byUser(chat.CheckWatermark, 1, 2))}},
	{"a membership lost", []string{"DELETE FROM members WHERE conversation_id = 1 AND user_id = 2"},
		[]chat.Problem{repairable(byUser(chat.CheckMemberMissing, 1, 2))}},
	{"a stranger as a member", []string{"INSERT INTO members (user_id, conversation_id) VALUES (3, 1)"},
		[]chat.Problem{repairable(byUser(chat.CheckMemberStranger, 1, 3))}},
	{"a member of nothing", []string{"INSERT INTO members (user_id, conversation_id) VALUES (3, 77)"},
		[]chat.Problem{repairable(byUser(chat.CheckMemberOrphan, 77, 3))}},
	{"a membership twice", []string{"ALTER TABLE members DROP PRIMARY KEY", "INSERT INTO members SELECT * FROM members WHERE conversation_id = 2 AND user_id = 1"},
		[]chat.Problem{broken(chat.CheckKey), byUser(chat.CheckMemberRepeat, 2, 1)}},
	{"a membership lost, and its key", []string{"ALTER TABLE members DROP PRIMARY KEY", "DELETE FROM members WHERE conversation_id = 1 AND user_id = 2"},
		[]chat.Problem{broken(chat.CheckKey), repairable(byUser(chat.CheckMemberMissing, 1, 2))}},
	{"a conversation lost", []string{"DELETE FROM conversations WHERE id = 2"},
		[]chat.Problem{{Check: chat.CheckMessageOrphan, Conversation: 2, Seq: 1}}},
	{"the last conversation lost", []string{"DELETE FROM conversations WHERE id = 3"},
		[]chat.Problem{{Check: chat.CheckMessageOrphan, Conversation: 3, Seq: 1}}},
	{"an account lost", []string{"DELETE FROM users WHERE id = 3"},
		[]chat.Problem{byUser(chat.CheckConversationUser, 2, 3)}},
	{"the people of a conversation swapped", []string{"UPDATE conversations SET user_lo = 2, user_hi = 1 WHERE id = 1"},
		[]chat.Problem{inOne(chat.CheckPairOrder, 0)}},
	{"two conversations of two people", []string{fmt.Sprintf(dropKey, "conversations", "conversations_pair"), "INSERT INTO conversations (id, user_lo, user_hi) VALUES (9, 1, 2)", "INSERT INTO members (user_id, conversation_id) VALUES (1, 9), (2, 9)"},
		[]chat.Problem{broken(chat.CheckKey), {Check: chat.CheckPairRepeat, Conversation: 9}}},
	{"a username's key wrong", []string{"UPDATE users SET username_key = 'Bob' WHERE id = 2"},
		[]chat.Problem{repairable(byUser(chat.CheckUsernameKey, 0, 2))}},
	{"a username's key taken", []string{"UPDATE users SET username_key = 'x' WHERE id = 2", "UPDATE users SET username = 'BOB', username_key = 'bob', search_key = 'bob carl' WHERE id = 3"},
		[]chat.Problem{byUser(chat.CheckUsernameKey, 0, 2)}},
	{"a search key wrong", []string{"UPDATE users SET search_key = 'Bob' WHERE id = 2"},
		[]chat.Problem{repairable(byUser(chat.CheckSearchKey, 0, 2))}},
	{"an e-mail address's key lost", []string{"UPDATE users SET email_key = NULL WHERE id = 2"},
		[]chat.Problem{repairable(byUser(chat.CheckEmailKey, 0, 2))}},
	{"a username twice", []string{fmt.Sprintf(dropKey, "users", "users_username"), "UPDATE users SET username = 'bob', username_key = 'bob', search_key = 'bob carl' WHERE id = 3"},
		[]chat.Problem{broken(chat.CheckKey), byUser(chat.CheckUsernameRepeat, 0, 3)}},
	{"an e-mail address twice", []string{fmt.Sprintf(dropKey, "users", "users_email"), "UPDATE users SET email = 'bob@example.org', email_key = 'bob@example.org' WHERE id = 3"},
		[]chat.Problem{byUser(chat.CheckEmailRepeat, 0, 3), broken(chat.CheckKey)}},
	{"a block's flag lost", []string{"INSERT INTO blocks VALUES (2, 1, NOW(6)), (1, 2, NOW(6))", "UPDATE conversations SET blocked = 2 WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckBlocked, 0))}},
	{"a block lost", []string{"UPDATE conversations SET blocked = 2 WHERE id = 1"},
		[]chat.Problem{repairable(inOne(chat.CheckBlocked, 0))}},
	{"a block's conversation lost", []string{"INSERT INTO blocks VALUES (2, 3, NOW(6))"},
		[]chat.Problem{byUser(chat.CheckBlockOrphan, 0, 2)}},
	{"a block of nobody", []string{"INSERT INTO blocks VALUES (2, 77, NOW(6)), (78, 2, NOW(6))"},
		[]chat.Problem{repairable(byUser(chat.CheckBlockOrphan, 0, 2)), repairable(byUser(chat.CheckBlockOrphan, 0, 78))}},
	{"a block as it is to be", []string{"INSERT INTO blocks VALUES (2, 1, NOW(6))", "UPDATE conversations SET blocked = 2 WHERE id = 1"}, nil},
	{"what was somebody's who has no account", []string{"INSERT INTO tokens (hash, user_id, name, scope, created_at) VALUES (REPEAT('x', 32), 99, 'x', 'write', NOW(6)), (REPEAT('y', 32), 99, 'y', 'read', NOW(6))",
		"INSERT INTO known_browsers VALUES (98, REPEAT('x', 32), NOW(6))", "INSERT INTO links VALUES (97, 'reset', REPEAT('x', 32), REPEAT('x', 32), 'x@example.org', 1, NOW(6), NOW(6))", "INSERT INTO profiles VALUES (96, 'x', '')",
		"INSERT INTO photos VALUES (95, REPEAT('x', 32), 'image/png', 's', 'l')", "INSERT INTO mails (kind, user_id, email, ip, created_at) VALUES ('reset', 94, 'x', '', NOW(6)), ('asked', 0, 'x', '', NOW(6))", "INSERT INTO skeletons VALUES ('nobody', 93)"},
		[]chat.Problem{repairable(byUser(chat.CheckLeftover, 0, 98)), repairable(byUser(chat.CheckLeftover, 0, 97)), repairable(byUser(chat.CheckLeftover, 0, 94)), repairable(byUser(chat.CheckLeftover, 0, 95)),
			repairable(byUser(chat.CheckLeftover, 0, 96)), repairable(byUser(chat.CheckLeftover, 0, 93)), repairable(byUser(chat.CheckLeftover, 0, 99))}},
	{"a deleted account that is still somebody's", []string{"UPDATE users SET deleted_at = NOW(6), disabled_at = NOW(6), last_seen_at = NULL WHERE id IN (1, 2)", "UPDATE users SET is_admin = FALSE WHERE id = 1",
		"INSERT INTO tokens (hash, user_id, name, scope, created_at) VALUES (REPEAT('x', 32), 2, 'x', 'write', NOW(6))", "INSERT INTO profiles VALUES (2, 'x', '')"},
		[]chat.Problem{repairable(byUser(chat.CheckDeletedLeft, 0, 2)), repairable(byUser(chat.CheckDeletedLeft, 0, 1)), repairable(byUser(chat.CheckDeletedLeft, 0, 2)), repairable(byUser(chat.CheckDeletedLeft, 0, 2))}},
	{"a deleted account that can sign in", []string{"UPDATE users SET deleted_at = NOW(6) WHERE id = 3"},
		[]chat.Problem{repairable(byUser(chat.CheckDeletedLeft, 0, 3))}},
	{"a photo lost", []string{"UPDATE users SET photo = REPEAT('x', 32) WHERE id = 2"}, []chat.Problem{repairable(byUser(chat.CheckPhoto, 0, 2))}},
	{"a photo that nobody shows", []string{"INSERT INTO photos VALUES (2, REPEAT('x', 32), 'image/png', 's', 'l')"}, []chat.Problem{repairable(byUser(chat.CheckPhoto, 0, 2))}},
	{"a photo as it is to be", []string{"INSERT INTO photos VALUES (2, REPEAT('x', 32), 'image/png', 's', 'l')", "UPDATE users SET photo = REPEAT('x', 32) WHERE id = 2"}, nil},
	{"another name's skeleton", []string{"REPLACE INTO skeletons VALUES ('other', 2)"}, []chat.Problem{repairable(byUser(chat.CheckSkeleton, 0, 2))}},
	{"a skeleton beside one that is free", []string{"REPLACE INTO skeletons VALUES ('bob\\0' '2', 2)"}, []chat.Problem{repairable(byUser(chat.CheckSkeleton, 0, 2))}},
	{"a skeleton beside another's", []string{"UPDATE users SET username = 'b0b', username_key = 'b0b', search_key = 'b0b carl' WHERE id = 3", "REPLACE INTO skeletons VALUES ('bob', 2)", "REPLACE INTO skeletons VALUES ('bob\\0' '3', 3)"}, nil},
	{"a report of nothing", []string{"INSERT INTO reports (created_at, reporter_id, subject_id, conversation_id, seq, sent_at, reason, note, body) VALUES (NOW(6), 99, 98, 1, 77, NOW(6), 'spam', '', 'x')"},
		[]chat.Problem{{Check: chat.CheckReportOrphan, Conversation: 1, Seq: 77, User: 99}}},
	{"a report as it is to be", []string{"INSERT INTO reports (created_at, reporter_id, subject_id, conversation_id, seq, sent_at, reason, note, body) VALUES (NOW(6), 2, 1, 1, 1, NOW(6), 'spam', '', 'x')"}, nil},
	{"sessions of nobody", []string{"INSERT INTO sessions SELECT REPEAT('x', 32), 99, created_at, seen_at, expires_at, '', '' FROM sessions"},
		[]chat.Problem{repairable(byUser(chat.CheckSessionOrphan, 0, 99))}},
	{"an audit event by nobody", []string{"UPDATE audit_events SET actor_id = 99"},
		[]chat.Problem{{Check: chat.CheckAuditOrphan, Conversation: 1, Seq: 1, User: 99}}},
	{"an audit event about nobody", []string{"UPDATE audit_events SET subject_id = 99, conversation_id = NULL, seq = NULL"},
		[]chat.Problem{byUser(chat.CheckAuditOrphan, 0, 2)}},
	{"an audit event about no message", []string{"UPDATE audit_events SET seq = 99"},
		[]chat.Problem{{Check: chat.CheckAuditOrphan, Conversation: 1, Seq: 99, User: 2}}},
	{"a key that only makes pages fast", []string{fmt.Sprintf(dropKey, "messages", "messages_rev")},
		[]chat.Problem{broken(chat.CheckKey)}},
	{"a key that isn't unique any more", []string{fmt.Sprintf(dropKey, "messages", "messages_client"), "ALTER TABLE messages ADD KEY messages_client (conversation_id, sender_id, client_key)"},
		[]chat.Problem{broken(chat.CheckKey)}},
	{"a key on a part of the column", []string{fmt.Sprintf(dropKey, "users", "users_username"), "ALTER TABLE users ADD UNIQUE KEY users_username (username_key(3))"},
		[]chat.Problem{broken(chat.CheckKey)}},
	{"a key of another name", []string{fmt.Sprintf(dropKey, "messages", "messages_client"), "ALTER TABLE messages ADD UNIQUE KEY other (conversation_id, sender_id, client_key)"},
		[]chat.Problem{broken(chat.CheckKey)}},
}

// Each damage is found, and nothing but it; a repair puts right what is said to be repairable, and changes nothing else.
func TestVerifyDamage(t *testing.T) {
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			w := sound(t)
			for _, statement := range d.sql {
				w.harm(t, statement)
			}
			for _, how := range []verifying{w.Verify, w.VerifyInCrumbs} {
				if _, found := verify(t, how, false); !slices.Equal(found, d.want) {
					t.Errorf("found %+v, want %+v", found, d.want)
				}
			}
			bodies := w.bodies(t)
			var repaired, left []chat.Problem
			for _, p := range d.want {
				p.Repaired = p.Repairable
				repaired = append(repaired, p)
				if !p.Repairable {
					left = append(left, p)
				}
			}
			if _, found := verify(t, w.Verify, true); !slices.Equal(found, repaired) {
				t.Errorf("the repair gives %+v, want %+v", found, repaired)
			}
			if _, found := verify(t, w.Verify, false); !slices.Equal(found, left) {
				t.Errorf("after the repair there is %+v, want %+v", found, left)
			}
			if after := w.bodies(t); after != bodies {
				t.Errorf("the repair changed messages:\n%s\nwere\n%s", after, bodies)
			}
		})
	}
}
