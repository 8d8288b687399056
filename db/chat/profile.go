package chat

import (
	"context"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/queries"
)

// Profile is somebody with what they say of themself.
type Profile struct {
	User
	About    string // a line, "" where nothing is said
	TimeZone string // an IANA name, "" for what the browser says; nobody else's to see
}

// maxAbout is the longest line about oneself in characters, as the column takes.
const maxAbout = 160

// ProfileEdit is what somebody changes of how others see them, and of how they see times; what is nil stays.
type ProfileEdit struct {
	DisplayName *string // "" makes it the username again
	About       *string
	TimeZone    *string
}

// Profile gives somebody's own profile, with the e-mail address.
func (s *Store) Profile(ctx context.Context, actor Actor) (Profile, error) {
	row, err := s.q.ProfileByID(ctx, actor.User.ID)
	return Profile{userOf(row.User), row.About, row.TimeZone}, fault(err, nothingHere)
}

// ProfileOf finds somebody's profile by username without regard to case, those of disabled accounts too.
func (s *Store) ProfileOf(ctx context.Context, username string) (Profile, error) {
	row, err := s.q.ProfileByKey(ctx, usernameKey(username))
	return Profile{userOf(row.User), row.About, row.TimeZone}, fault(err, nobodyCalled(username))
}

// EditProfile changes the actor's profile. An Invalid error names the fields display_name, about and time_zone, and then
// nothing was changed.
func (s *Store) EditProfile(ctx context.Context, actor Actor, e ProfileEdit) (profile Profile, err error) {
	if err := e.check(actor.User.Username); err != nil {
		return Profile{}, err
	}
	err = s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		profile, err = t.editProfile(ctx, e)
		return err
	})
	if err == nil {
		s.forgetUser(profile.ID)
	}
	return profile, err
}

func (e *ProfileEdit) check(username string) error {
	f := fields{}
	if e.DisplayName != nil {
		name := checkDisplayName(f, *e.DisplayName, username)
		e.DisplayName = &name
	}
	if e.About != nil {
		about := checkAbout(f, *e.About)
		e.About = &about
	}
	if e.TimeZone != nil && *e.TimeZone != "" && Zone(*e.TimeZone) == nil {
		f.add("time_zone", "This is no time zone that Parley knows, such as Europe/Berlin.")
	}
	return f.err(nothingChanged)
}

// checkAbout gives the line as it is stored.
func checkAbout(f fields, about string) string {
	about = norm.NFC.String(strings.Join(strings.Fields(about), " "))
	switch {
	case utf8.RuneCountInString(about) > maxAbout:
		f.add("about", "The line about you has at most 160 characters.")
	case strings.ContainsFunc(about, misleading):
		f.add("about", "The line about you can't hold control characters or characters that turn the direction of text.")
	}
	return about
}

// editProfile writes what differs, and a line in the audit log if anything does.
func (t ownTx) editProfile(ctx context.Context, e ProfileEdit) (Profile, error) {
	row, err := t.q.ProfileByID(ctx, t.row.ID)
	if err != nil {
		return Profile{}, err
	}
	before := Profile{userOf(row.User), row.About, row.TimeZone}
	p := e.applied(before)
	if p == before {
		return p, nil
	}
	if err := t.q.PutProfile(ctx, queries.PutProfileParams{UserID: p.ID, About: p.About, TimeZone: p.TimeZone}); err != nil {
		return Profile{}, err
	}
	if err := t.rename(ctx, p.DisplayName); err != nil {
		return Profile{}, err
	}
	return p, t.log(ctx, AuditEditProfile, "")
}

func (e ProfileEdit) applied(p Profile) Profile {
	for _, change := range []struct{ to, field *string }{{e.DisplayName, &p.DisplayName}, {e.About, &p.About}, {e.TimeZone, &p.TimeZone}} {
		if change.to != nil {
			*change.field = *change.to
		}
	}
	return p
}

func (t ownTx) rename(ctx context.Context, displayName string) error {
	if displayName == t.row.DisplayName {
		return nil
	}
	if err := mayBeCalled(ctx, t.q, userOf(t.row), displayName); err != nil {
		return err
	}
	return t.q.UpdateUser(ctx, queries.UpdateUserParams{
		DisplayName: displayName, SearchKey: searchKey(t.row.Username, displayName),
		Email: t.row.Email, EmailKey: t.row.EmailKey, IsAdmin: t.row.IsAdmin, ID: t.row.ID,
	})
}

// Looks is how pages look to whoever looks at them, beyond what the session says.
type Looks struct {
	Photo    PhotoID
	TimeZone *time.Location // nil where nothing is set
}

// viewersFor is how many times longer than other things Looks are remembered: 10 s by default. They change rarely, each
// page asks for them, and what was set on another node may take that long to show.
const viewersFor = 20

// Looks gives the viewer's own photo and time zone.
func (s *Store) Looks(ctx context.Context, viewer User) (Looks, error) {
	row, found, err := s.viewers.recall(ctx, viewerKey(viewer.ID))
	if err != nil || !found {
		return Looks{}, fault(orNoRow(err), nothingHere)
	}
	return Looks{Photo: photoID(row.Photo), TimeZone: Zone(row.TimeZone)}, nil
}

func viewerKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func (s *Store) findViewers(ctx context.Context, keys [][]byte) ([]queries.ViewersByIDRow, error) {
	ids := make([]uint64, len(keys))
	for i, k := range keys {
		ids[i] = binary.BigEndian.Uint64(k)
	}
	return s.q.ViewersByID(ctx, ids)
}
