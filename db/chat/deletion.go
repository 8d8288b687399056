package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"parley/queries"
)

// Deletion is what somebody says who deletes their account.
type Deletion struct {
	Username      string // their own, typed: nobody does this by mistake
	Password      string
	EraseMessages bool // also the texts of what they wrote, in everybody's conversations
}

// DeletedName is the display name of whoever deleted their account.
const DeletedName = "Deleted user"

// tombstone is the username of a deleted account. It begins with what no username can, so that it is nobody's.
func tombstone(id uint64) string { return fmt.Sprintf("~deleted-%d", id) }

// DeleteAccount deletes the actor's account. Username, display name, e-mail address, password, photo, profile and sessions
// are gone when it returns, and nobody can sign in. What is left is a row that other people's conversations lead to: they
// stay, with "Deleted user". Nobody gets the username again, of which only a fingerprint is kept. The texts of messages,
// where that was asked for, those of notes to oneself, and what the audit log has of addresses and names, are emptied by FinishDeletions afterwards.
//
// One mail tells them that it was done, whose row goes when it is sent or can't be, within two days.
//
// An Invalid error names the fields username and current_password. The last active admin can't go.
func (s *Store) DeleteAccount(ctx context.Context, actor Actor, d Deletion) error {
	who, err := s.q.UserByID(ctx, actor.User.ID)
	if err != nil {
		return fault(err, nothingHere)
	}
	f := fields{}
	if err := s.checkCurrent(ctx, f, actor, who, d.Password); err != nil {
		return err
	}
	if !bytes.Equal(usernameKey(strings.TrimSpace(d.Username)), who.UsernameKey) {
		f.add("username", "Type your username, "+who.Username+", to show that you mean this account.")
	}
	if err := f.err("Nothing was deleted."); err != nil {
		return err
	}
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		return s.deleteAccount(ctx, q, who, d.EraseMessages)
	})
	if err != nil {
		return err
	}
	s.forgetUser(who.ID)
	s.wakeMail()
	s.recent.messages.forget(func(_ MessageID, m Message) bool { return m.Sender.ID == who.ID || m.Recipient.ID == who.ID })
	s.notifier.Notify(Event{Type: EventSessionEnded, To: who.ID})
	return nil
}

// deleteAccount holds the admins' lock too, in the order in which admins take theirs, so that there is always one left.
func (s *Store) deleteAccount(ctx context.Context, q *queries.Queries, who queries.User, erase bool) error {
	admins, err := q.LockActiveAdmins(ctx)
	if err != nil {
		return err
	}
	row, err := q.LockUserByID(ctx, who.ID)
	switch {
	case err != nil:
		return fault(err, nothingHere)
	case row.DeletedAt.Valid:
		return nil // the transaction runs again after a commit whose answer was lost
	case row.DisabledAt.Valid:
		return notFound(nothingHere)
	case row.PasswordHash != who.PasswordHash:
		return wrongPresentPassword("Nothing was deleted.")
	}
	t := adminTx{q: q, at: s.now(), admins: admins}
	if t.isLastAdmin(row.ID) {
		return &Error{Kind: Invalid, Text: "You are the last admin who can sign in, so this account can't be deleted. Make somebody else an admin first."}
	}
	if err := wipe(ctx, q, row); err != nil {
		return err
	}
	if err := q.CloseInvitationsOf(ctx, queries.CloseInvitationsOfParams{Now: nullTime(t.at), CreatorID: row.ID}); err != nil {
		return err
	}
	if err := t.bury(ctx, row, erase); err != nil {
		return err
	}
	return tell(ctx, q, t.at, MailDeleted, row, "") // the last that the address is there for
}

// wipe deletes what is somebody's own in every table but users. A test knows of each table with a user_id that is
// neither here nor said there to stay.
func wipe(ctx context.Context, q *queries.Queries, row queries.User) error {
	for _, from := range []func(context.Context, uint64) (int64, error){q.DeleteUserSessions, q.DeleteUserTokens, q.DeletePasskeysOf, q.DeleteRecoveryCodes} {
		if _, err := from(ctx, row.ID); err != nil {
			return err
		}
	}
	for _, from := range []func(context.Context, uint64) error{
		q.DeleteProfile, q.DeletePhoto, q.DeleteLinksOf, q.DeleteSignInsOf, q.DeleteTOTPsOf, q.DeleteBrowsersOf, q.BlankReportsOf,
		q.DeleteSkeletonOf, q.DeleteInvitationUsesOf, q.DeleteMailsOf,
	} {
		if err := from(ctx, row.ID); err != nil {
			return err
		}
	}
	if !row.Email.Valid {
		return nil
	}
	return q.DeleteMailsTo(ctx, row.Email.String)
}

// bury leaves the row without anything personal. The password's place takes a hash that no password has, so that trying to
// sign in takes as long as anywhere. The audit log says what was done, and neither from where nor under which name.
func (t adminTx) bury(ctx context.Context, row queries.User, erase bool) error {
	name := tombstone(row.ID)
	err := t.q.CreateFormerUsername(ctx, queries.CreateFormerUsernameParams{NameHash: fingerprint(row.UsernameKey), UserID: row.ID})
	if err != nil {
		return err
	}
	err = t.q.CreateFormerLook(ctx, queries.CreateFormerLookParams{NameHash: lookFingerprint(row.Username), UserID: row.ID})
	if err != nil {
		return err
	}
	err = t.q.BuryUser(ctx, queries.BuryUserParams{
		Username: name, UsernameKey: usernameKey(name), DisplayName: DeletedName, SearchKey: searchKey(name, DeletedName),
		PasswordHash: noSuchUserHash, At: nullTime(t.at), ID: row.ID,
	})
	if err != nil {
		return err
	}
	if err := t.q.CreateDeletion(ctx, queries.CreateDeletionParams{UserID: row.ID, Erase: erase, CreatedAt: t.at}); err != nil {
		return err
	}
	detail := "messages stay"
	if erase {
		detail = "messages are erased"
	}
	return record(ctx, t.q, t.at, Actor{User: User{ID: row.ID}}, deed{action: AuditDeleteOwn, detail: detail})
}

// fingerprint stands for a username that is gone. It can be held against a name, and not be read.
func fingerprint(usernameKey []byte) []byte {
	sum := sha256.Sum256(usernameKey)
	return sum[:]
}

// lookFingerprint stands for what a username that is gone looked like. No username has a space, so this is the fingerprint of none.
func lookFingerprint(username string) []byte {
	return fingerprint(append([]byte("looks like "), skeletonKey(username)...))
}

// neverTaken refuses a username that a deleted account had. It is to be asked after the new row is written: whoever deletes
// the account at this moment holds the name until their commit.
func neverTaken(ctx context.Context, q *queries.Queries, key []byte) error {
	_, err := q.TombstoneKey(ctx, fingerprint(key))
	switch {
	case noRow(err):
		return nil
	case err != nil:
		return err
	default:
		return fields{"username": {usernameTaken}}.err("The account wasn't made.")
	}
}

// conversationWithFormer finds the viewer's conversation with somebody under the name that they had before they deleted
// their account: pages that are open, and bookmarks, go on. To whoever has no conversation with them the name is nobody's.
func (s *Store) conversationWithFormer(ctx context.Context, viewer User, username string) (Conversation, error) {
	key, err := s.q.TombstoneKey(ctx, fingerprint(usernameKey(username)))
	if err != nil {
		return Conversation{}, err
	}
	c, err := s.conversationWith(ctx, viewer, key)
	if err == nil && c.ID == 0 {
		return Conversation{}, notFound(nobodyCalled(username))
	}
	return c, err
}
