package handlers

import (
	"encoding/json"
	"mime"
	"net/url"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

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
	case fiber.MIMEApplicationForm:
		return parseForm(c.Request().PostArgs(), into)
	case fiber.MIMEMultipartForm:
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

// parseForm fills the fields that have form tags; those that the form lacks stay as they are. Of several values the last
// one counts, as that of a box that is ticked comes after the one for a box that isn't. Fiber's own parser takes five
// times as long, on the way of every message.
func parseForm(form *fasthttp.Args, into any) (err error) {
	fields := reflect.ValueOf(into).Elem()
	for name, value := range form.All() {
		for i := range fields.NumField() {
			if fields.Type().Field(i).Tag.Get("form") == string(name) && setField(fields.Field(i), string(value)) != nil {
				return fiber.ErrBadRequest
			}
		}
	}
	return nil
}

func setField(field reflect.Value, text string) (err error) {
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Bool:
		on := text == "on"
		if !on && text != "" {
			on, err = strconv.ParseBool(text)
		}
		field.SetBool(on)
	case reflect.Uint64:
		var n uint64
		n, err = strconv.ParseUint(text, 10, 64)
		field.SetUint(n)
	}
	return err
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
