package handlers

import (
	"context"
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// accountBody is a user as admins see them.
type accountBody struct {
	userBody
	Email      *string    `json:"email"`
	IsAdmin    bool       `json:"is_admin"`
	CreatedAt  timestamp  `json:"created_at"`
	LastSeenAt *timestamp `json:"last_seen_at"`
	DisabledAt *timestamp `json:"disabled_at"`

	EmailConfirmedAt *timestamp `json:"email_confirmed_at"`
	OpenSessions     *int       `json:"open_sessions,omitempty"` // not in lists
}

func listedAccountJSON(u chat.User) accountBody {
	body := accountBody{
		userBody: userJSON(u), IsAdmin: u.IsAdmin, CreatedAt: timestamp(u.CreatedAt),
		LastSeenAt: optionalTime(u.LastSeenAt), DisabledAt: optionalTime(u.DisabledAt), EmailConfirmedAt: optionalTime(u.EmailConfirmedAt),
	}
	if u.Email != "" {
		body.Email = &u.Email
	}
	return body
}

func accountJSON(a chat.Account) accountBody {
	body := listedAccountJSON(a.User)
	body.OpenSessions = &a.OpenSessions
	return body
}

func (s *Server) listAccounts(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	q := chat.UserQuery{Search: c.Query("q"), After: c.Query("after"), Limit: n}
	found, err := s.Store.Accounts(c.UserContext(), actor(c), q)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "q", "limit")
	content := views.Accounts(views.AccountList{Viewing: s.viewing(c), Search: q.Search, Users: found.Items, Next: next})
	return s.respondInApp(c, http.StatusOK, pane{title: "People (admin)", content: content}, listJSON(found.Items, next, listedAccountJSON))
}

func (s *Server) newAccount(c *fiber.Ctx) error {
	return s.respondWithNewAccount(c, http.StatusOK, views.NewAccount{})
}

// respondWithNewAccount answers with the form. What it takes is all that there is to tell a program.
func (s *Server) respondWithNewAccount(c *fiber.Ctx, status int, n views.NewAccount) error {
	fields := []string{"username", "display_name", "email", "password", "is_admin"}
	return s.respondInApp(c, status, pane{title: "New person", content: views.NewAccountForm(n)}, fiber.Map{"fields": fields})
}

func (s *Server) createAccount(c *fiber.Ctx) error {
	var form struct {
		Username    string `json:"username" form:"username"`
		DisplayName string `json:"display_name" form:"display_name"`
		Email       string `json:"email" form:"email"`
		Password    string `json:"password" form:"password"`
		IsAdmin     bool   `json:"is_admin" form:"is_admin"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	account, err := s.Store.CreateAccount(c.UserContext(), actor(c), chat.NewUser(form))
	if err != nil && showsForm(c, err) {
		p := s.noted(c, err)
		return s.respondWithNewAccount(c, p.Status, views.NewAccount{Typed: chat.NewUser(form), Error: p.Detail, Errors: p.Errors})
	}
	if err != nil {
		return err
	}
	at := views.AdminUserURL(account.Username)
	c.Set(fiber.HeaderLocation, at)
	return answerChange(c, http.StatusCreated, accountJSON(account), views.WithQuery(at, "done", "created"))
}

func (s *Server) showAccount(c *fiber.Ctx) error {
	username, err := usernameParam(c)
	if err != nil {
		return err
	}
	account, err := s.Store.Account(c.UserContext(), actor(c), username)
	if err != nil {
		return err
	}
	return s.respondWithAccount(c, http.StatusOK, asEdited(account, c.Query("done")))
}

// asEdited is an account whose form holds what is stored.
func asEdited(a chat.Account, done string) views.EditedAccount {
	return views.EditedAccount{Account: a, DisplayName: a.DisplayName, Email: a.Email, IsAdmin: a.IsAdmin, Done: done}
}

func (s *Server) respondWithAccount(c *fiber.Ctx, status int, e views.EditedAccount) error {
	e.Viewing = s.viewing(c)
	return s.respondInApp(c, status, pane{title: e.Account.DisplayName + " (admin)", content: views.EditAccount(e)}, accountJSON(e.Account))
}

// accountForm is what changes an account; what isn't sent stays.
type accountForm struct {
	DisplayName *string `json:"display_name" form:"display_name"`
	Email       *string `json:"email" form:"email"`
	IsAdmin     *bool   `json:"is_admin" form:"is_admin"`
	Password    string  `json:"password" form:"password"`
}

// typed puts what was sent in place of what is stored.
func (f accountForm) typed(e views.EditedAccount) views.EditedAccount {
	if f.DisplayName != nil {
		e.DisplayName = *f.DisplayName
	}
	if f.Email != nil {
		e.Email = *f.Email
	}
	if f.IsAdmin != nil {
		e.IsAdmin = *f.IsAdmin
	}
	return e
}

func (s *Server) editAccount(c *fiber.Ctx) error {
	var form accountForm
	if err := parse(c, &form); err != nil {
		return err
	}
	return s.changeAccount(c, "saved", form, func(ctx context.Context, a chat.Actor, username string) (chat.Account, error) {
		return s.Store.EditUser(ctx, a, username, chat.UserEdit(form))
	})
}

func (s *Server) disableAccount(c *fiber.Ctx) error {
	return s.changeAccount(c, "disabled", accountForm{}, s.Store.DisableUser)
}

func (s *Server) enableAccount(c *fiber.Ctx) error {
	return s.changeAccount(c, "enabled", accountForm{}, s.Store.EnableUser)
}

func (s *Server) endSessions(c *fiber.Ctx) error {
	return s.changeAccount(c, "sessions-ended", accountForm{}, s.Store.EndSessions)
}

func (s *Server) resetFactors(c *fiber.Ctx) error {
	return s.changeAccount(c, "factors-reset", accountForm{}, s.Store.ResetFactors)
}

// changeAccount has a rule change the account in the path. Where it refuses, the account is shown with what was typed.
func (s *Server) changeAccount(c *fiber.Ctx, done string, form accountForm, change func(context.Context, chat.Actor, string) (chat.Account, error)) error {
	username, err := usernameParam(c)
	if err != nil {
		return err
	}
	account, err := change(c.UserContext(), actor(c), username)
	if err == nil {
		s.pages.forget(0) // it may be on anybody's
		return answerChange(c, http.StatusOK, accountJSON(account), views.WithQuery(views.AdminUserURL(account.Username), "done", done))
	}
	return s.refuseChange(c, username, form, err)
}

func (s *Server) refuseChange(c *fiber.Ctx, username string, form accountForm, err error) error {
	if !showsForm(c, err) {
		return err
	}
	stored, readErr := s.Store.Account(c.UserContext(), actor(c), username)
	if readErr != nil {
		return errors.Join(err, readErr) // the refusal is the answer, the log has both
	}
	p := s.noted(c, err)
	e := form.typed(asEdited(stored, ""))
	e.Error, e.Errors = p.Detail, p.Errors
	return s.respondWithAccount(c, p.Status, e)
}
