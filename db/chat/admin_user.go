package chat

import (
	"context"
	"fmt"
	"strings"

	"parley/queries"
)

// Account is a user as admins see them.
type Account struct {
	User
	OpenSessions int // sign-ins that haven't ended, MostOpenSessions at most
}

// MostOpenSessions is as far as an Account's sessions are counted.
const MostOpenSessions = 1000

func accountOf(ctx context.Context, t adminTx, user uint64) (Account, error) {
	row, err := t.q.UserByID(ctx, user)
	if err != nil {
		return Account{}, err
	}
	n, err := t.q.CountUserSessions(ctx, queries.CountUserSessionsParams{UserID: user, Now: t.at, MadeAfter: t.madeAfter, Limit: MostOpenSessions})
	return Account{User: userOf(row), OpenSessions: int(n)}, err
}

// Accounts lists everybody by username, disabled people too. A search finds people as Users does, and whoever has just
// that e-mail address.
func (s *Store) Accounts(ctx context.Context, actor Actor, q UserQuery) (Page[User], error) {
	after, err := decodeCursor(q.After)
	if err != nil {
		return Page[User]{}, err
	}
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Page[User]{}, err
	}
	limit := clampLimit(q.Limit, defaultUsers)
	rows, err := s.q.ListAllUsers(ctx, queries.ListAllUsersParams{
		After: []byte(after), Pattern: likePattern(q.Search), EmailKey: nullString(canonical(strings.TrimSpace(q.Search))), Limit: int32(limit + 1),
	})
	return userPage(rows, limit, err)
}

// Account finds one account by its username.
func (s *Store) Account(ctx context.Context, actor Actor, username string) (Account, error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Account{}, err
	}
	user, err := s.UserByName(ctx, username)
	if err != nil {
		return Account{}, err
	}
	account, err := accountOf(ctx, adminTx{q: s.q, at: s.now(), madeAfter: s.madeAfter(s.now())}, user.ID)
	return account, fault(err, nobodyCalled(username))
}

// CreateAccount is CreateUser by an admin: the same rules, and a line in the audit log.
func (s *Store) CreateAccount(ctx context.Context, actor Actor, n NewUser) (Account, error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Account{}, err // before the form is looked at: to a stranger there is none
	}
	n, hash, err := s.checkNewUser(ctx, n)
	if err != nil {
		return Account{}, err
	}
	var user User
	err = s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		user, err = s.insertLogged(ctx, t, n, hash)
		return err
	})
	return Account{User: user}, err
}

// insertLogged writes nothing more where the transaction runs again after a commit whose answer was lost.
func (s *Store) insertLogged(ctx context.Context, t adminTx, n NewUser, hash string) (User, error) {
	user, again, err := s.insertOnce(ctx, t.q, n, hash)
	if err != nil || again {
		return user, err
	}
	return user, t.logCreated(ctx, user)
}

func (t adminTx) logCreated(ctx context.Context, user User) error {
	if err := t.log(ctx, AuditCreate, user.ID); err != nil || !user.IsAdmin {
		return err
	}
	return t.log(ctx, AuditPromote, user.ID)
}

// UserEdit is what an admin changes of an account; what is nil or "" stays. Usernames never change: others know people
// by them, and they are in addresses.
type UserEdit struct {
	DisplayName *string // "" makes it the username again
	Email       *string // "" removes it
	IsAdmin     *bool
	Password    string // setting one ends all of the user's sessions
}

// EditUser changes an account. An Invalid error names the fields display_name, email, is_admin and password, and then
// nothing was changed. The last active admin can't be demoted.
func (s *Store) EditUser(ctx context.Context, actor Actor, username string, e UserEdit) (Account, error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Account{}, err
	}
	names, err := s.namesInEdit(ctx, username, e)
	if err != nil {
		return Account{}, err
	}
	if err := e.check(names); err != nil {
		return Account{}, err
	}
	hash, err := s.hashIfAny(ctx, e.Password)
	if err != nil {
		return Account{}, err
	}
	return s.change(ctx, actor, username, func(ctx context.Context, c *change) error {
		if err := c.edit(ctx, e); err != nil {
			return err
		}
		if err := c.setAdmin(ctx, e.IsAdmin); err != nil {
			return err
		}
		return c.setPassword(ctx, hash)
	})
}

