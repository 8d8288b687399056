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
	if slices.ContainsFunc(entrance, func(door string) bool { return c.Path() == door || strings.HasPrefix(c.Path(), door+"/") }) {
		return c.Next()
	}
	session := sessions.NewSession(s.sessions, s.sessions.name)
	session.IsNew, session.Values[sessionValue] = false, found
	c.Locals(sessionKey, session)
	if found.Scope != chat.ScopeWrite && !safe(c) {
		return errReadOnly
	}
	return c.Next()
}

// entrance are the addresses, with all that is below them, where it doesn't matter who somebody is: what they do rests on a
// password or a link. A token that holds makes no difference there.
var entrance = []string{"/login", "/signup", "/setup", "/password", "/email"}
