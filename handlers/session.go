package handlers

import (
	"context"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gorilla/sessions"

	"parley/db/chat"
	"parley/views"
)

// sessionStore is gorilla's Store on the sessions table. The cookie carries an opaque token; all else stays in the
// database, where a session can be ended.
type sessionStore struct {
	store   *chat.Store
	name    string
	options sessions.Options
}

// Keys of a gorilla session's values. A session holds one or the other: the chat.Session that a cookie named, or the
// signIn that Save is to make a session of.
const (
	sessionValue = "session"
	signInValue  = "sign-in"
)

// signIn is a session about to be.
type signIn struct {
	user   chat.User
	device chat.Device
}

// newSessionStore sets what gorilla leaves open by default: HttpOnly and SameSite.
func newSessionStore(store *chat.Store, secure bool) *sessionStore {
	s := &sessionStore{store: store, name: "parley", options: sessions.Options{
		Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	}}
	if secure {
		s.name = "__Host-parley" // the prefix makes browsers refuse it from any other host (RFC 6265bis, 4.1.3)
	}
	return s
}

// Get implements sessions.Store.
func (s *sessionStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New implements sessions.Store. A session that has ended is a new one and no error; an error means that the database
// could not say.
func (s *sessionStore) New(r *http.Request, name string) (*sessions.Session, error) {
	cookie, err := r.Cookie(name)
	if err != nil {
		return s.open(r.Context(), "") // no cookie
	}
	return s.open(r.Context(), cookie.Value)
}

// open is New for a cookie that was read already: no request of net/http has to be made up for it.
func (s *sessionStore) open(ctx context.Context, token string) (*sessions.Session, error) {
	session := sessions.NewSession(s, s.name)
	options := s.options
	session.Options, session.IsNew = &options, true
	if token == "" {
		return session, nil
	}
	found, err := s.store.SessionByToken(ctx, token)
	if chat.KindOf(err) == chat.NotFound {
		return session, nil
	}
	if err != nil {
		return session, err
	}
	session.ID, session.IsNew, session.Values[sessionValue] = token, false, found
	return session, nil
}

// moved is the session of a request under another token.
func (s *sessionStore) moved(token string, to chat.Session) *sessions.Session {
	session := sessions.NewSession(s, s.name)
	options := s.options
	session.Options, session.ID, session.Values[sessionValue] = &options, token, to
	return session
}

// Save implements sessions.Store: it starts a session for somebody who signs in, ends one with a negative MaxAge, and
// sends the cookie again for one that was renewed.
func (s *sessionStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if start, ok := session.Values[signInValue].(signIn); ok {
		token, started, err := s.store.StartSession(r.Context(), start.user, start.device)
		if err != nil {
			return err
		}
		session.ID, session.Values[sessionValue] = token, started
	}
	current, _ := session.Values[sessionValue].(chat.Session)
	if session.Options.MaxAge < 0 {
		http.SetCookie(w, sessions.NewCookie(session.Name(), "", session.Options))
		return s.store.SignOut(r.Context(), current, r.RemoteAddr)
	}
	session.Options.MaxAge = int(time.Until(current.ExpiresAt).Seconds())
	http.SetCookie(w, sessions.NewCookie(session.Name(), session.ID, session.Options))
	return nil
}

// cookieWriter takes the cookies that gorilla writes over to Fiber's answer.
type cookieWriter struct {
	http.ResponseWriter // nil: only Header is ever called
	header              http.Header
}

func (w cookieWriter) Header() http.Header { return w.header }

// send leaves one cookie, the latest: a session that was renewed at the start of this request may have ended since. Fiber
// would join the two with a comma, which no browser takes apart.
func (w cookieWriter) send(c *fiber.Ctx) {
	c.Response().Header.Del(fiber.HeaderSetCookie)
	for _, cookie := range w.header.Values(fiber.HeaderSetCookie) {
		c.Response().Header.Add(fiber.HeaderSetCookie, cookie)
	}
}

func (s *Server) saveSession(c *fiber.Ctx, session *sessions.Session) error {
	w := cookieWriter{header: http.Header{}}
	if err := session.Save(plainRequest(c), w); err != nil {
		return err
	}
	w.send(c)
	return nil
}

// identify finds out who asks: a person by their session's cookie, or their program by an access token.
func (s *Server) identify(c *fiber.Ctx) error {
	if bearing(c) {
		return s.identifyProgram(c)
	}
	session, err := s.sessions.open(c.UserContext(), c.Cookies(s.sessions.name))
	if err != nil {
		return err
	}
	c.Locals(sessionKey, session)
	if sessionOf(c).Renewed {
		if err := s.saveSession(c, session); err != nil {
			return err
		}
	}
	return c.Next()
}

// sessionOf is the session that the request came with, the zero one where there is none.
func sessionOf(c *fiber.Ctx) chat.Session {
	session, ok := c.Locals(sessionKey).(*sessions.Session)
	if !ok {
		return chat.Session{}
	}
	found, _ := session.Values[sessionValue].(chat.Session)
	return found
}

func viewer(c *fiber.Ctx) chat.User { return sessionOf(c).User }

// signedIn lets nobody past who isn't.
func (s *Server) signedIn(c *fiber.Ctx) error {
	if viewer(c).ID == 0 {
		return errSignedOut
	}
	if err := s.hasFactor(c); err != nil {
		return err
	}
	return c.Next()
}

func home(c *fiber.Ctx) error {
	if viewer(c).ID == 0 {
		return seeOther(c, "/login")
	}
	return seeOther(c, "/conversations")
}

func (s *Server) showLogin(c *fiber.Ctx) error {
	next := localPath(c.Query("next"))
	if viewer(c).ID != 0 {
		return seeOther(c, afterLogin(next))
	}
	return s.renderLogin(c, views.Login{Next: next, Why: c.Query("why")})
}

func (s *Server) renderLogin(c *fiber.Ctx, l views.Login) error {
	_, l.Passkeys = s.site(c)
	l.SignUp = s.signUpMode(c)
	return render(c, views.LoginPage(l))
}

// login always starts a new session: an ID from before the sign-in is never one after it.
func (s *Server) login(c *fiber.Ctx) error {
	var form struct {
		Username string `json:"username" form:"username"`
		Password string `json:"password" form:"password"`
		Next     string `json:"next" form:"next"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	var user chat.User
	err := s.guessing(c, form.Username, func() (err error) {
		user, err = s.authenticate(c, form.Username, form.Password)
		return err
	})
	if refused := err != nil && (problemOf(c, err).Status < http.StatusInternalServerError || chat.KindOf(err) == chat.Unavailable); refused && shapeOf(c) != program {
		return s.showRefusedLogin(c, err, views.Login{Username: form.Username, Next: localPath(form.Next)})
	}
	if err != nil {
		return err
	}
	return s.startSession(c, user, afterLogin(localPath(form.Next)))
}

// authenticate is Store.Authenticate, with a line in the audit log for what fails.
func (s *Server) authenticate(c *fiber.Ctx, username, password string) (chat.User, error) {
	user, err := s.Store.Authenticate(c.UserContext(), username, password)
	if chat.KindOf(err) == chat.Denied {
		if fault := s.Store.SignInFailed(c.UserContext(), username, clientIP(c)); fault != nil {
			return user, fault
		}
	}
	return user, err
}

// showRefusedLogin answers with the form, and with what was typed but for the password.
func (s *Server) showRefusedLogin(c *fiber.Ctx, err error, l views.Login) error {
	p := s.noted(c, err)
	l.Error = p.Detail
	c.Status(p.Status)
	return s.renderLogin(c, l)
}

// startSession signs somebody in whose password, or whatever stands for it, was good. Whoever has a second factor is asked
// for that first, and Store.StartSession sees to it that there is no way around.
func (s *Server) startSession(c *fiber.Ctx, user chat.User, next string) error {
	token, signIn, err := s.Store.BeginSignIn(c.UserContext(), user)
	if err != nil {
		return err
	}
	if token == "" {
		return s.openSession(c, user, next)
	}
	s.setSignIn(c, token)
	return factorWanted(signIn, next)
}

// openSession ends the session from before only once there is the new one, whose cookie goes out last: a sign-in that
// fails half way leaves the browser the old one, and the next try ends that.
func (s *Server) openSession(c *fiber.Ctx, user chat.User, next string) error {
	session := sessions.NewSession(s.sessions, s.sessions.name)
	options := s.sessions.options
	session.Options = &options
	session.Values[signInValue] = signIn{user, chat.Device{UserAgent: c.Get(fiber.HeaderUserAgent), IP: clientIP(c)}}
	started := cookieWriter{header: http.Header{}}
	if err := session.Save(plainRequest(c), started); err != nil {
		return err
	}
	if old := sessionOf(c); old.User.ID != 0 {
		if err := s.Store.EndSession(c.UserContext(), old); err != nil {
			return err
		}
	}
	s.rememberBrowser(c, started, user, c.Cookies(s.browserCookie()))
	started.send(c)
	if shapeOf(c) == program {
		return c.JSON(userJSON(user))
	}
	return seeOther(c, next)
}

func (s *Server) logout(c *fiber.Ctx) error {
	session, ok := c.Locals(sessionKey).(*sessions.Session)
	if program := sessionOf(c); program.Scope != "" {
		if err := s.Store.SignOut(c.UserContext(), program, clientIP(c)); err != nil {
			return err
		}
	} else if ok && !session.IsNew {
		session.Options.MaxAge = -1
		if err := s.saveSession(c, session); err != nil {
			return err
		}
	}
	if shapeOf(c) == program {
		return c.SendStatus(http.StatusNoContent)
	}
	return seeOther(c, "/login")
}

func afterLogin(next string) string {
	if next == "" {
		return "/conversations"
	}
	return next
}

// localPath gives the text back if it is a path on this server and "" if not. Browsers read "//host" and "/\host" as
// other hosts and drop tabs and line feeds, so it takes only what survives being cleaned and escaped.
func localPath(text string) string {
	if !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
		return ""
	}
	if before, _, _ := strings.Cut(text, "?"); path.Clean(before) != strings.TrimSuffix(before, "/") && before != "/" {
		return ""
	}
	return text
}
