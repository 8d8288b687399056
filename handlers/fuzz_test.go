package handlers

import (
	"bytes"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
)

// asBrowsersRead is an address as browsers read it: they drop tabs and line ends wherever they stand, blanks and controls
// at the ends, and take a backslash for a slash (WHATWG URL Standard, 4.4).
func asBrowsersRead(address string) string {
	address = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(address)
	return strings.TrimFunc(address, func(r rune) bool { return r <= ' ' })
}

// Wherever somebody is sent after signing in, it is on this server.
func FuzzNext(f *testing.F) {
	for _, next := range []string{
		"/conversations/bob?before=7-42", "//evil.example", `/\evil.example`, "/\t/evil.example", "/%09/evil.example", "https://evil.example", "javascript:alert(1)",
		"/..//evil.example", "/./\\evil", "/%2e%2e//evil", "/%5c%5cevil", "/x?y=//z", "/#//evil", " /x", "/x\x00", "/\u2028/evil", "/;//evil", "/@evil",
	} {
		f.Add(next)
	}
	ours, _ := url.Parse("https://chat.example/login")
	f.Fuzz(func(t *testing.T, next string) {
		path := localPath(next)
		if path == "" {
			return
		}
		read := asBrowsersRead(path)
		if !strings.HasPrefix(read, "/") || strings.HasPrefix(read, "//") {
			t.Fatalf("%q leads to %q", next, read)
		}
		there, err := ours.Parse(read)
		if err == nil && (there.Host != ours.Host || there.Scheme != ours.Scheme) {
			t.Fatalf("%q leads to %s", next, there)
		}
		if again := localPath(path); again != path {
			t.Errorf("%q becomes %q the second time", path, again)
		}
	})
}

// Whatever a client says that it takes, it gets one of the three shapes, and JSON only where it takes that.
func FuzzAccept(f *testing.F) {
	for _, accept := range []string{
		"", "*/*", "text/html", "application/json", "application/json;q=0.9, text/html;q=0.1", "text/html, application/json", "application/*", ";;;", "a/b;q=x",
		"application/problem+json", strings.Repeat("a/b,", 100), "text/html;q=0, application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "\x7f",
	} {
		f.Add(accept, false)
		f.Add(accept, true)
	}
	f.Fuzz(func(t *testing.T, accept string, htmx bool) {
		app := fiber.New()
		var got shape
		app.Get("/", func(c *fiber.Ctx) error {
			got = shapeOf(c)
			return nil
		})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept"] = []string{accept}
		if htmx {
			r.Header.Set("HX-Request", "true")
		}
		if _, err := app.Test(r); err != nil {
			return // no header that HTTP can carry
		}
		mentioned := strings.Contains(strings.ToLower(accept), "json") || strings.Contains(accept, "*") || accept == ""
		if got == program && !mentioned {
			t.Errorf("Accept: %q gets JSON", accept)
		}
		if got == fragment && !htmx {
			t.Errorf("Accept: %q gets a fragment", accept)
		}
	})
}

// Whatever a file is called and says that it is, what is taken of an upload is the file as it was sent, or nothing.
func FuzzUploadNames(f *testing.F) {
	for i, name := range evilNames {
		f.Add(name, []string{"image/png", "text/html", "", "image/png\r\nContent-Transfer-Encoding: base64"}[i%4], []byte("the file"))
	}
	f.Add(`x.png"; name="other`, "image/png", []byte("\r\n--frontier--\r\n"))
	f.Add("x", "image/png", []byte("\r\n--frontier\r\nContent-Disposition: form-data; name=\"photo\"\r\n\r\nanother"))
	var got []byte
	var refused error
	app := fiber.New(fiber.Config{Immutable: true})
	app.Post("/", func(c *fiber.Ctx) error {
		got, refused = photoIn(c)
		return nil
	})
	f.Fuzz(func(t *testing.T, name, contentType string, file []byte) {
		r := httptest.NewRequest("POST", "/", nil)
		fileOf(contentType, name, file)(r)
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
		got, refused = nil, nil
		answer, err := app.Test(r, -1)
		if err != nil {
			return // nothing that HTTP can carry
		}
		if answer.StatusCode != 200 {
			t.Fatalf("%q: status %d", name, answer.StatusCode)
		}
		if refused != nil && chat.KindOf(refused) != chat.Invalid && refused != fiber.ErrBadRequest {
			t.Errorf("%q is refused with %v", name, refused)
		}
		if refused == nil && (len(got) == 0 || !bytes.Contains(sent, got)) {
			t.Errorf("of %q, sent as %q, %q was taken", file, sent, got)
		}
	})
}
