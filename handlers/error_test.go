package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
)

// linesOfLog are the log's entries that hold a text.
func (w *world) linesOfLog(holding string) (found []map[string]any) {
	w.t.Helper()
	for line := range strings.Lines(w.log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			w.t.Fatalf("a line of the log is %q", line)
		}
		if strings.Contains(line, holding) {
			found = append(found, entry)
		}
	}
	return found
}

// A panic costs its request and nothing else: the client hears nothing of it, the log has it once.
func TestPanicIsContained(t *testing.T) {
	w := newWorld(t)
	w.server.app.Get("/panic", func(*fiber.Ctx) error { panic("a secret of the program") })
	w.server.app.Post("/panic", func(c *fiber.Ctx) error {
		c.Status(201).Set("Location", "/x")
		_, _ = c.WriteString("half an answer") // what counts is that it doesn't leave
		none := []string{"a secret of the program"}
		return errors.New(none[len(none)]) // beyond the end
	})
	alice := w.person("alice")
	for _, method := range []string{"GET", "POST"} {
		for _, s := range shapes {
			r := alice.do(method, "/panic", s.ask).want(500)
			r.wantNoText("secret", "panic", "goroutine", "out of range", ".go:", "half an answer")
			checkSecurityHeaders(t, r)
			checkContentType(t, r, s.shape)
			id := r.header.Get("X-Request-Id")
			if s.shape != fragment {
				r.wantText(id) // so that whoever asks for help can say which
			}
			failures := w.linesOfLog(id)
			if len(failures) != 2 || failures[0]["msg"] != "request failed" || failures[0]["level"] != "ERROR" || failures[1]["msg"] != "request" {
				t.Fatalf("the log has %v", failures)
			}
			if text := fmt.Sprint(failures[0]["error"]); !strings.Contains(text, "panic: ") || !strings.Contains(text, "error_test.go") {
				t.Errorf("the log has no stack: %s", text)
			}
		}
	}
	alice.get("/users").want(200)
}

// A component that fails halfway is an error page, and not half a page.
func TestHalfAPageIsNone(t *testing.T) {
	w := newWorld(t)
	half := templ.ComponentFunc(func(_ context.Context, out io.Writer) error {
		_, _ = io.WriteString(out, "<p>half a page") // writing to memory doesn't fail
		return errors.New("a secret of the program")
	})
	w.server.app.Get("/half", func(c *fiber.Ctx) error {
		return respond(c, answer{status: 201, json: make(chan int), fragment: half, page: func() (templ.Component, error) { return half, nil }})
	})
	w.server.app.Get("/none", func(c *fiber.Ctx) error {
		return respond(c, answer{page: func() (templ.Component, error) { return nil, errors.New("a secret of the program") }})
	})
	for _, s := range shapes {
		r := w.nobody().get("/half", s.ask).want(500).wantNoText("half", "secret", "chan int")
		checkContentType(t, r, s.shape)
	}
	w.nobody().get("/none", asPage).want(500).wantNoText("secret")
}

// Every kind of error has its status, a text for people, and a reference where it is ours.
func TestErrorsInEveryShape(t *testing.T) {
	w := newWorld(t)
	secret := errors.New("a secret of the program")
	cases := map[string]struct {
		err    error
		status int
		says   string
	}{
		"plain":         {secret, 500, "Something went wrong"},
		"wrapped":       {fmt.Errorf("x: %w", secret), 500, "Something went wrong"},
		"malformed":     {malformed("x", "Say it otherwise."), 400, "Say it otherwise."},
		"not found":     {&chat.Error{Kind: chat.NotFound, Text: "There is nobody."}, 404, "There is nobody."},
		"invalid":       {fmt.Errorf("x: %w", &chat.Error{Kind: chat.Invalid, Text: "No.", Fields: map[string][]string{"body": {"Too long."}}}), 422, "Too long."},
		"conflict":      {&chat.Error{Kind: chat.Conflict, Text: "Already."}, 409, "Already."},
		"denied":        {&chat.Error{Kind: chat.Denied, Text: "Wrong."}, 401, "Wrong."},
		"unavailable":   {&chat.Error{Kind: chat.Unavailable, Text: "Later."}, 503, "Later."},
		"a kind to be":  {&chat.Error{Kind: 99, Text: "a secret of the program"}, 500, "Something went wrong"},
		"of Fiber":      {fiber.NewError(404, "a secret of the program"), 404, "nothing at this address"},
		"odd of Fiber":  {fiber.NewError(418, "a secret of the program"), 418, "I&#39;m a teapot."},
		"fault of it":   {fiber.NewError(502, "a secret of the program"), 500, "Something went wrong"},
		"hung up":       {fmt.Errorf("x: %w", context.Canceled), 500, "Something went wrong"},
		"with no texts": {&chat.Error{Kind: chat.NotFound}, 404, ""},
	}
	w.server.app.Get("/fail/:case", func(c *fiber.Ctx) error { return cases[strings.ReplaceAll(c.Params("case"), "_", " ")].err })
	for name, c := range cases {
		for _, s := range shapes {
			r := w.nobody().get("/fail/"+strings.ReplaceAll(name, " ", "_"), s.ask).want(c.status).wantNoText("secret")
			id := r.header.Get("X-Request-Id")
			checkContentType(t, r, s.shape)
			if s.shape == page {
				r.wantText(c.says)
				checkReference(t, r, id)
			}
			noted := 0
			for _, line := range w.linesOfLog(id) {
				if line["msg"] == "request failed" {
					noted++
				}
			}
			if want := map[bool]int{true: 1, false: 0}[c.status >= 500]; noted != want {
				t.Errorf("%s: the log has it %d times, want %d", name, noted, want)
			}
			if retry := r.header.Get("Retry-After") != ""; retry != (c.status == 503) {
				t.Errorf("%s: Retry-After is %q", name, r.header.Get("Retry-After"))
			}
		}
	}
}

