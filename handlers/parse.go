package handlers

import (
	"encoding/json"
	"mime"
	"net/url"

	"github.com/gofiber/fiber/v2"
)

// parse reads a form or a JSON object, whichever the request brings, into a struct with form and json tags.
func parse(c *fiber.Ctx, into any) error {
	kind, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil {
		return fiber.ErrUnsupportedMediaType
	}
	switch kind {
	case fiber.MIMEApplicationJSON:
		if err := json.Unmarshal(c.Body(), into); err != nil {
			return malformed("body", "The request isn't the JSON object that this address takes.")
		}
		return nil
	case fiber.MIMEApplicationForm, fiber.MIMEMultipartForm:
		if err := c.BodyParser(into); err != nil {
			return fiber.ErrBadRequest
		}
		return nil
	default:
		return fiber.ErrUnsupportedMediaType
	}
}

// name reads the username in the path.
func name(c *fiber.Ctx) (string, error) {
	username, err := url.PathUnescape(c.Params("username"))
	if err != nil {
		return "", fiber.ErrBadRequest
	}
	return username, nil
}
