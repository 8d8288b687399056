package handlers

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	"github.com/google/uuid"

	"parley/views"
)

// Only string-keyed locals survive the upgrade to a WebSocket.
const (
	requestIDKey = "request-id"
	sessionKey   = "session"
	windowKey    = "window"
)

// validRequestID says whether it is what a proxy may hand on; anything else could forge lines in the log.
func validRequestID(id string) bool {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	return len(id) >= 8 && len(id) <= 64 && !strings.ContainsFunc(id, strange)
}

// prepared gives every answer what none may lack.
func prepared(c *fiber.Ctx) error {
	nameRequest(c)
	setSecurityHeaders(c)
	return c.Next()
}

// nameRequest gives the request its ID, in the answer's header and in every line of the log.
func nameRequest(c *fiber.Ctx) {
	id := requestIDOf(c)
	if id == "" {
		id = c.Get(fiber.HeaderXRequestID)
	}
	if !validRequestID(id) {
		id = uuid.NewString()
	}
	c.Locals(requestIDKey, id)
	c.Set(fiber.HeaderXRequestID, id)
}

func requestIDOf(c *fiber.Ctx) string {
	id, _ := c.Locals(requestIDKey).(string)
	return id
}

// accessLog writes one line a request: the path, usernames and message IDs among it, and never the query, since that can
// hold what people search for.
func (s *Server) accessLog(c *fiber.Ctx) error {
	start := time.Now()
	if err := c.Next(); err != nil {
		if err := s.fail(c, err); err != nil {
			return err
		}
	}
	if !s.Logger.Enabled(c.UserContext(), slog.LevelDebug) {
		return nil
	}
	s.Logger.LogAttrs(c.UserContext(), slog.LevelDebug, "request",
		slog.String("request", requestIDOf(c)), slog.String("method", c.Method()), slog.String("path", loggedPath(c.Path())),
		slog.Int("status", c.Response().StatusCode()), slog.Duration("took", time.Since(start)),
		slog.String("ip", clientIP(c)), slog.Uint64("user", viewer(c).ID))
	return nil
}

// secretPaths are where what follows is a secret: links that do something for whoever has them.
var secretPaths = []string{views.ResetPath, views.ConfirmPath, views.SetupPath}

// secretIn gives the part of a path before the secret that it holds, "" where it holds none. A path that somebody wrote
// in another way, and that leads nowhere, counts too.
func secretIn(path string) (before string) {
	for _, before := range secretPaths {
		if i := strings.Index(path, before); i >= 0 {
			return path[:i+len(before)]
		}
	}
	return ""
}

// loggedPath is as much of a path as may be written down.
func loggedPath(path string) string {
	if before := secretIn(path); before != "" {
		return before + "…"
	}
	return path
}

// contain keeps a panic to its request.
func (s *Server) contain(c *fiber.Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return c.Next()
}

// The Content-Security-Policy allows our own files and nothing else: no inline script or style, no framing, no forms
// to elsewhere. Source: OWASP Content Security Policy Cheat Sheet (strict policy), OWASP HTTP Headers Cheat Sheet.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// securityHeaders go with every answer, under their canonical names.
var securityHeaders = [][2][]byte{
	{[]byte(fiber.HeaderContentSecurityPolicy), []byte(contentSecurityPolicy)},
	{[]byte(fiber.HeaderXContentTypeOptions), []byte("nosniff")},
	{[]byte(fiber.HeaderXFrameOptions), []byte("DENY")},
	{[]byte(fiber.HeaderReferrerPolicy), []byte("same-origin")},
	{[]byte(fiber.HeaderPermissionsPolicy), []byte("camera=(), microphone=(), geolocation=(), payment=(), usb=()")},
	{[]byte("Cross-Origin-Opener-Policy"), []byte("same-origin")},
	{[]byte("Cross-Origin-Resource-Policy"), []byte("same-origin")},
}

func setSecurityHeaders(c *fiber.Ctx) {
	for _, h := range securityHeaders {
		c.Response().Header.SetCanonical(h[0], h[1])
	}
	if secretIn(c.Path()) != "" {
		c.Set(fiber.HeaderReferrerPolicy, secretReferrer)
	}
}

