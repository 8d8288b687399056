package handlers

import (
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/handlers/picture"
	"parley/views"
)

// photoTexts say what is wrong with a file.
var photoTexts = map[error]string{
	picture.ErrKind:    "This file is no JPEG, PNG, GIF or WebP image.",
	picture.ErrDamaged: "This image can't be read. It may be damaged, not whole, or a WebP image that moves.",
	picture.ErrLarge:   "This image has more pixels than can be taken: make it smaller, to 20 megapixels at most.",
}

func invalidPhoto(text string) error {
	return &chat.Error{Kind: chat.Invalid, Text: "Nothing was changed.", Fields: map[string][]string{"photo": {text}}}
}

// setPhoto makes the image in the field photo one's own photo.
func (s *Server) setPhoto(c *fiber.Ctx) error {
	defer s.uploads.end(c.Get(uploadHeader))
	if err := s.take(c, photos, byPerson(c)); err != nil {
		return s.refusePhoto(c, err)
	}
	file, err := photoIn(c)
	if err != nil {
		return s.refusePhoto(c, err)
	}
	made, err := picture.Make(c.UserContext(), file)
	if text := photoTexts[err]; text != "" {
		err = invalidPhoto(text)
	} else if err != nil && c.UserContext().Err() != nil {
		err = &chat.Error{Kind: chat.Unavailable, Text: "Too many photos are coming in right now. Try again in a moment."}
	}
	if err != nil {
		return s.refusePhoto(c, err)
	}
	user, err := s.Store.SetPhoto(c.UserContext(), actor(c), chat.Picture(made))
	return s.photoChanged(c, user, err, "photo")
}

func (s *Server) removePhoto(c *fiber.Ctx) error {
	user, err := s.Store.RemovePhoto(c.UserContext(), actor(c))
	return s.photoChanged(c, user, err, "photo-removed")
}

func (s *Server) photoChanged(c *fiber.Ctx, user chat.User, err error, done string) error {
	if err != nil {
		return s.refusePhoto(c, err)
	}
	s.pages.forget(0) // it may be on anybody's
	return answerChange(c, http.StatusOK, userJSON(user), "/account/profile?done="+done)
}

func (s *Server) refusePhoto(c *fiber.Ctx, err error) error {
	return s.refuseOwnProfile(c, profileForm{}, err)
}

// photoIn reads the file that was sent. Nothing compressed is taken: unpacking it has no limit.
func photoIn(c *fiber.Ctx) ([]byte, error) {
	if c.Get(fiber.HeaderContentEncoding, "identity") != "identity" || !strings.HasPrefix(c.Get(fiber.HeaderContentType), fiber.MIMEMultipartForm) {
		return nil, fiber.ErrUnsupportedMediaType
	}
	form, err := c.MultipartForm()
	if err != nil {
		return nil, fiber.ErrBadRequest
	}
	sent := form.File["photo"]
	if len(sent) != 1 || sent[0].Size == 0 {
		return nil, invalidPhoto("Choose a file.")
	}
	if sent[0].Size > maxPhoto {
		return nil, invalidPhoto("This file is larger than 8 MB. Make the image smaller.")
	}
	return content(sent[0])
}

func content(sent *multipart.FileHeader) ([]byte, error) {
	file, err := sent.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// photoPolicy lets nothing happen in a photo that is opened by itself.
const photoPolicy = "default-src 'none'; sandbox; frame-ancestors 'none'"

// showPhoto serves a photo, which may be kept for ever by whoever was let see it: another one has another address.
func (s *Server) showPhoto(c *fiber.Ctx) error {
	side := c.Params("side")
	if side != strconv.Itoa(views.PhotoSmall) && side != strconv.Itoa(views.PhotoLarge) {
		return fiber.ErrNotFound
	}
	id := chat.PhotoID(c.Params("photo"))
	found, err := s.Store.Photo(c.UserContext(), id)
	if err != nil {
		return err
	}
	etag := `"` + string(id) + "-" + side + `"`
	c.Response().Header.Del(fiber.HeaderVary)
	c.Set(fiber.HeaderCacheControl, "private, max-age=31536000, immutable")
	c.Set(fiber.HeaderETag, etag)
	c.Set(fiber.HeaderContentSecurityPolicy, photoPolicy)
	if c.Get(fiber.HeaderIfNoneMatch) == etag {
		return c.SendStatus(http.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, found.ContentType)
	c.Set(fiber.HeaderContentDisposition, `inline; filename="photo.`+extension(found)+`"`)
	if side == strconv.Itoa(views.PhotoSmall) {
		return c.Send(found.Small)
	}
	return c.Send(found.Large)
}

func extension(p chat.Picture) string {
	if p.ContentType == "image/png" {
		return "png"
	}
	return "jpg"
}
