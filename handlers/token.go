package handlers

import (
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// tokenBody is an access token as its owner sees it.
type tokenBody struct {
	ID        uint64     `json:"id"`
	Name      string     `json:"name"`
	Scope     chat.Scope `json:"scope"`
	CreatedAt timestamp  `json:"created_at"`
	ExpiresAt *timestamp `json:"expires_at"`
	UsedAt    *timestamp `json:"used_at"`
	UsedIP    *string    `json:"used_ip"`
	Token     string     `json:"token,omitempty"` // only in the answer to its making
}

func tokenJSON(t chat.Token) tokenBody {
	body := tokenBody{
		ID: t.ID, Name: t.Name, Scope: t.Scope, CreatedAt: timestamp(t.CreatedAt),
		ExpiresAt: optionalTime(t.ExpiresAt), UsedAt: optionalTime(t.UsedAt),
	}
	if t.UsedIP != "" {
		body.UsedIP = &t.UsedIP
	}
	return body
}

func (s *Server) listTokens(c *fiber.Ctx) error {
	return s.respondWithTokens(c, http.StatusOK, views.TokenList{Done: c.Query("done") != ""}, nil)
}

// respondWithTokens answers with the whole list, and a program with made where there is such a thing.
func (s *Server) respondWithTokens(c *fiber.Ctx, status int, l views.TokenList, made any) error {
	tokens, err := s.Store.Tokens(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	l.Viewing, l.Tokens = s.viewing(c), tokens
	json := made
	if json == nil {
		json = listJSON(tokens, "", tokenJSON)
	}
	return s.respondInApp(c, status, pane{title: "Access tokens", content: views.OwnTokens(l)}, json)
}

// createToken answers with the token itself instead of sending the browser on: an address can't carry a secret. Asking
// once more, by a reload, is refused as the name is taken.
func (s *Server) createToken(c *fiber.Ctx) error {
	var form struct {
		Name    string `json:"name" form:"name"`
		Scope   string `json:"scope" form:"scope"`
		Days    string `json:"days" form:"days"`
		Current string `json:"current_password" form:"current_password"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	var secret string
	var token chat.Token
	err := s.guessing(c, viewer(c).Username, func() (err error) {
		secret, token, err = s.Store.CreateToken(c.UserContext(), actor(c), chat.NewToken(form))
		return err
	})
	if err != nil && showsForm(c, err) {
		p := s.noted(c, err)
		return s.respondWithTokens(c, p.Status, views.TokenList{Typed: chat.NewToken(form), Error: p.Detail, Errors: p.Errors}, nil)
	}
	if err != nil {
		return err
	}
	made := tokenJSON(token)
	made.Token = secret
	c.Set(fiber.HeaderLocation, "/account/tokens")
	return s.respondWithTokens(c, http.StatusCreated, views.TokenList{Made: secret}, made)
}

func (s *Server) revokeToken(c *fiber.Ctx) error {
	id, err := strconv.ParseUint(c.Params("id"), 10, 64)
	if err != nil {
		return fiber.ErrNotFound
	}
	if err := s.Store.RevokeToken(c.UserContext(), actor(c), id); err != nil {
		return err
	}
	if shapeOf(c) == program {
		return c.SendStatus(http.StatusNoContent)
	}
	return seeOther(c, "/account/tokens?done=revoked")
}