// namesInEdit gives the names that the user has and gets, which the password can't be.
func (s *Store) namesInEdit(ctx context.Context, username string, e UserEdit) ([]string, error) {
	if e.Password == "" {
		return nil, nil
	}
	user, err := s.UserByName(ctx, username)
	if err != nil {
		return nil, err
	}
	names, err := s.namesOf(ctx, user.Username, user.DisplayName, user.Email)
	for _, given := range []*string{e.DisplayName, e.Email} {
		if given != nil {
			names = append(names, localPart(*given), *given)
		}
	}
	return names, err
}

// check tidies what is given as CreateUser does.
func (e *UserEdit) check(names []string) error {
	f := fields{}
	if e.DisplayName != nil {
		name := checkDisplayName(f, *e.DisplayName, "")
		e.DisplayName = &name
	}
	if e.Email != nil {
		email := checkEmail(f, *e.Email)
		e.Email = &email
	}
	if e.Password != "" {
		checkPassword(f, e.Password, names...)
	}
	return f.err(nothingChanged)
}

const nothingChanged = "Nothing was changed."

func (s *Store) hashIfAny(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	return s.hash(ctx, password)
}

// DisableUser keeps somebody out until EnableUser: their sessions end, their access tokens are revoked, they can't sign in and aren't in the directory.
// Their messages stay. The last active admin can't be disabled. It is no error when the account is disabled already.
func (s *Store) DisableUser(ctx context.Context, actor Actor, username string) (Account, error) {
	return s.change(ctx, actor, username, func(ctx context.Context, c *change) error {
		if c.user.Disabled() {
			c.ended = true // by the try before this one, whose answer was lost, perhaps
			return nil
		}
		if c.isLastAdmin(c.user.ID) {
			return c.lastAdmin("disabled", nil)
		}
		if err := c.q.SetDisabled(ctx, queries.SetDisabledParams{DisabledAt: nullTime(c.at), ID: c.user.ID}); err != nil {
			return err
		}
		if err := c.endSessions(ctx); err != nil {
			return err
		}
		return c.log(ctx, AuditDisable, c.user.ID)
	})
}

// EnableUser lets somebody in again whom DisableUser kept out.
func (s *Store) EnableUser(ctx context.Context, actor Actor, username string) (Account, error) {
	return s.change(ctx, actor, username, func(ctx context.Context, c *change) error {
		if !c.user.Disabled() {
			return nil
		}
		if err := c.q.SetDisabled(ctx, queries.SetDisabledParams{ID: c.user.ID}); err != nil {
			return err
		}
		return c.log(ctx, AuditEnable, c.user.ID)
	})
}

// EndSessions signs somebody out everywhere, and revokes their access tokens.
func (s *Store) EndSessions(ctx context.Context, actor Actor, username string) (Account, error) {
	return s.change(ctx, actor, username, func(ctx context.Context, c *change) error {
		if err := c.endSessions(ctx); err != nil {
			return err
		}
		return c.log(ctx, AuditEndSessions, c.user.ID)
	})
}

// change is an account under an admin's hand: its row is locked.
type change struct {
	adminTx
	user  User
	row   queries.User // as it was before
	ended bool         // the user's sessions were ended, so the windows must hear of it
}

// change has f change an account and gives it as it is then. f runs again from its start after a deadlock.
func (s *Store) change(ctx context.Context, actor Actor, username string, f func(context.Context, *change) error) (account Account, err error) {
	var c *change
	err = s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		row, err := t.q.LockUser(ctx, usernameKey(username))
		if err != nil {
			return fault(err, nobodyCalled(username))
		}
		c = &change{adminTx: t, user: userOf(row), row: row}
		if c.user.Deleted() {
			return &Error{Kind: Invalid, Text: "This account was deleted by its owner. Nothing can be changed any more."}
		}
		if err := f(ctx, c); err != nil {
			return err
		}
		account, err = accountOf(ctx, t, row.ID)
		return err
	})
	if err != nil {
		return account, err
	}
	s.forgetUser(account.ID)
	s.wakeMail()
	if c.ended {
		s.notifier.Notify(Event{Type: EventSessionEnded, To: account.ID})
	}
	return account, nil
}

