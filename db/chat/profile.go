package chat

import (
	"context"

	"parley/queries"
)

// ProfileEdit is what somebody changes of how others see them; what is nil stays.
type ProfileEdit struct {
	DisplayName *string // "" makes it the username again
}

// Profile gives somebody's own account, with the e-mail address.
func (s *Store) Profile(ctx context.Context, actor Actor) (User, error) {
	row, err := s.q.UserByID(ctx, actor.User.ID)
	return userOf(row), fault(err, nothingHere)
}

// EditProfile changes how others see the actor. An Invalid error names the field display_name, and then nothing was
// changed.
func (s *Store) EditProfile(ctx context.Context, actor Actor, e ProfileEdit) (user User, err error) {
	if err := e.check(actor.User.Username); err != nil {
		return User{}, err
	}
	err = s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		user, err = t.editProfile(ctx, e)
		return err
	})
	if err == nil {
		s.forgetUser(user.ID)
	}
	return user, err
}

func (e *ProfileEdit) check(username string) error {
	f := fields{}
	if e.DisplayName != nil {
		name := checkDisplayName(f, *e.DisplayName, username)
		e.DisplayName = &name
	}
	return f.err(nothingChanged)
}

func (t ownTx) editProfile(ctx context.Context, e ProfileEdit) (User, error) {
	user := userOf(t.row)
	if e.DisplayName == nil || *e.DisplayName == user.DisplayName {
		return user, nil
	}
	if err := mayBeCalled(ctx, t.q, user, *e.DisplayName); err != nil {
		return User{}, err
	}
	user.DisplayName = *e.DisplayName
	return user, t.q.UpdateUser(ctx, queries.UpdateUserParams{
		DisplayName: user.DisplayName, SearchKey: searchKey(user.Username, user.DisplayName),
		Email: t.row.Email, EmailKey: t.row.EmailKey, IsAdmin: t.row.IsAdmin, ID: t.row.ID,
	})
}
