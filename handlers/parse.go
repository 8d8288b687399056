package handlers

import (
	"encoding/json"
	"mime"
	"net/url"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
)

// parse reads a form or a JSON object, whichever the request brings, into a struct with form and json tags. It takes
// nothing compressed: Fiber's c.Body would unpack it without a limit, so the body is read around that.
func parse(c *fiber.Ctx, into any) error {
	kind, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if encoding := c.Get(fiber.HeaderContentEncoding, "identity"); err != nil || encoding != "identity" {
		return fiber.ErrUnsupportedMediaType
	}
	switch kind {
	case fiber.MIMEApplicationJSON:
		return parseJSON(c.Request().Body(), into)
	case fiber.MIMEApplicationForm, fiber.MIMEMultipartForm:
		if err := c.BodyParser(into); err != nil {
			return fiber.ErrBadRequest
		}
		return nil
	default:
		return fiber.ErrUnsupportedMediaType
	}
}

// parseJSON refuses what is no UTF-8: the decoder would put replacement characters in its place.
func parseJSON(text []byte, into any) error {
	if !utf8.Valid(text) || json.Unmarshal(text, into) != nil {
		return malformed("body", "The request isn't the JSON object that this address takes.")
	}
	return nil
}

// usernameParam reads the username in the path.
func usernameParam(c *fiber.Ctx) (string, error) {
	username, err := url.PathUnescape(c.Params("username"))
	if err != nil {
		return "", fiber.ErrBadRequest
	}
	return username, nil
}

// messageIDParam reads the message ID in the path. Where it is none, no message can have this address.
func messageIDParam(c *fiber.Ctx) (chat.MessageID, error) {
	id, err := chat.ParseMessageID(c.Params("id"))
	if err != nil {
		return id, fiber.ErrNotFound
	}
	return id, nil
}
