package handlers

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// hasFactor keeps whoever lacks a second factor that this place asks for to the pages where they set one up.
func (s *Server) hasFactor(c *fiber.Ctx) error {
	if at := c.Path(); at == "/account/factors" || strings.HasPrefix(at, "/account/factors/") {
		return nil
	}
	lacks, err := s.Store.LacksFactor(c.UserContext(), viewer(c))
	if err != nil || !lacks {
		return err
	}
	return &factorError{
		status: http.StatusForbidden, text: "This place asks for a second factor. Set one up at /account/factors first.",
		kinds: []chat.FactorKind{chat.FactorTOTP, chat.FactorPasskey}, at: "/account/factors",
	}
}

type totpBody struct {
	AddedAt timestamp  `json:"added_at"`
	UsedAt  *timestamp `json:"used_at"`
}

type passkeyBody struct {
	ID      uint64     `json:"id"`
	Name    string     `json:"name"`
	AddedAt timestamp  `json:"added_at"`
	UsedAt  *timestamp `json:"used_at"`
}

// factorsBody is what somebody has set up.
type factorsBody struct {
	Required          bool          `json:"required"`
	TOTP              *totpBody     `json:"totp"`
	Passkeys          []passkeyBody `json:"passkeys"`
	RecoveryCodesLeft int           `json:"recovery_codes_left"`
	RecoveryCodes     []string      `json:"recovery_codes,omitempty"` // this once
}

func factorsJSON(f chat.Factors, codes []string) factorsBody {
	body := factorsBody{Required: f.Required, Passkeys: []passkeyBody{}, RecoveryCodesLeft: f.RecoveryCodes, RecoveryCodes: codes}
	if !f.TOTP.AddedAt.IsZero() {
		body.TOTP = &totpBody{timestamp(f.TOTP.AddedAt), optionalTime(f.TOTP.UsedAt)}
	}
	for _, p := range f.Passkeys {
		body.Passkeys = append(body.Passkeys, passkeyBody{p.ID, p.Name, timestamp(p.AddedAt), optionalTime(p.UsedAt)})
	}
	return body
}

func (s *Server) showFactors(c *fiber.Ctx) error {
	return s.respondWithFactors(c, http.StatusOK, views.OwnFactors{Done: c.Query("done")})
}

// respondWithFactors fills in what is set up.
func (s *Server) respondWithFactors(c *fiber.Ctx, status int, f views.OwnFactors) (err error) {
	if f.Factors, err = s.Store.Factors(c.UserContext(), actor(c)); err != nil {
		return err
	}
	f.Viewing = s.viewing(c)
	_, f.Passkeys = s.site(c)
	json := factorsJSON(f.Factors, nil)
	if f.Lacking() {
		return respondAlone(c, status, "Set up a second factor", views.FactorForms(f), json)
	}
	return s.respondInApp(c, status, pane{title: "Your second factors", content: views.OwnFactorsPane(f)}, json)
}

// respondAlone answers somebody who may see nothing else: without the list of conversations beside it.
func respondAlone(c *fiber.Ctx, status int, title string, content templ.Component, json any) error {
	return respond(c, answer{status: status, json: json, fragment: views.In(views.Titled(title), content), page: func() (templ.Component, error) {
		return views.In(views.FactorsFirst(title), content), nil
	}})
}

// factorForm is every field of the forms here.
type factorForm struct {
	Password   string `json:"password" form:"password"`
	Code       string `json:"code" form:"code"`
	Name       string `json:"name" form:"name"`
	Credential string `json:"credential" form:"credential"`
}

// factorChange is what a form did.
type factorChange struct {
	form, done string
	status     int      // for programs
	codes      []string // new recovery codes, to be shown this once
}

