package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// deviceBody is one of somebody's own sessions.
type deviceBody struct {
	ID         string    `json:"id"`
	Browser    string    `json:"browser"` // or program; "" where nothing is known of it, as with system
	System     string    `json:"system"`
	UserAgent  string    `json:"user_agent"`
	IP         string    `json:"ip"`
	SignedInAt timestamp `json:"signed_in_at"`
	LastSeenAt timestamp `json:"last_seen_at"`
	ExpiresAt  timestamp `json:"expires_at"`
	Current    bool      `json:"current"`
}

func deviceJSON(o chat.OpenSession) deviceBody {
	return deviceBody{
		ID: o.Name, Browser: o.Device.Browser(), System: o.Device.System(), UserAgent: o.Device.UserAgent, IP: o.Device.IP,
		SignedInAt: timestamp(o.SignedInAt), LastSeenAt: timestamp(o.SeenAt), ExpiresAt: timestamp(o.ExpiresAt), Current: o.Current,
	}
}

func (s *Server) listDevices(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	found, err := s.Store.OpenSessions(c.UserContext(), actor(c), sessionOf(c), c.Query("after"), n)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "limit")
	content := views.Devices(views.DeviceList{Viewing: s.viewing(c), Sessions: found.Items, First: c.Query("after") == "", Next: next, Done: c.Query("done")})
	return s.respondInApp(c, http.StatusOK, pane{title: "Your devices", content: content}, listJSON(found.Items, next, deviceJSON))
}

func (s *Server) endOtherDevices(c *fiber.Ctx) error {
	if err := s.Store.EndOtherSessions(c.UserContext(), actor(c), sessionOf(c)); err != nil {
		return err
	}
	return answerDone(c, "/account/devices?done=others")
}

// endDevice also ends the session that it is asked in; the next page is then that for signing in.
func (s *Server) endDevice(c *fiber.Ctx) error {
	if err := s.Store.EndOwnSession(c.UserContext(), actor(c), c.Params("id")); err != nil {
		return err
	}
	return answerDone(c, "/account/devices?done=one")
}

// answerDone answers what leaves nothing to show: a program with 204, a browser by sending it on.
func answerDone(c *fiber.Ctx, next string) error {
	if shapeOf(c) == program {
		return c.SendStatus(http.StatusNoContent)
	}
	return seeOther(c, next)
}