// isAnother keeps admins from changing how they themselves sign in on pages that don't ask for their password: OWASP ASVS
// 5.0, 6.2.3 and 7.5.1. Whoever finds an admin's browser open would have the account for good.
func (c *change) isAnother() error {
	if c.user.ID != c.actor.User.ID {
		return nil
	}
	return &Error{Kind: Invalid, Text: "This account is your own. Change how you sign in, and your e-mail address, under Your account, which asks for your password."}
}

func (c *change) endSessions(ctx context.Context) error {
	c.ended = true
	_, err := shutOut(ctx, c.q, c.user.ID) // a token may have been made by whoever is to be kept out
	return err
}

// tell has the user hear of it by mail, at the address that they had before. It doesn't say where the admin sat.
func (c *change) tell(ctx context.Context, kind MailKind) error {
	return tell(ctx, c.q, c.at, kind, c.row, "")
}

func (c *change) lastAdmin(what string, f fields) error {
	text := fmt.Sprintf("%s is the last admin who can sign in, so this account can't be %s. Make somebody else an admin first.", c.user.DisplayName, what)
	for field := range f {
		f.add(field, text)
	}
	return &Error{Kind: Invalid, Text: text, Fields: f}
}

func (c *change) edit(ctx context.Context, e UserEdit) error {
	after := c.user
	if e.DisplayName != nil {
		after.DisplayName = *e.DisplayName
	}
	if after.DisplayName == "" {
		after.DisplayName = after.Username
	}
	if e.Email != nil {
		after.Email = *e.Email
	}
	if after == c.user {
		return nil
	}
	readdressed := after.Email != c.user.Email
	if readdressed {
		if err := c.isAnother(); err != nil {
			return err
		}
	}
	c.user = after
	if err := c.update(ctx); err != nil {
		return err
	}
	if readdressed {
		if err := c.readdress(ctx); err != nil {
			return err
		}
	}
	return c.log(ctx, AuditEdit, c.user.ID)
}

// readdress tells the address so far, and answers for the new one.
func (c *change) readdress(ctx context.Context) (err error) {
	if err := c.tell(ctx, MailEmailChanged); err != nil {
		return err
	}
	c.user, err = vouch(ctx, c.q, c.at, c.user)
	return err
}

func (c *change) setAdmin(ctx context.Context, to *bool) error {
	if to == nil || *to == c.user.IsAdmin {
		return nil
	}
	if !*to && c.isLastAdmin(c.user.ID) {
		return c.lastAdmin("demoted", fields{"is_admin": nil})
	}
	c.user.IsAdmin = *to
	if err := c.update(ctx); err != nil {
		return err
	}
	if *to {
		return c.log(ctx, AuditPromote, c.user.ID)
	}
	return c.log(ctx, AuditDemote, c.user.ID)
}

// update writes the user's row as c has it.
func (c *change) update(ctx context.Context) error {
	u := c.user
	err := c.q.UpdateUser(ctx, queries.UpdateUserParams{
		DisplayName: u.DisplayName, SearchKey: searchKey(u.Username, u.DisplayName),
		Email: nullString(u.Email), EmailKey: nullString(canonical(u.Email)), IsAdmin: u.IsAdmin, ID: u.ID,
	})
	if duplicateKey(err) {
		return fields{"email": {emailTaken}}.err(nothingChanged)
	}
	return err
}

// setPassword writes nothing where the hash is stored already: then the transaction runs again after a commit whose
// answer was lost.
func (c *change) setPassword(ctx context.Context, hash string) error {
	if hash == "" {
		return nil
	}
	if hash == c.row.PasswordHash {
		c.ended = true
		return nil
	}
	if err := c.isAnother(); err != nil {
		return err
	}
	if err := c.q.SetPassword(ctx, queries.SetPasswordParams{PasswordHash: hash, ID: c.user.ID}); err != nil {
		return err
	}
	if err := c.endSessions(ctx); err != nil {
		return err
	}
	if err := c.tell(ctx, MailPasswordSet); err != nil {
		return err
	}
	return c.log(ctx, AuditSetPassword, c.user.ID)
}
