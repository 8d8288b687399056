package handlers

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	contrib "github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// shape is one of the three answers that a URL has.
type shape int

const (
	page     shape = iota // a whole page, for a browser
	fragment              // a part of one, for htmx
	program               // JSON
)

// What there is to choose from, and first what is given to whoever accepts all of it. A program with an access token need not say
// that it wants no page. They are made once: every request asks several times.
var (
	toPeople   = []string{fiber.MIMETextHTML, fiber.MIMEApplicationJSON, fiber.MIMEApplicationJSONCharsetUTF8}
	toPrograms = []string{fiber.MIMEApplicationJSON, fiber.MIMEApplicationJSONCharsetUTF8, fiber.MIMETextHTML}
)

// shapeOf reads what the request asks for. A boosted link and a step back in the history want the whole page. A page's
// script opens WebSockets, and nobody would see a page that answers one.
func shapeOf(c *fiber.Ctx) shape {
	offers := toPeople
	if bearing(c) {
		offers = toPrograms
	}
	accepted := c.Accepts(offers...)
	switch {
	case strings.HasPrefix(accepted, fiber.MIMEApplicationJSON) || contrib.IsWebSocketUpgrade(c):
		return program
	case c.Get("HX-Request") == "true" && c.Get("HX-Boosted") != "true" && c.Get("HX-History-Restore-Request") != "true":
		return fragment
	default:
		return page
	}
}

// answer is one result in its three shapes. page is a function, since it costs look-ups that the others don't need.
type answer struct {
	status   int // default 200
	json     any
	fragment templ.Component
	page     func() (templ.Component, error)
}

func respond(c *fiber.Ctx, a answer) error {
	if a.status != 0 {
		c.Status(a.status)
	}
	switch shapeOf(c) {
	case program:
		return c.JSON(a.json)
	case fragment:
		return render(c, a.fragment)
	default:
		component, err := a.page()
		if err != nil {
			return err
		}
		return render(c, component)
	}
}

// render makes the whole HTML before it writes, so that a failure halfway is an error page and not half a page. It asks
// nobody anything, so a request whose time is over is still told so: templ renders nothing under a context that has ended.
func render(c *fiber.Ctx, component templ.Component) error {
	var html bytes.Buffer
	if err := component.Render(context.WithoutCancel(c.UserContext()), &html); err != nil {
		return err
	}
	c.Type("html", "utf-8")
	return c.Send(html.Bytes())
}

// zoneCookie holds the name of the browser's time zone, which a script on the page fills in.
const zoneCookie = "zone"

func (s *Server) viewing(c *fiber.Ctx) views.Viewing {
	v := views.Viewing{Viewer: viewer(c), Now: time.Now(), Zone: s.zoneOf(c)}
	looks, err := s.Store.Looks(c.UserContext(), v.Viewer)
	if err != nil {
		return v // it is no reason to show nothing
	}
	v.Viewer.Photo = looks.Photo
	if looks.TimeZone != nil {
		v.Zone = looks.TimeZone
	}
	return v
}

// zoneOf is the browser's time zone, for whoever has set none.
func (s *Server) zoneOf(c *fiber.Ctx) *time.Location {
	if zone := chat.Zone(c.Cookies(zoneCookie)); zone != nil {
		return zone
	}
	return s.TimeZone
}

// limitParam reads how long a page of a list shall be, 0 where nothing is said.
func limitParam(c *fiber.Ctx) (int, error) {
	text := c.Query("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, malformed("limit", "limit is a whole number from 1.")
	}
	return n, nil
}

// whole is a page that needs no look-ups of its own.
func whole(component templ.Component) func() (templ.Component, error) {
	return func() (templ.Component, error) { return component, nil }
}
