package handlers

import (
	"crypto/rand"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/handlers/passkey"
	"parley/views"
)

// site is what passkeys are for at the address of this request, if they can be.
func (s *Server) site(c *fiber.Ctx) (*passkey.Site, bool) {
	return passkey.At(s.BaseURL, string(c.Context().Host()), "Parley")
}

func noPasskeysHere() error {
	return &chat.Error{Kind: chat.Invalid, Text: "Passkeys need an address with a name that begins with https; this one isn’t."}
}

// askPasskey gives a script what to ask a passkey: as second factor one of somebody's, who has given their password, and
// otherwise whichever the person chooses.
func (s *Server) askPasskey(c *fiber.Ctx) error {
	var form struct {
		SecondFactor bool `json:"second_factor" form:"second_factor"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	site, ok := s.site(c)
	if !ok {
		return noPasskeysHere()
	}
	signIn, err := s.signInFor(c, form.SecondFactor)
	if err != nil {
		return err
	}
	var options any
	var state []byte
	if signIn.User.ID == 0 {
		options, state, err = site.AskAnybody()
	} else {
		options, state, err = site.Ask(signIn.User, signIn.Factors.Passkeys)
	}
	if err != nil {
		return err
	}
	return s.begin(c, signIn.Hash, options, state)
}

// signInFor is the one that waits, or a new one that waits for a passkey alone.
func (s *Server) signInFor(c *fiber.Ctx, second bool) (signIn chat.SignIn, err error) {
	if second {
		signIn, err = s.Store.SignInByToken(c.UserContext(), c.Cookies(s.signInCookie()))
		if err == nil && len(signIn.Factors.Passkeys) == 0 {
			err = &chat.Error{Kind: chat.Denied, Text: "There is no passkey to ask. Sign in again."}
		}
		return signIn, err
	}
	token, signIn, err := s.Store.BeginSignIn(c.UserContext(), chat.User{})
	if err == nil {
		s.setSignIn(c, token)
	}
	return signIn, err
}

// begin remembers what is asked and says it. There is nothing in it for a page.
func (s *Server) begin(c *fiber.Ctx, owner []byte, options any, state []byte) error {
	if err := s.Store.BeginCeremony(c.UserContext(), owner, state); err != nil {
		return err
	}
	return c.JSON(options)
}

func (s *Server) askNewPasskey(c *fiber.Ctx) error {
	var form factorForm
	if err := parse(c, &form); err != nil {
		return err
	}
	site, ok := s.site(c)
	if !ok {
		return noPasskeysHere()
	}
	err := s.guessing(c, viewer(c).Username, func() error { return s.Store.ConfirmPassword(c.UserContext(), actor(c), form.Password) })
	if err != nil {
		return err
	}
	factors, err := s.Store.Factors(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	options, state, err := site.AskNew(viewer(c), handleOf(factors.Passkeys), factors.Passkeys)
	if err != nil {
		return err
	}
	return s.begin(c, sessionOf(c).Hash, options, state)
}

// handleOf is what somebody's passkeys call them: 64 random octets, as Web Authentication Level 3, 14.6.1 recommends.
func handleOf(have []chat.Passkey) []byte {
	if len(have) > 0 {
		return have[0].Handle
	}
	handle := make([]byte, 64)
	_, _ = rand.Read(handle) // never fails since Go 1.24
	return handle
}

func (s *Server) addPasskey(c *fiber.Ctx) error {
	var form factorForm
	if err := parse(c, &form); err != nil {
		return err
	}
	p, err := s.newPasskey(c, form.Credential)
	var codes []string
	if err == nil {
		p.Name = form.Name
		_, codes, err = s.Store.AddPasskey(c.UserContext(), actor(c), p)
	}
	return s.answerFactor(c, factorChange{form: views.FormPasskey, done: "passkey", status: http.StatusCreated, codes: codes}, err)
}

// newPasskey checks the first answer of a new passkey.
func (s *Server) newPasskey(c *fiber.Ctx, credential string) (chat.Passkey, error) {
	site, ok := s.site(c)
	if !ok {
		return chat.Passkey{}, noPasskeysHere()
	}
	state, err := s.Store.TakeCeremony(c.UserContext(), sessionOf(c).Hash)
	if chat.KindOf(err) == chat.Denied { // who is signed in stays so
		err = &chat.Error{Kind: chat.Invalid, Text: problemOf(c, err).Detail}
	}
	if err != nil {
		return chat.Passkey{}, err
	}
	p, err := site.New(viewer(c), state, []byte(credential))
	if err != nil {
		s.Logger.DebugContext(c.UserContext(), "A new passkey was refused.", "request", requestIDOf(c), "error", err)
		return p, &chat.Error{Kind: chat.Invalid, Text: "What the passkey answered doesn’t hold. Try again."}
	}
	return p, nil
}
