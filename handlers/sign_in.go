package handlers

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"parley/db/chat"
	"parley/handlers/passkey"
	"parley/views"
)

// factorError is a request that a second factor stands before.
type factorError struct {
	status int
	text   string
	kinds  []chat.FactorKind
	at     string // the page where a browser goes on
}

func (e *factorError) Error() string { return e.text }

// factorWanted answers a right password. It is no success: a program that knows nothing of second factors must not take
// it for one.
func factorWanted(signIn chat.SignIn, next string) error {
	if next == afterLogin("") {
		next = "" // where it leads anyway
	}
	return &factorError{
		status: http.StatusUnauthorized, text: "The password is right. Now give the second factor to /login/factor.",
		kinds: signIn.Factors.Kinds(), at: views.WithQuery("/login/factor", "next", next),
	}
}

// The cookie of a sign-in that waits holds an opaque token, as the session's does. No other site may send it, not even
// by a link.
func (s *Server) signInCookie() string { return s.sessions.name + "-sign-in" }

// setSignIn sends the cookie; without a token it takes the cookie away.
func (s *Server) setSignIn(c *fiber.Ctx, token string) {
	cookie := fiber.Cookie{
		Name: s.signInCookie(), Value: token, Path: "/", MaxAge: int(chat.SignInFor.Seconds()),
		HTTPOnly: true, SameSite: fiber.CookieSameSiteStrictMode, Secure: s.sessions.options.Secure,
	}
	if token == "" {
		cookie.MaxAge, cookie.Expires = 0, fasthttp.CookieExpireDelete
	}
	c.Cookie(&cookie)
}

func (s *Server) showSignIn(c *fiber.Ctx) error {
	signIn, err := s.Store.SignInByToken(c.UserContext(), c.Cookies(s.signInCookie()))
	if err != nil || signIn.User.ID == 0 {
		return s.refuseSignIn(c, signIn, or(err, &chat.Error{Kind: chat.Denied, Text: "Sign in with your password first."}), "")
	}
	kinds := signIn.Factors.Kinds()
	if shapeOf(c) == program {
		return c.JSON(fiber.Map{"second_factor": kinds})
	}
	return render(c, views.SecondFactorPage(views.SignIn{Kinds: kinds, Next: localPath(c.Query("next"))}))
}

func or(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

// refuseSignIn shows what went wrong on the page where it can be tried again.
func (s *Server) refuseSignIn(c *fiber.Ctx, signIn chat.SignIn, err error, next string) error {
	if shapeOf(c) != page || chat.KindOf(err) != chat.Denied && !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	c.Status(p.Status)
	if signIn.User.ID == 0 {
		return s.renderLogin(c, views.Login{Next: next, Error: p.Detail})
	}
	return render(c, views.SecondFactorPage(views.SignIn{Kinds: signIn.Factors.Kinds(), Next: next, Error: p.Detail, Errors: p.Errors}))
}

// finishSignIn takes a code, or the answer of a passkey as a script sends it.
func (s *Server) finishSignIn(c *fiber.Ctx) error {
	var form struct {
		Code       string `json:"code" form:"code"`
		Credential string `json:"credential" form:"credential"`
		Next       string `json:"next" form:"next"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	token, next := c.Cookies(s.signInCookie()), localPath(form.Next)
	user, kind, err := s.finishBy(c, token, form.Code, form.Credential)
	if err != nil {
		signIn, _ := s.Store.SignInByToken(c.UserContext(), token) // that it is over, err says already
		return s.refuseSignIn(c, signIn, err, next)
	}
	if kind == chat.FactorRecoveryCode {
		next = "/account/factors?done=recovered"
	}
	if err := s.openSession(c, user, afterLogin(next)); err != nil {
		return err
	}
	s.setSignIn(c, "")
	return nil
}

func (s *Server) finishBy(c *fiber.Ctx, token, code, credential string) (user chat.User, kind chat.FactorKind, err error) {
	if credential == "" {
		return s.finishByCode(c, token, code)
	}
	user, err = s.finishByPasskey(c, token, credential)
	return user, chat.FactorPasskey, err
}

// finishByCode counts a wrong code as a wrong password of the same account: who has the one mustn't guess the other.
func (s *Server) finishByCode(c *fiber.Ctx, token, code string) (user chat.User, kind chat.FactorKind, err error) {
	signIn, err := s.Store.SignInByToken(c.UserContext(), token)
	if err != nil {
		return user, kind, err
	}
	err = s.guessing(c, signIn.User.Username, func() (err error) {
		user, kind, err = s.Store.FinishSignIn(c.UserContext(), token, code, clientIP(c))
		return err
	})
	return user, kind, err
}

func (s *Server) finishByPasskey(c *fiber.Ctx, token, credential string) (chat.User, error) {
	ctx := c.UserContext()
	site, ok := s.site(c)
	if !ok {
		return chat.User{}, noPasskeysHere()
	}
	answer, err := passkey.Read([]byte(credential))
	if err != nil {
		return chat.User{}, malformed("credential", "This isn’t the answer of a passkey.")
	}
	signIn, err := s.Store.SignInByToken(ctx, token)
	if err != nil {
		return chat.User{}, err
	}
	state, err := s.Store.TakeCeremony(ctx, signIn.Hash)
	if err != nil {
		return chat.User{}, err
	}
	p, err := s.Store.PasskeyByCredential(ctx, answer.Credential())
	if err != nil {
		return chat.User{}, err
	}
	have := signIn.Factors.Passkeys
	if signIn.User.ID == 0 {
		have = []chat.Passkey{p}
	}
	use, err := site.Check(state, answer, p, have)
	if err != nil {
		s.Logger.DebugContext(ctx, "A passkey was refused.", "request", requestIDOf(c), "error", err)
		return chat.User{}, s.Store.RefusePasskey(ctx, p, clientIP(c))
	}
	return s.Store.FinishSignInByPasskey(ctx, token, use, clientIP(c))
}
