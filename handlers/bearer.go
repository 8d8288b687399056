package handlers

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gorilla/sessions"

	"parley/db/chat"
)

// bearerOf is the access token that a request brings, "" where it brings none: RFC 6750 section 2.1.
func bearerOf(c *fiber.Ctx) string {
	authorization := c.Request().Header.Peek(fiber.HeaderAuthorization)
	scheme, token, _ := bytes.Cut(authorization, []byte(" "))
	if !bytes.EqualFold(scheme, []byte("Bearer")) {
		return ""
	}
	if token = bytes.TrimSpace(token); len(token) == 0 {
		return "none" // which is no token
	}
	return string(token)
}

// bearing says whether a program asks under a token.
func bearing(c *fiber.Ctx) bool {
	const scheme = "Bearer"
	authorization := c.Request().Header.Peek(fiber.HeaderAuthorization)
	return len(authorization) >= len(scheme) && strings.EqualFold(string(authorization[:len(scheme)]), scheme)
}

// challenge says how to authenticate: RFC 9110 section 11.6.1, and RFC 6750 section 3 where a token didn't hold.
func challenge(c *fiber.Ctx) string {
	if bearing(c) {
		return `Bearer realm="Parley", error="invalid_token"`
	}
	return `Bearer realm="Parley"`
}

var (
	errTwoIdentities = &refusal{status: http.StatusBadRequest, text: "The request brings both an access token and the cookie of a session, so it isn't clear who asks. Send one of them."}
	errReadOnly      = &refusal{status: http.StatusForbidden, text: "This access token may only read. Make one that may write at /account/tokens."}
	errNotByToken    = &refusal{status: http.StatusForbidden, text: "An access token can't be used here: signing in, and whatever changes how somebody signs in, takes a person who is signed in."}
)

// identifyProgram is identify for whoever brings an access token. Where it comes together with the cookie of a session, a
// page of another site may have had a hand in the request; so the two don't go together.
func (s *Server) identifyProgram(c *fiber.Ctx) error {
	if c.Cookies(s.sessions.name) != "" {
		return errTwoIdentities
	}
	found, err := s.Store.SessionByAccessToken(c.UserContext(), bearerOf(c), clientIP(c))
	if chat.KindOf(err) == chat.NotFound {
		return &refusal{status: http.StatusUnauthorized, text: err.Error()}
	}
	if err != nil {
		return err
	}
	session := sessions.NewSession(s.sessions, s.sessions.name)
	session.IsNew, session.Values[sessionValue] = false, found
	c.Locals(sessionKey, session)
	if err := mayByToken(c, found.Scope); err != nil {
		return err
	}
	return c.Next()
}

// closedToTokens are addresses with all that is below them that take a person: signing in, and what anybody signs in with. A token
// that was stolen can't be made into more than it was, and is worth nothing once it is revoked.
var closedToTokens = []string{"/login", "/logout", "/signup", "/setup", "/password", "/email", "/account/factors"}

// readByTokens are those that programs may look at.
var readByTokens = []string{
	"/account/password", "/account/email", "/account/devices", "/account/tokens", "/account/invitations", "/account/export", "/account/delete", "/admin/users",
}

// mayByToken refuses what a token must not do.
func mayByToken(c *fiber.Ctx, scope chat.Scope) error {
	isBelow := func(address string) bool { return c.Path() == address || strings.HasPrefix(c.Path(), address+"/") }
	if slices.ContainsFunc(closedToTokens, isBelow) || !safe(c) && slices.ContainsFunc(readByTokens, isBelow) {
		return errNotByToken
	}
	if scope != chat.ScopeWrite && !safe(c) {
		return errReadOnly
	}
	return nil
}
