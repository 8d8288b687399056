package chat

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/queries"
)

// Invitation is a link by which people can make themselves an account. Whose token it is isn't known any more once
// CreateInvitation has given it.
type Invitation struct {
	ID          uint64
	CreatedBy   User // only ID, username and display name
	Note        string
	Uses        int
	UsesAllowed int
	CreatedAt   time.Time
	ExpiresAt   time.Time
	RevokedAt   time.Time // zero unless it was taken back
	UsedBy      []InvitationUse
}

// InvitationUse is somebody who came by an invitation, with only username and display name.
type InvitationUse struct {
	User User
	At   time.Time
}

// Open says whether somebody can still use it, as far as it goes by itself: that whoever made it still may invite is for
// MaySignUp to say.
func (i Invitation) Open(at time.Time) bool {
	return i.Uses < i.UsesAllowed && i.RevokedAt.IsZero() && at.Before(i.ExpiresAt)
}

func invitationOf(row queries.Invitation, username, displayName string) Invitation {
	return Invitation{
		ID: row.ID, CreatedBy: User{ID: row.CreatorID, Username: username, DisplayName: displayName}, Note: row.Note,
		Uses: int(row.Uses), UsesAllowed: int(row.UsesAllowed), CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, RevokedAt: row.RevokedAt.Time,
	}
}

// Bounds of invitations: a link that goes astray lets in a bounded number of people for a bounded time, and a person's
// open ones can be looked through.
const (
	maxInvitationDays  = 90
	maxInvitationUses  = 100
	maxInvitationNote  = 100
	maxOpenInvitations = 100
)

// NewInvitation is what an invitation is made of. The zero value of Days and Uses stands for their defaults, 7 and 1.
type NewInvitation struct {
	Note string // for whom or what it is; may be empty
	Days int    // until it expires
	Uses int    // how many people can use it
}

func (n *NewInvitation) check() error {
	f := fields{}
	n.Note = norm.NFC.String(strings.Join(strings.Fields(n.Note), " "))
	switch {
	case utf8.RuneCountInString(n.Note) > maxInvitationNote:
		f.add("note", "A note has at most 100 characters.")
	case strings.ContainsFunc(n.Note, misleading):
		f.add("note", "A note can't hold control characters or characters that turn the direction of text.")
	}
	if n.Days == 0 {
		n.Days = 7
	}
	if n.Days < 1 || n.Days > maxInvitationDays {
		f.add("days", "An invitation is good for 1 to 90 days.")
	}
	if n.Uses == 0 {
		n.Uses = 1
	}
	if n.Uses < 1 || n.Uses > maxInvitationUses {
		f.add("uses", "An invitation is for 1 to 100 people.")
	}
	return f.err(notInvited)
}

const notInvited = "No invitation was made."

// MayInvite says whether somebody can make invitations: admins always, everybody else unless the admins make all accounts.
func (p Place) MayInvite(user User) bool { return user.IsAdmin || p.SignUp != SignUpClosed }

// CreateInvitation makes an invitation and gives its token, which is stored nowhere. An Invalid error names the fields
// note, days and uses; to whom MayInvite says no it is Forbidden.
func (s *Store) CreateInvitation(ctx context.Context, actor Actor, n NewInvitation) (token string, i Invitation, err error) {
	if err := n.check(); err != nil {
		return "", i, err
	}
	token, hash := newToken()
	err = s.asSelfInSession(ctx, actor, func(ctx context.Context, t ownTx) error {
		i, err = t.invite(ctx, hash, n)
		return err
	})
	return token, i, fault(err, "")
}

// invite runs again only after a commit whose answer was lost when the hash is there: nobody else has it.
func (t ownTx) invite(ctx context.Context, hash []byte, n NewInvitation) (Invitation, error) {
	user := userOf(t.row)
	if row, err := t.q.InvitationByToken(ctx, hash); err == nil || !noRow(err) {
		return invitationOf(row.Invitation, user.Username, user.DisplayName), err
	}
	if err := t.mayInvite(ctx, user); err != nil {
		return Invitation{}, err
	}
	row := queries.Invitation{
		TokenHash: hash, CreatorID: user.ID, Note: n.Note, UsesAllowed: uint32(n.Uses),
		CreatedAt: t.at, ExpiresAt: t.at.AddDate(0, 0, n.Days),
	}
	id, err := t.q.CreateInvitation(ctx, queries.CreateInvitationParams{
		TokenHash: row.TokenHash, CreatorID: row.CreatorID, Note: row.Note, UsesAllowed: row.UsesAllowed, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt,
	})
	if err != nil {
		return Invitation{}, err
	}
	row.ID = uint64(id)
	return invitationOf(row, user.Username, user.DisplayName), t.log(ctx, AuditInvite, n.Note)
}

func (t ownTx) mayInvite(ctx context.Context, user User) error {
	place, err := readPlace(ctx, t.q)
	if err != nil {
		return err
	}
	if !place.MayInvite(user) {
		return &Error{Kind: Forbidden, Text: "Only admins invite people to this place."}
	}
	open, err := t.q.CountOpenInvitations(ctx, queries.CountOpenInvitationsParams{CreatorID: user.ID, Now: t.at})
	if err == nil && open >= maxOpenInvitations {
		return &Error{Kind: Invalid, Text: notInvited + " You have 100 open ones: revoke some that nobody needs."}
	}
	return err
}

// useInvitation counts a use. It holds the row's lock from then on, so of several who use the last one only one succeeds.
func (s *Store) useInvitation(ctx context.Context, q *queries.Queries, i Invitation, user User) error {
	if i.ID == 0 {
		return nil
	}
	used, err := q.UseInvitation(ctx, queries.UseInvitationParams{ID: i.ID, Now: s.now()})
	if err != nil {
		return err
	}
	if used == 0 {
		return &Error{Kind: Forbidden, Text: inviteOver}
	}
	return q.CreateInvitationUse(ctx, queries.CreateInvitationUseParams{InvitationID: i.ID, UserID: user.ID, UsedAt: s.now()})
}
