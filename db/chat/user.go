package chat

import (
	"context"
	"database/sql"
	"time"

	"parley/queries"
)

// User is somebody with an account.
type User struct {
	ID          uint64
	Username    string
	DisplayName string
	Email       string // "" where none was given
	IsAdmin     bool
	CreatedAt   time.Time
	DisabledAt  time.Time // zero while the account works
	DeletedAt   time.Time // zero unless this is only what is left of a deleted account
	LastSeenAt  time.Time // zero before the first sign-in; a minute coarse
	Photo       PhotoID   // "" where there is none

	EmailConfirmedAt time.Time // when it was known that the address is theirs; zero while it isn't

	passwordHash string // as it was when the user was read
	factorUsed   bool   // a sign-in was finished with a second factor
}

// Disabled says whether the account was disabled: it can't sign in, isn't in the directory and can't be written to.
func (u User) Disabled() bool { return !u.DisabledAt.IsZero() }

// Deleted says whether the account was deleted. It is disabled as well, for ever.
func (u User) Deleted() bool { return !u.DeletedAt.IsZero() }

func userOf(row queries.User) User {
	return User{
		ID: row.ID, Username: row.Username, DisplayName: row.DisplayName, Email: row.Email.String, IsAdmin: row.IsAdmin,
		CreatedAt: row.CreatedAt, DisabledAt: row.DisabledAt.Time, LastSeenAt: row.LastSeenAt.Time,
		EmailConfirmedAt: row.EmailConfirmedAt.Time, DeletedAt: row.DeletedAt.Time, Photo: photoID(row.Photo), passwordHash: row.PasswordHash,
	}
}

func usersOf(rows []queries.User) []User {
	users := make([]User, len(rows))
	for i, row := range rows {
		users[i] = userOf(row)
	}
	return users
}

// NewUser is what an account is made of. DisplayName and Email may be empty.
type NewUser struct {
	Username, DisplayName, Email, Password string
	IsAdmin                                bool
}

// CreateUser makes an account for somebody, whose e-mail address whoever makes it answers for. An Invalid error names the
// fields username, display_name, email and password.
func (s *Store) CreateUser(ctx context.Context, n NewUser) (User, error) {
	n, hash, err := s.checkNewUser(ctx, n)
	if err != nil {
		return User{}, err
	}
	var user User
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		user, _, err = s.insertOnce(ctx, q, n, hash)
		return err
	})
	return user, fault(err, "")
}

const accountNotMade = "The account wasn't made."

// checkNewUser gives n as it is stored, and the password's hash. More rules may be given, which see n as it is stored.
func (s *Store) checkNewUser(ctx context.Context, n NewUser, rules ...func(fields, NewUser)) (_ NewUser, hash string, _ error) {
	f := fields{}
	n.Username = checkUsername(f, n.Username)
	if len(f) == 0 && mixesScripts(n.Username) {
		f.add("username", "A username is written in one script: it can't mix letters of several, such as Latin and Cyrillic.")
	}
	n.DisplayName = checkDisplayName(f, n.DisplayName, n.Username)
	n.Email = checkEmail(f, n.Email)
	names, err := s.namesOf(ctx, n.Username, n.DisplayName, n.Email)
	if err != nil {
		return n, "", err
	}
	checkPassword(f, n.Password, names...)
	for _, rule := range rules {
		rule(f, n)
	}
	if err := f.err(accountNotMade); err != nil {
		return n, "", err
	}
	hash, err = s.hash(ctx, n.Password)
	return n, hash, err
}

func (s *Store) hash(ctx context.Context, password string) (string, error) {
	release, err := s.hashingSlot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return hashPassword(password), nil
}

// insertOnce gives the account that is there already where the hash is its own: nobody else has that salt, so this is
// the transaction run again after a commit whose answer was lost.
func (s *Store) insertOnce(ctx context.Context, q *queries.Queries, n NewUser, hash string) (_ User, again bool, _ error) {
	row, err := q.UserByKey(ctx, usernameKey(n.Username))
	if err != nil && !noRow(err) {
		return User{}, false, err
	}
	if err == nil && row.PasswordHash == hash {
		return userOf(row), true, nil
	}
	user, err := s.insertVouched(ctx, q, n, hash)
	return user, false, err
}

// insertVouched is insertUser by an admin, who answers for the e-mail address.
func (s *Store) insertVouched(ctx context.Context, q *queries.Queries, n NewUser, hash string) (User, error) {
	user, err := s.insertUser(ctx, q, n, hash)
	if err != nil || user.Email == "" {
		return user, err
	}
	return vouch(ctx, q, user.CreatedAt, user)
}