// The log's errors are what somebody has to look after.
func TestNobodysFaultIsNoError(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want slog.Level
	}{
		"hung up":      {fmt.Errorf("x: %w", context.Canceled), slog.LevelInfo},
		"stopping":     {fiber.ErrServiceUnavailable, slog.LevelInfo},
		"no database":  {&chat.Error{Kind: chat.Unavailable, Text: "Later."}, slog.LevelError},
		"a fault ours": {errors.New("x"), slog.LevelError},
	} {
		if got := levelOf(c.err); got != c.want {
			t.Errorf("%s is logged as %s, want %s", name, got, c.want)
		}
	}
}

// A fault behind a refusal is noted, though it isn't what the answer says.
func TestFaultBehindRefusal(t *testing.T) {
	w := newWorld(t)
	refused := &chat.Error{Kind: chat.Invalid, Text: "Too long."}
	w.server.app.Get("/refused/:behind", func(c *fiber.Ctx) error {
		if c.Params("behind") == "fault" {
			return errors.Join(refused, errors.New("a secret of the program"))
		}
		return errors.Join(refused, &chat.Error{Kind: chat.NotFound, Text: "There is nobody."})
	})
	for behind, want := range map[string]int{"fault": 1, "refusal": 0} {
		r := w.nobody().get("/refused/"+behind, asPage).want(422).wantText("Too long.").wantNoText("secret", "nobody")
		failures := 0
		for _, line := range w.linesOfLog(r.header.Get("X-Request-Id")) {
			if line["msg"] == "request failed" {
				failures++
			}
		}
		if failures != want {
			t.Errorf("a %s behind a refusal is noted %d times, want %d", behind, failures, want)
		}
	}
}

// checkReference expects the request's ID on the page where the fault is ours, and nowhere else.
func checkReference(t *testing.T, r *reply, id string) {
	t.Helper()
	if shown := r.doc().Find("code").Text() == id; shown != (r.status >= 500) {
		t.Errorf("%s: the request's ID is shown: %t", r.what, shown)
	}
}

// A proxy's request ID is taken over, unless it could forge a line in the log.
func TestRequestID(t *testing.T) {
	w := newWorld(t)
	for _, given := range []string{"abcdefgh", "0123-4567_89AB", strings.Repeat("x", 64)} {
		w.nobody().get("/healthz", header("X-Request-ID", given)).wantHeader("X-Request-Id", given)
	}
	for _, given := range []string{"", "short", strings.Repeat("x", 65), "abcdefgh ijkl", "abcdefgh\tijkl", "<script>alert", "abcdefgh\"x", "é1234567890"} {
		if got := w.nobody().get("/healthz", header("X-Request-ID", given)).header.Get("X-Request-Id"); got == given || !validRequestID(got) {
			t.Errorf("%q became %q", given, got)
		}
	}
	if a, b := w.nobody().get("/healthz").header.Get("X-Request-Id"), w.nobody().get("/healthz").header.Get("X-Request-Id"); a == b {
		t.Errorf("two requests are both called %s", a)
	}
}

// While the database is away pages say so, programs are told when to come again, and nothing of the driver's leaks.
func TestDatabaseAway(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.db.Close()
	for _, path := range []string{"/", "/users", "/conversations", "/conversations/bob", "/messages?with=bob", "/messages/1-1", "/login"} {
		for _, s := range shapes {
			r := alice.get(path, s.ask)
			if r.status != 500 && r.status != 503 {
				t.Errorf("%s as %s: status %d", path, s.name, r.status)
			}
			r.wantNoText("sql:", "closed", "driver")
			checkSecurityHeaders(t, r)
		}
	}
	w.nobody().get("/login", asPage).want(200)
	w.nobody().post("/login", asPage, credentials("alice", password)).wantNoText("sql:", "closed")
}
