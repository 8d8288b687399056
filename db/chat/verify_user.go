package chat

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"

	"parley/queries"
)

// mostRepeats bounds what is listed of rows that are there more than once.
const mostRepeats = 1000

// users checks that each account is found under its name.
func (v *verifier) users(ctx context.Context) error {
	v.begin("people", v.totals.Users)
	return inPieces(v.sizes.rows, func(after queries.VerifyUsersRow) ([]queries.VerifyUsersRow, error) {
		return v.q.VerifyUsers(ctx, queries.VerifyUsersParams{After: after.ID, Limit: v.sizes.rows})
	}, func(row queries.VerifyUsersRow) error {
		return v.user(ctx, row)
	}, func(n int) {
		v.result.Users += n
		v.advance(n)
	})
}

func (v *verifier) user(ctx context.Context, row queries.VerifyUsersRow) error {
	problems, err := userProblems(ctx, v.q, row)
	if err != nil {
		return err
	}
	return v.settle(ctx, problems, func(ctx context.Context, tx *sql.Tx) ([]Problem, error) {
		return repairUser(ctx, v.q.WithTx(tx), row.ID)
	})
}

// userKeys are an account's keys as they are to be.
type userKeys struct {
	username, search []byte
	email            sql.NullString
}

func userKeysOf(row queries.VerifyUsersRow) userKeys {
	return userKeys{usernameKey(row.Username), searchKey(row.Username, row.DisplayName), nullString(canonical(row.Email.String))}
}

// userProblems can't be repaired where another account has such a key: which of the two is to have it is for an admin
// to say.
func userProblems(ctx context.Context, q *queries.Queries, row queries.VerifyUsersRow) (problems []Problem, _ error) {
	keys := userKeysOf(row)
	add := func(check Check, text string) {
		problems = append(problems, Problem{Check: check, User: row.ID, Repairable: true, Detail: fmt.Sprintf(text, row.Username)})
	}
	if !bytes.Equal(row.UsernameKey, keys.username) {
		add(CheckUsernameKey, "%s can't be found or sign in: username_key isn't the canonical form of the username")
	}
	if !bytes.Equal(row.SearchKey, keys.search) {
		add(CheckSearchKey, "a search doesn't find %s: search_key isn't the canonical form of username and display name")
	}
	if row.EmailKey != keys.email {
		add(CheckEmailKey, "the e-mail address of %s isn't found: email_key isn't its canonical form")
	}
	if len(problems) == 0 {
		return nil, nil
	}
	taken, err := q.VerifyKeysTaken(ctx, queries.VerifyKeysTakenParams{UsernameKey: keys.username, EmailKey: keys.email, ID: row.ID})
	for i := range problems {
		if taken > 0 {
			problems[i].Repairable = false
			problems[i].Detail += "; another account has such a key, so rename one of the two in the database first"
		}
	}
	return problems, err
}

// repairUser makes the keys anew from what people see.
func repairUser(ctx context.Context, q *queries.Queries, id uint64) ([]Problem, error) {
	u, err := q.VerifyLockUser(ctx, id)
	if err != nil {
		return nil, err
	}
	row := queries.VerifyUsersRow{ID: u.ID, Username: u.Username, UsernameKey: u.UsernameKey, DisplayName: u.DisplayName, SearchKey: u.SearchKey, Email: u.Email, EmailKey: u.EmailKey}
	problems, err := userProblems(ctx, q, row)
	if err != nil || len(problems) == 0 || !problems[0].Repairable {
		return problems, err
	}
	keys := userKeysOf(row)
	for i := range problems {
		problems[i].Repaired = true
	}
	return problems, q.RepairUserKeys(ctx, queries.RepairUserKeysParams{UsernameKey: keys.username, SearchKey: keys.search, EmailKey: keys.email, ID: id})
}

// repeats finds accounts, conversations and memberships that are there twice, really: a unique key may be missing after
// a careless restore, or have been passed by with unique_checks=0.
func (v *verifier) repeats(ctx context.Context) error {
	names, err := v.q.VerifyUsernameKeys(ctx, mostRepeats)
	if err != nil {
		return err
	}
	for _, row := range names {
		v.report(Problem{Check: CheckUsernameRepeat, User: uint64(row.ID), Detail: several(row.Accounts, "account") + " have one username_key: rename all but one in the database, with their keys"})
	}
	emails, err := v.q.VerifyEmailKeys(ctx, mostRepeats)
	if err != nil {
		return err
	}
	for _, row := range emails {
		v.report(Problem{Check: CheckEmailRepeat, User: uint64(row.ID), Detail: several(row.Accounts, "account") + " have one email_key: take the address from all but one in the database, with its key"})
	}
	return v.repeatedPairs(ctx)
}

func (v *verifier) repeatedPairs(ctx context.Context) error {
	pairs, err := v.q.VerifyPairs(ctx, mostRepeats)
	if err != nil {
		return err
	}
	for _, row := range pairs {
		v.report(Problem{Check: CheckPairRepeat, Conversation: uint64(row.LastID), Detail: fmt.Sprintf(
			"the two people of conversation %d have %s, of which they see one: join them from a backup or delete the ones without messages", row.FirstID, several(row.Conversations, "conversation"))})
	}
	members, err := v.q.VerifyMemberTwice(ctx, mostRepeats)
	if err != nil {
		return err
	}
	for _, row := range members {
		v.report(Problem{Check: CheckMemberRepeat, Conversation: row.ConversationID, User: row.UserID, Detail: "the membership is there more than once: delete all but the one with the highest last_read_seq"})
	}
	return nil
}
