package handlers

import (
	"context"
	"math"
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

type invitationBody struct {
	ID          string     `json:"id"`
	CreatedBy   userBody   `json:"created_by"`
	Note        string     `json:"note"`
	Uses        int        `json:"uses"`
	UsesAllowed int        `json:"uses_allowed"`
	CreatedAt   timestamp  `json:"created_at"`
	ExpiresAt   timestamp  `json:"expires_at"`
	RevokedAt   *timestamp `json:"revoked_at"`
	UsedBy      []useBody  `json:"used_by"`
	Link        string     `json:"link,omitempty"` // where it was just made, and never again
}

type useBody struct {
	userBody
	UsedAt timestamp `json:"used_at"`
}

func invitationJSON(i chat.Invitation) invitationBody {
	return invitationBody{
		ID: strconv.FormatUint(i.ID, 10), CreatedBy: userJSON(i.CreatedBy), Note: i.Note, Uses: i.Uses, UsesAllowed: i.UsesAllowed,
		CreatedAt: timestamp(i.CreatedAt), ExpiresAt: timestamp(i.ExpiresAt), RevokedAt: optionalTime(i.RevokedAt),
		UsedBy: mapSlice(i.UsedBy, func(u chat.InvitationUse) useBody { return useBody{userJSON(u.User), timestamp(u.At)} }),
	}
}

func (s *Server) listOwnInvitations(c *fiber.Ctx) error {
	return s.respondWithInvitations(c, http.StatusOK, views.InvitationList{Done: c.Query("done")}, nil)
}

// respondWithInvitations answers with one's own, unless there is something else to say to a program.
func (s *Server) respondWithInvitations(c *fiber.Ctx, status int, l views.InvitationList, json any) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	place, err := s.Store.Place(c.UserContext())
	if err != nil {
		return err
	}
	found, err := s.Store.Invitations(c.UserContext(), actor(c), c.Query("after"), n)
	if err != nil {
		return err
	}
	l.Viewing, l.May, l.Invitations, l.Next = s.viewing(c), place.MayInvite(viewer(c)), found.Items, pageAfter(c, found.Next, "limit")
	if json == nil {
		json = listJSON(found.Items, l.Next, invitationJSON)
	}
	return s.respondInApp(c, status, pane{title: "Invitations", content: views.OwnInvitations(l)}, json)
}

// invite answers a browser with the page itself: an address to send it on to would have to hold the secret.
func (s *Server) invite(c *fiber.Ctx) error {
	var form struct {
		Note string  `json:"note" form:"note"`
		Days *uint64 `json:"days" form:"days"`
		Uses *uint64 `json:"uses" form:"uses"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	token, i, err := s.Store.CreateInvitation(c.UserContext(), actor(c), chat.NewInvitation{Note: form.Note, Days: count(form.Days), Uses: count(form.Uses)})
	if err == nil {
		link := s.publicURL(c) + views.WithQuery("/signup", "invite", token)
		body := invitationJSON(i)
		body.Link = link
		c.Set(fiber.HeaderLocation, "/account/invitations")
		return s.respondWithInvitations(c, http.StatusCreated, views.InvitationList{Link: link}, body)
	}
	if !showsForm(c, err) && (chat.KindOf(err) != chat.Forbidden || shapeOf(c) == program) {
		return err
	}
	p := s.noted(c, err)
	return s.respondWithInvitations(c, p.Status, views.InvitationList{Note: form.Note, Days: typedCount(form.Days), Uses: typedCount(form.Uses), Error: p.Detail, Errors: p.Errors}, nil)
}

// count gives 0 where nothing was sent, which stands for the default, and what no rule takes for 0 itself.
func count(sent *uint64) int {
	switch {
	case sent == nil:
		return 0
	case *sent == 0 || *sent > math.MaxInt32:
		return -1
	default:
		return int(*sent)
	}
}

func typedCount(sent *uint64) string {
	if sent == nil {
		return ""
	}
	return strconv.FormatUint(*sent, 10)
}

// publicURL is where people find this place: the base URL, or else the address that the request was sent to.
func (s *Server) publicURL(c *fiber.Ctx) string {
	if s.BaseURL != nil {
		return s.BaseURL.Scheme + "://" + s.BaseURL.Host
	}
	return c.BaseURL()
}

func (s *Server) revokeInvitation(c *fiber.Ctx) error {
	return revoke(c, "/account/invitations", s.Store.RevokeInvitation)
}

func (s *Server) revokeAnyInvitation(c *fiber.Ctx) error {
	return revoke(c, "/admin/invitations", s.Store.RevokeAnyInvitation)
}

func revoke(c *fiber.Ctx, back string, change func(context.Context, chat.Actor, uint64) (chat.Invitation, error)) error {
	id, err := strconv.ParseUint(c.Params("id"), 10, 63)
	if err != nil {
		return fiber.ErrNotFound
	}
	i, err := change(c.UserContext(), actor(c), id)
	if err != nil {
		return err
	}
	return answerChange(c, http.StatusOK, invitationJSON(i), back+"?done=revoked")
}

func (s *Server) listInvitations(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	found, err := s.Store.AllInvitations(c.UserContext(), actor(c), c.Query("after"), n)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "limit")
	content := views.AllInvitations(views.InvitationList{Viewing: s.viewing(c), Invitations: found.Items, Next: next, Done: c.Query("done")})
	return s.respondInApp(c, http.StatusOK, pane{title: "Invitations (admin)", content: content}, listJSON(found.Items, next, invitationJSON))
}