// answerFactor answers a form: with the page again where it was refused, with recovery codes where there are any, and
// otherwise by sending a browser on.
func (s *Server) answerFactor(c *fiber.Ctx, change factorChange, err error) error {
	if err != nil && showsForm(c, err) {
		p := s.noted(c, err)
		return s.respondWithFactors(c, p.Status, views.OwnFactors{Form: change.form, Error: p.Detail, Errors: p.Errors})
	}
	if err != nil {
		return err
	}
	if shapeOf(c) != program && len(change.codes) == 0 {
		return seeOther(c, views.WithQuery("/account/factors", "done", change.done))
	}
	factors, err := s.Store.Factors(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	if shapeOf(c) == program {
		return c.Status(change.status).JSON(factorsJSON(factors, change.codes))
	}
	content := views.RecoveryCodesPane(views.FactorDone(change.done), change.codes)
	return s.respondInApp(c, http.StatusOK, pane{title: "Recovery codes", content: content}, nil)
}

func (s *Server) setUpTOTP(c *fiber.Ctx) error {
	var form factorForm
	if err := parse(c, &form); err != nil {
		return err
	}
	var setup chat.TOTPSetup
	err := s.guessing(c, viewer(c).Username, func() (err error) {
		setup, err = s.Store.SetUpTOTP(c.UserContext(), actor(c), form.Password)
		return err
	})
	if err != nil {
		return s.answerFactor(c, factorChange{form: views.FormTOTP}, err)
	}
	return answerChange(c, http.StatusCreated, totpSetupJSON(setup), "/account/factors/totp")
}

func totpSetupJSON(t chat.TOTPSetup) fiber.Map { return fiber.Map{"secret": t.Secret, "url": t.URL} }

func (s *Server) showTOTP(c *fiber.Ctx) error {
	return s.respondWithTOTP(c, http.StatusOK, views.TOTPSetup{})
}

// respondWithTOTP shows the secret until its first code has come.
func (s *Server) respondWithTOTP(c *fiber.Ctx, status int, t views.TOTPSetup) error {
	setup, err := s.Store.PendingTOTP(c.UserContext(), actor(c))
	if chat.KindOf(err) == chat.NotFound && shapeOf(c) == page {
		return seeOther(c, "/account/factors")
	}
	if err != nil {
		return err
	}
	factors, err := s.Store.Factors(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	t.TOTPSetup = setup
	if (views.OwnFactors{Factors: factors}).Lacking() {
		return respondAlone(c, status, "Set up an app", views.TOTPSetupForm(t), totpSetupJSON(setup))
	}
	return s.respondInApp(c, status, pane{title: "Set up an app", content: views.TOTPSetupPane(t)}, totpSetupJSON(setup))
}

func (s *Server) confirmTOTP(c *fiber.Ctx) error {
	var form factorForm
	if err := parse(c, &form); err != nil {
		return err
	}
	codes, err := s.Store.ConfirmTOTP(c.UserContext(), actor(c), form.Code)
	if err != nil && showsForm(c, err) {
		p := s.noted(c, err)
		return s.respondWithTOTP(c, p.Status, views.TOTPSetup{Error: p.Detail, Errors: p.Errors})
	}
	return s.answerFactor(c, factorChange{form: views.FormTOTP, done: "totp", status: http.StatusOK, codes: codes}, err)
}

func (s *Server) removeTOTP(c *fiber.Ctx) error {
	var form factorForm
	if err := parse(c, &form); err != nil {
		return err
	}
	err := s.guessing(c, viewer(c).Username, func() error { return s.Store.RemoveTOTP(c.UserContext(), actor(c), form.Password) })
	return s.answerFactor(c, factorChange{form: views.FormRemoveTOTP, done: "totp-removed", status: http.StatusOK}, err)
}

func (s *Server) removePasskey(c *fiber.Ctx) error {
	id, err := strconv.ParseUint(c.Params("id"), 10, 63)
	if err != nil {
		return fiber.ErrNotFound
	}
	var form factorForm
	if err := parse(c, &form); err != nil {
		return err
	}
	err = s.guessing(c, viewer(c).Username, func() error { return s.Store.RemovePasskey(c.UserContext(), actor(c), id, form.Password) })
	return s.answerFactor(c, factorChange{form: views.FormRemovePasskey(id), done: "passkey-removed", status: http.StatusOK}, err)
}

func (s *Server) renewRecoveryCodes(c *fiber.Ctx) error {
	var form factorForm
	if err := parse(c, &form); err != nil {
		return err
	}
	var codes []string
	err := s.guessing(c, viewer(c).Username, func() (err error) {
		codes, err = s.Store.RenewRecoveryCodes(c.UserContext(), actor(c), form.Password)
		return err
	})
	return s.answerFactor(c, factorChange{form: views.FormRecoveryCodes, done: "codes", status: http.StatusOK, codes: codes}, err)
}