// insertUser leaves the e-mail address unconfirmed.
func (s *Store) insertUser(ctx context.Context, q *queries.Queries, n NewUser, hash string) (User, error) {
	row := queries.CreateUserParams{
		Username: n.Username, UsernameKey: usernameKey(n.Username),
		DisplayName: n.DisplayName, SearchKey: searchKey(n.Username, n.DisplayName),
		Email: nullString(n.Email), EmailKey: nullString(canonical(n.Email)),
		PasswordHash: hash, IsAdmin: n.IsAdmin, CreatedAt: s.now(),
	}
	id, err := q.CreateUser(ctx, row)
	if duplicateKey(err) {
		return User{}, whichIsTaken(ctx, q, row.UsernameKey)
	}
	if err == nil {
		err = neverTaken(ctx, q, row.UsernameKey)
	}
	if err == nil {
		err = takeSkeleton(ctx, q, uint64(id), n.Username)
	}
	if err != nil {
		return User{}, err
	}
	return User{ID: uint64(id), Username: n.Username, DisplayName: n.DisplayName, Email: n.Email, IsAdmin: n.IsAdmin, CreatedAt: row.CreatedAt, passwordHash: hash}, nil
}

const usernameTaken = "Somebody has this username already. Choose another."

const emailTaken = "Another account has this e-mail address."

func whichIsTaken(ctx context.Context, q *queries.Queries, key []byte) error {
	f := fields{}
	_, err := q.UserByKey(ctx, key)
	switch {
	case err == nil:
		f.add("username", usernameTaken)
	case noRow(err):
		f.add("email", emailTaken)
	default:
		return err
	}
	return f.err(accountNotMade)
}

func nullString(text string) sql.NullString { return sql.NullString{String: text, Valid: text != ""} }

// UserByName finds an account by username without regard to case, disabled ones too.
func (s *Store) UserByName(ctx context.Context, username string) (User, error) {
	row, err := s.q.UserByKey(ctx, usernameKey(username))
	if err != nil {
		return User{}, fault(err, nobodyCalled(username))
	}
	return userOf(row), nil
}

// forgetUser has whatever changed of an account be seen at once, on this node.
func (s *Store) forgetUser(id uint64) {
	s.SessionEnded(id, nil) // or goes on with another name
	s.people.memory.forget(func(_ string, row queries.User) bool { return row.ID == id })
	s.viewers.memory.forget(func(_ string, row queries.ViewersByIDRow) bool { return row.ID == id })
}

func nobodyCalled(username string) string {
	return "There is nobody called " + truncate(username, maxUsername) + "."
}

// AnyUser says whether there is an account at all.
func (s *Store) AnyUser(ctx context.Context) (bool, error) {
	found, err := s.q.AnyUser(ctx)
	return found, fault(err, "")
}

// UserQuery asks for a part of the directory.
type UserQuery struct {
	Search string // words that username and display name must hold, in this order; "" for everybody
	After  string // a cursor, "" for the first page
	Limit  int    // default 30
}

// defaultUsers fills a tall window and a little more.
const defaultUsers = 30

// Users is the directory: everybody but the viewer and the disabled, by username.
func (s *Store) Users(ctx context.Context, viewer User, q UserQuery) (Page[User], error) {
	after, err := decodeCursor(q.After)
	if err != nil {
		return Page[User]{}, err
	}
	limit := clampLimit(q.Limit, defaultUsers)
	rows, err := s.q.ListUsers(ctx, queries.ListUsersParams{
		After: []byte(after), Pattern: likePattern(q.Search), Viewer: viewer.ID, Limit: int32(limit + 1),
	})
	return userPage(rows, limit, err)
}

func userPage(rows []queries.User, limit int, err error) (Page[User], error) {
	if err != nil {
		return Page[User]{}, fault(err, "")
	}
	return pageOf(usersOf(rows), limit, func(u User) string { return encodeCursor(canonical(u.Username)) }), nil
}

// Authenticate finds the person who signs in. Whoever gives a wrong name, a wrong password or a disabled account
// gets the same error (kind Denied) after the same time. A password that was hashed in an older way is hashed anew.
func (s *Store) Authenticate(ctx context.Context, username, password string) (User, error) {
	for {
		user, again, err := s.authenticate(ctx, username, password)
		if err != nil || !again {
			return user, err
		}
	}
}

// authenticate wants another try where somebody else has changed the password meanwhile, or hashed it anew.
func (s *Store) authenticate(ctx context.Context, username, password string) (_ User, again bool, _ error) {
	row, err := s.q.UserByKey(ctx, usernameKey(username))
	if noRow(err) {
		row, err = queries.User{PasswordHash: noSuchUserHash, DisabledAt: sql.NullTime{Valid: true}}, nil
	}
	if err != nil {
		return User{}, false, fault(err, "")
	}
	release, err := s.hashingSlot(ctx)
	if err != nil {
		return User{}, false, err
	}
	defer release()
	matches, current := matchPassword(row.PasswordHash, password)
	if !matches || row.DisabledAt.Valid {
		return User{}, false, wrongPassword()
	}
	if !current {
		return s.hashAnew(ctx, row, password)
	}
	return userOf(row), false, nil
}

func (s *Store) hashAnew(ctx context.Context, row queries.User, password string) (_ User, again bool, _ error) {
	was := row.PasswordHash
	row.PasswordHash = hashPassword(password)
	n, err := s.q.ReplacePassword(ctx, queries.ReplacePasswordParams{Hash: row.PasswordHash, ID: row.ID, Was: was})
	return userOf(row), n == 0, fault(err, "")
}

func wrongPassword() error {
	return &Error{Kind: Denied, Text: "The username or the password is wrong.", wrong: true}
}