// secretReferrer keeps a page whose address is a secret from telling it to anybody, ourselves included, since proxies log
// Referer. It isn't "no-referrer": with that, browsers send "Origin: null" with the page's form (Fetch Standard, "append a
// request Origin header"), and where Parley is reached without TLS, so that they leave out Sec-Fetch-Site, sameOrigin
// would refuse it.
const secretReferrer = "strict-origin"

// private keeps what people read out of every cache.
func private(c *fiber.Ctx) error {
	setPrivate(c)
	return c.Next()
}

// setPrivate also says that one URL has several answers, to caches on the way that store all the same.
func setPrivate(c *fiber.Ctx) {
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderVary, "Accept, HX-Request")
}

// compressed makes pages smaller on the wire. A page holds no secret that a guess reflected in it could find out by its
// size. WebSockets are left alone.
var compressed = compress.New(compress.Config{
	Level: compress.LevelBestSpeed,
	Next: func(c *fiber.Ctx) bool {
		return c.Path() == "/ws" || c.Path() == auditExportPath || c.Path() == "/account/export" && !safe(c) // a ZIP file is small already
	},
})

// requestTime is how long a request may wait for the database. It is longer than a send goes on trying, and shorter than
// the time for writing the answer. Tests make it short.
var requestTime = 10 * time.Second

// bounded gives the request its time: a database that stands still costs each request that long and no more. A window
// lives on after it, since it asks the database nothing.
func bounded(c *fiber.Ctx) error {
	whole := c.UserContext()
	ctx, cancel := context.WithTimeout(whole, requestTime)
	defer cancel()
	c.SetUserContext(ctx)
	defer c.SetUserContext(whole) // an error is rendered further out, when this time may be over
	return c.Next()
}

// sameOrigin refuses what another site makes a browser send, by Fetch-Metadata and Origin. A program sends neither and
// passes: it has no cookie that somebody else could use. Nor has one with an access token, which no page of another site
// can add to a request without being allowed to.
func (s *Server) sameOrigin(c *fiber.Ctx) error {
	program := bearing(c) && c.Cookies(s.sessions.name) == ""
	if !safe(c) && !program && s.origin.Check(plainRequest(c)) != nil {
		return fiber.ErrForbidden
	}
	return c.Next()
}

// safe says whether the request asks to change nothing: RFC 9110 section 9.2.1. Those may come from other sites.
func safe(c *fiber.Ctx) bool {
	switch c.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return true
	}
	return false
}

// ownOrigin refuses WebSockets from other sites. Browsers send Origin with each, and a page of another site may open
// one with our cookie; so a request without Origin is refused too, unless it comes under an access token.
func (s *Server) ownOrigin(c *fiber.Ctx) error {
	if bearing(c) && c.Get(fiber.HeaderOrigin) == "" {
		return c.Next()
	}
	origin, err := url.Parse(c.Get(fiber.HeaderOrigin))
	if err != nil || origin.Host == "" || (origin.Scheme != "http" && origin.Scheme != "https") {
		return fiber.ErrForbidden
	}
	public := s.BaseURL != nil && origin.Scheme == s.BaseURL.Scheme && origin.Host == s.BaseURL.Host
	if !public && origin.Host != string(c.Context().Host()) {
		return fiber.ErrForbidden
	}
	return c.Next()
}

// plainRequest is the part of the request that net/http's and gorilla's functions look at. It holds copies: an adapter
// would hand on buffers that the next request overwrites.
func plainRequest(c *fiber.Ctx) *http.Request {
	header := http.Header{}
	for _, name := range []string{"Sec-Fetch-Site", fiber.HeaderOrigin, fiber.HeaderCookie} {
		if value := c.Get(name); value != "" {
			header.Set(name, value)
		}
	}
	r := &http.Request{
		Method: c.Method(), Host: string(c.Context().Host()), Header: header, URL: &url.URL{Path: c.Path()},
		RemoteAddr: clientIP(c), // the audit log has it
	}
	return r.WithContext(c.UserContext())
}
