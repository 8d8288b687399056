package handlers

import (
	"github.com/gofiber/fiber/v2"

	"parley/static"
)

// asset serves a file that may be kept for ever, since its URL changes with its content.
func asset(c *fiber.Ctx) error {
	file := static.Lookup(c.Params("name"))
	if file == nil {
		return fiber.ErrNotFound
	}
	c.Set(fiber.HeaderContentType, file.ContentType)
	c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	brotli, gzip := file.Compressed()
	switch {
	case accepts(c, "br"):
		c.Set(fiber.HeaderContentEncoding, "br")
		return c.Send(brotli)
	case accepts(c, "gzip"):
		c.Set(fiber.HeaderContentEncoding, "gzip")
		return c.Send(gzip)
	default:
		return c.Send(file.Body)
	}
}

// accepts says whether the client takes an encoding. To Fiber one that says nothing takes everything.
func accepts(c *fiber.Ctx, encoding string) bool {
	return c.Get(fiber.HeaderAcceptEncoding) != "" && c.AcceptsEncodings(encoding) == encoding
}
