package chat

import (
	"context"
	"slices"
	"time"

	"parley/queries"
)

// ImportUser is somebody to be imported. Username and e-mail address together say who that is: the account that has
// both is theirs, and one that has the username alone is somebody else's.
type ImportUser struct {
	Username, DisplayName, Email string
	IsAdmin                      bool
	CreatedAt                    time.Time // before the first message
}

// Check says whether the rules let the account be stored as it is: an Invalid error names the fields username,
// display_name and email, also where CreateUser would have put them in another form.
func (u ImportUser) Check() error {
	const otherForm = "This would be stored in another form."
	f := fields{}
	if checkUsername(f, u.Username) != u.Username {
		f.add("username", otherForm)
	}
	if checkDisplayName(f, u.DisplayName, u.Username) != u.DisplayName {
		f.add("display_name", otherForm)
	}
	if checkEmail(f, u.Email) != u.Email || u.Email == "" {
		f.add("email", otherForm)
	}
	return f.err("The account of " + u.Username + " wasn't imported.")
}

// ImportedUsers are people after an import.
type ImportedUsers struct {
	Users []User   // those who are there, in the order in which they were given, the disabled too
	Taken []string // usernames, as stored, that other accounts have, so that nobody was imported under them
	Made  int      // how many of Users are new
}

// ImportedUsers finds those of the users who are there. It changes nothing.
func (s *Store) ImportedUsers(ctx context.Context, users []ImportUser) (ImportedUsers, error) {
	found, err := findImported(ctx, s.db, users)
	return found, Fault(err)
}

// Users makes the accounts that are not there yet, some thousand at most: they share one transaction. Given again, they
// are found and nobody is made. Those who are there keep all but the password, which becomes the Importer's; if that is
// a change, their sessions end and their windows are told. Other accounts are left alone. A name or an address that
// somebody got in this very moment is passed over, so there may be fewer Users and Taken than were given.
//
// No two of the users may have the same username or address. An Invalid error is that of ImportUser.Check. After any
// error the call may be made again.
func (i *Importer) Users(ctx context.Context, users []ImportUser) (ImportedUsers, error) {
	all, err := i.users(ctx, users)
	return all, Fault(err)
}

func (i *Importer) users(ctx context.Context, users []ImportUser) (ImportedUsers, error) {
	there, err := findImported(ctx, i.conn, users)
	if err != nil {
		return ImportedUsers{}, err
	}
	if err := i.choosePassword(ctx, there.Users); err != nil {
		return ImportedUsers{}, err
	}
	if err := i.setPasswords(ctx, there.Users); err != nil {
		return ImportedUsers{}, err
	}
	if len(there.Users)+len(there.Taken) == len(users) {
		return there, nil
	}
	if err := i.insertUsers(ctx, without(users, there)); err != nil {
		return ImportedUsers{}, err
	}
	// Looked up once more rather than counted on from the last ID: another account may have got a name meanwhile.
	all, err := findImported(ctx, i.conn, users)
	if err != nil {
		return all, err
	}
	all.Made = len(all.Users) - len(there.Users)
	return all, i.inTx(ctx, func(q *queries.Queries) error { return q.CreateSkeletons(ctx, skeletonsOf(all.Users)) })
}

// skeletonsOf are those of people whom an import has made. Where one is taken, FillSkeletons gives another.
func skeletonsOf(users []User) []queries.Skeleton {
	skeletons := make([]queries.Skeleton, len(users))
	for i, u := range users {
		skeletons[i] = queries.Skeleton{SkeletonKey: skeletonKey(u.Username), UserID: u.ID}
	}
	return skeletons
}

func findImported(ctx context.Context, db queries.DBTX, users []ImportUser) (all ImportedUsers, _ error) {
	if len(users) == 0 {
		return all, nil
	}
	order := map[string]int{}
	keys := make([][]byte, len(users))
	for i, u := range users {
		keys[i] = usernameKey(u.Username)
		order[string(keys[i])] = i
	}
	rows, err := queries.New(db).UsersByKey(ctx, keys)
	if err != nil {
		return all, err
	}
	var found []queries.User
	for _, u := range rows {
		if u.EmailKey.String == canonical(users[order[string(u.UsernameKey)]].Email) {
			found = append(found, u)
		} else {
			all.Taken = append(all.Taken, u.Username)
		}
	}
	slices.SortFunc(found, func(a, b queries.User) int { return order[string(a.UsernameKey)] - order[string(b.UsernameKey)] })
	all.Users = usersOf(found)
	return all, nil
}

// without gives those whose names no account has.
func without(users []ImportUser, there ImportedUsers) []ImportUser {
	gone := map[string]bool{}
	for _, u := range there.Users {
		gone[canonical(u.Username)] = true
	}
	for _, name := range there.Taken {
		gone[canonical(name)] = true
	}
	return slices.DeleteFunc(slices.Clone(users), func(u ImportUser) bool { return gone[canonical(u.Username)] })
}

// choosePassword settles the one hash that all imported people share. Hashing is slow on purpose: one for each of
// 100,000 people would take an hour. What it costs, that equal passwords can be seen to be equal, is no secret where
// everybody is given the same. A hash of the same password that is in use already stays.
func (i *Importer) choosePassword(ctx context.Context, found []User) (err error) {
	if i.hash != "" {
		return nil
	}
	if len(found) > 0 && passwordMatches(found[0].passwordHash, i.password) {
		i.hash = found[0].passwordHash
		return nil
	}
	i.hash, err = i.store.hash(ctx, i.password)
	return err
}

// setPasswords gives people of an earlier import the password of this one, and ends their sessions as every change of a
// password does.
func (i *Importer) setPasswords(ctx context.Context, found []User) error {
	var ids []uint64
	for _, u := range found {
		if u.passwordHash != i.hash {
			ids = append(ids, u.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	err := i.inTx(ctx, func(q *queries.Queries) error {
		if err := q.SetPasswords(ctx, queries.SetPasswordsParams{PasswordHash: i.hash, Ids: ids}); err != nil {
			return err
		}
		return q.DeleteSessionsOf(ctx, ids)
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		i.store.forgetUser(id)
		i.store.notifier.Notify(Event{Type: EventSessionEnded, To: id})
	}
	return nil
}

// insertUsers gives names and keys the same form as CreateUser.
func (i *Importer) insertUsers(ctx context.Context, users []ImportUser) error {
	rows := make([]queries.CreateUserParams, 0, len(users))
	for _, u := range users {
		if err := u.Check(); err != nil {
			return err
		}
		rows = append(rows, queries.CreateUserParams{
			Username: u.Username, UsernameKey: usernameKey(u.Username),
			DisplayName: u.DisplayName, SearchKey: searchKey(u.Username, u.DisplayName),
			Email: nullString(u.Email), EmailKey: nullString(canonical(u.Email)),
			PasswordHash: i.hash, IsAdmin: u.IsAdmin, CreatedAt: u.CreatedAt,
		})
	}
	return i.inTx(ctx, func(q *queries.Queries) error { return q.CreateUsers(ctx, rows) })
}
