package chat

import (
	"context"
	"strconv"

	"parley/queries"
)

// defaultInvitations is about two screens.
const defaultInvitations = 30

// Invitations lists those that the actor has made, newest first, from a cursor on ("" for the newest). A limit of 0 is the
// default.
func (s *Store) Invitations(ctx context.Context, actor Actor, after string, limit int) (Page[Invitation], error) {
	limit = clampLimit(limit, defaultInvitations)
	return s.invitationPage(ctx, after, limit, func(before uint64) (all []Invitation, _ error) {
		rows, err := s.q.ListInvitations(ctx, queries.ListInvitationsParams{CreatorID: actor.User.ID, BeforeID: before, Limit: int32(limit + 1)})
		for _, row := range rows {
			all = append(all, invitationOf(row.Invitation, row.Username, row.DisplayName))
		}
		return all, err
	})
}

// AllInvitations is Invitations of everybody, for admins.
func (s *Store) AllInvitations(ctx context.Context, actor Actor, after string, limit int) (Page[Invitation], error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Page[Invitation]{}, err
	}
	limit = clampLimit(limit, defaultInvitations)
	return s.invitationPage(ctx, after, limit, func(before uint64) (all []Invitation, _ error) {
		rows, err := s.q.ListAllInvitations(ctx, queries.ListAllInvitationsParams{BeforeID: before, Limit: int32(limit + 1)})
		for _, row := range rows {
			all = append(all, invitationOf(row.Invitation, row.Username, row.DisplayName))
		}
		return all, err
	})
}

func (s *Store) invitationPage(ctx context.Context, after string, limit int, list func(before uint64) ([]Invitation, error)) (Page[Invitation], error) {
	before, err := auditCursor(after)
	if err != nil {
		return Page[Invitation]{}, err
	}
	all, err := list(before)
	if err != nil {
		return Page[Invitation]{}, fault(err, "")
	}
	page := pageOf(all, limit, func(i Invitation) string { return encodeCursor(strconv.FormatUint(i.ID, 10)) })
	return page, fault(s.addUses(ctx, page.Items), "")
}

// addUses says of each who came by it.
func (s *Store) addUses(ctx context.Context, invitations []Invitation) error {
	place := map[uint64]*Invitation{}
	var ids []uint64
	for i := range invitations {
		if invitations[i].Uses > 0 {
			place[invitations[i].ID] = &invitations[i]
			ids = append(ids, invitations[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := s.q.ListInvitationUses(ctx, queries.Padded(ids))
	for _, row := range rows {
		used := place[row.InvitationID]
		used.UsedBy = append(used.UsedBy, InvitationUse{User: User{Username: row.Username, DisplayName: row.DisplayName}, At: row.UsedAt})
	}
	return err
}

func (s *Store) withUses(ctx context.Context, i Invitation, err error) (Invitation, error) {
	if err != nil {
		return i, fault(err, "")
	}
	one := []Invitation{i}
	err = s.addUses(ctx, one)
	return one[0], fault(err, "")
}

// RevokeInvitation takes back an invitation of the actor's own. One that is over is no error.
func (s *Store) RevokeInvitation(ctx context.Context, actor Actor, id uint64) (i Invitation, err error) {
	err = s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		row, err := t.q.LockInvitation(ctx, id)
		if err == nil && row.CreatorID != t.row.ID {
			return notFound(nothingHere)
		}
		if err != nil {
			return fault(err, nothingHere)
		}
		i = invitationOf(row, t.row.Username, t.row.DisplayName)
		return s.revoke(ctx, t.q, t.actor, &i)
	})
	return s.withUses(ctx, i, err)
}

// RevokeAnyInvitation takes back anybody's invitation, for admins.
func (s *Store) RevokeAnyInvitation(ctx context.Context, actor Actor, id uint64) (i Invitation, err error) {
	err = s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		row, err := t.q.LockInvitation(ctx, id)
		if err != nil {
			return fault(err, nothingHere)
		}
		creator, err := t.q.UserByID(ctx, row.CreatorID)
		if err != nil {
			return fault(err, nothingHere)
		}
		i = invitationOf(row, creator.Username, creator.DisplayName)
		return s.revoke(ctx, t.q, t.actor, &i)
	})
	return s.withUses(ctx, i, err)
}

func (s *Store) revoke(ctx context.Context, q *queries.Queries, actor Actor, i *Invitation) error {
	if !i.RevokedAt.IsZero() {
		return nil
	}
	i.RevokedAt = s.now()
	if err := q.RevokeInvitation(ctx, queries.RevokeInvitationParams{RevokedAt: nullTime(i.RevokedAt), ID: i.ID}); err != nil {
		return err
	}
	return record(ctx, q, i.RevokedAt, actor, deed{action: AuditUninvite, subject: i.CreatedBy.ID, detail: i.Note})
}
