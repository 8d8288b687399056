package chat

import (
	"context"

	"parley/queries"
)

const (
	signUpClosed  = "Accounts here are made by the admins. Ask one of them to make yours."
	signUpInvited = "This place takes new people by invitation. Ask somebody who is here already for one."
	inviteOver    = "This invitation can't be used any more: it was used up, has expired, or was taken back. Ask whoever sent it for a new one."
)

// SignUpOffer is what somebody finds who may sign up.
type SignUpOffer struct {
	Place     Place
	InvitedBy User // only username and display name; zero without an invitation
}

// MaySignUp says whether somebody may make an account for themself, with an invitation ("" for none). If not, it is
// Forbidden, with a text that says what to do.
func (s *Store) MaySignUp(ctx context.Context, invite string) (SignUpOffer, error) {
	place, err := s.Place(ctx)
	if err != nil {
		return SignUpOffer{}, err
	}
	invitation, err := s.admit(ctx, s.q, place.SignUp, invite)
	return SignUpOffer{Place: place, InvitedBy: invitation.CreatedBy}, fault(err, "")
}

// admit gives the invitation that lets somebody in, the zero one where none is needed and none given that works. Where
// nobody may sign up, an admin's invitation still holds: it is that admin's word.
func (s *Store) admit(ctx context.Context, q *queries.Queries, mode SignUp, invite string) (Invitation, error) {
	var found Invitation
	if invite != "" {
		row, err := q.InvitationByToken(ctx, tokenHash(invite))
		if err != nil && !noRow(err) {
			return found, err
		}
		good := err == nil && !row.DisabledAt.Valid && (mode != SignUpClosed || row.IsAdmin)
		if found = invitationOf(row.Invitation, row.Username, row.DisplayName); good && found.Open(s.now()) {
			return found, nil
		}
	}
	switch {
	case mode == SignUpOpen:
		return Invitation{}, nil
	case invite != "" && (mode == SignUpInvited || found.ID != 0):
		return Invitation{}, &Error{Kind: Forbidden, Text: inviteOver}
	case mode == SignUpInvited:
		return Invitation{}, &Error{Kind: Forbidden, Text: signUpInvited}
	default:
		return Invitation{}, &Error{Kind: Forbidden, Text: signUpClosed}
	}
}

// SignUp makes an account for whoever asks, if MaySignUp lets them. An Invalid error names the fields username,
// display_name, email and password. A username that is taken is said to be; the directory shows it anyway. Whether an
// e-mail address is anybody's is not said: see offerEmail.
func (s *Store) SignUp(ctx context.Context, from Actor, n NewUser, invite string) (user User, err error) {
	if _, err := s.MaySignUp(ctx, invite); err != nil {
		return User{}, err // before anything is hashed
	}
	n.IsAdmin = false
	n, hash, err := s.checkNewUser(ctx, n, notReserved)
	if err != nil {
		return User{}, err
	}
	err = s.inTx(ctx, func(ctx context.Context, q *queries.Queries) error {
		user, err = s.signUp(ctx, q, from, n, hash, invite)
		return err
	})
	s.wakeMail()
	return user, fault(err, "")
}

func notReserved(f fields, n NewUser) {
	if len(f["username"]) == 0 && isReserved(n.Username) {
		f.add("username", nameReserved)
	}
}

func (s *Store) signUp(ctx context.Context, q *queries.Queries, from Actor, n NewUser, hash, invite string) (User, error) {
	email := n.Email
	n.Email = ""
	place, err := readPlace(ctx, q)
	if err != nil {
		return User{}, err
	}
	user, again, err := s.insertOnce(ctx, q, n, hash)
	if err != nil || again {
		return user, err
	}
	if err := mayBeCalled(ctx, q, user, n.DisplayName); err != nil {
		return User{}, err
	}
	invitation, err := s.admit(ctx, q, place.SignUp, invite)
	if err != nil {
		return User{}, err
	}
	if err := s.useInvitation(ctx, q, invitation, user); err != nil {
		return User{}, err
	}
	if err := offerEmail(ctx, q, s.now(), queries.User{ID: user.ID}, email, from.IP); err != nil {
		return User{}, err
	}
	return user, s.logSignUp(ctx, q, Actor{User: user, IP: from.IP}, invitation)
}

// logSignUp names nobody in words: those are emptied for whom a line is about, and no others.
func (s *Store) logSignUp(ctx context.Context, q *queries.Queries, actor Actor, i Invitation) error {
	err := record(ctx, q, s.now(), actor, deed{action: AuditSignUp, subject: actor.User.ID})
	if err != nil || i.ID == 0 {
		return err
	}
	return record(ctx, q, s.now(), actor, deed{action: AuditUseInvite, subject: i.CreatedBy.ID})
}
