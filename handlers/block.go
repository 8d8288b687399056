package handlers

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// blockBody is somebody whom the viewer has blocked.
type blockBody struct {
	userBody
	BlockedAt timestamp `json:"blocked_at"`
}

func blockJSON(b chat.Block) blockBody { return blockBody{userJSON(b.User), timestamp(b.At)} }

func (s *Server) listBlocks(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	found, err := s.Store.Blocks(c.UserContext(), actor(c), c.Query("after"), n)
	if err != nil {
		return err
	}
	next := pageAfter(c, found.Next, "limit")
	content := views.Blocks(views.BlockList{Viewing: s.viewing(c), Blocks: found.Items, Next: next})
	return s.respondInApp(c, http.StatusOK, pane{title: "Blocked people", content: content}, listJSON(found.Items, next, blockJSON))
}

func (s *Server) putBlock(c *fiber.Ctx) error    { return s.changeBlockByProgram(c, s.Store.Block) }
func (s *Server) deleteBlock(c *fiber.Ctx) error { return s.changeBlockByProgram(c, s.Store.Unblock) }

// blockUser and unblockUser are for forms, which a browser leaves for the page that it came from.
func (s *Server) blockUser(c *fiber.Ctx) error   { return s.changeBlockByForm(c, s.Store.Block) }
func (s *Server) unblockUser(c *fiber.Ctx) error { return s.changeBlockByForm(c, s.Store.Unblock) }

func (s *Server) changeBlock(c *fiber.Ctx, change func(context.Context, chat.Actor, string) error) error {
	username, err := usernameParam(c)
	if err != nil {
		return err
	}
	if err := change(c.UserContext(), actor(c), username); err != nil {
		return err
	}
	s.pages.forget(viewer(c).ID) // the other's pages show nothing of it
	return nil
}

func (s *Server) changeBlockByProgram(c *fiber.Ctx, change func(context.Context, chat.Actor, string) error) error {
	if err := s.changeBlock(c, change); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

func (s *Server) changeBlockByForm(c *fiber.Ctx, change func(context.Context, chat.Actor, string) error) error {
	if shapeOf(c) == program {
		return s.changeBlockByProgram(c, change)
	}
	if err := s.changeBlock(c, change); err != nil {
		return err
	}
	next := localPath(c.FormValue("next"))
	if next == "" {
		next = "/account/blocks"
	}
	return seeOther(c, next)
}
