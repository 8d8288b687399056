package handlers

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

// errSignedOut answers whoever must sign in first.
var errSignedOut = errors.New("signed out")

// statusOf is the one table from a rule's error to a status.
var statusOf = map[chat.Kind]int{
	chat.Invalid:     http.StatusUnprocessableEntity,
	chat.NotFound:    http.StatusNotFound,
	chat.Conflict:    http.StatusConflict,
	chat.Denied:      http.StatusUnauthorized,
	chat.Malformed:   http.StatusBadRequest,
	chat.Unavailable: http.StatusServiceUnavailable,
	chat.Forbidden:   http.StatusForbidden,
}

// textOf is what people read where only the status is known.
var textOf = map[int]string{
	http.StatusBadRequest:                  "The request isn't one that Parley understands.",
	http.StatusUnauthorized:                "Sign in first.",
	http.StatusForbidden:                   "This request came from another site, so it wasn't carried out. Go to Parley and do it there.",
	http.StatusNotFound:                    "There is nothing at this address, or it isn't yours to see.",
	http.StatusMethodNotAllowed:            "This address can't be used in this way.",
	http.StatusRequestEntityTooLarge:       "That is more than can be sent at once.",
	http.StatusUnsupportedMediaType:        "Send a form or JSON, not compressed.",
	http.StatusUpgradeRequired:             "This address is for WebSockets only.",
	http.StatusRequestHeaderFieldsTooLarge: "The request's header is too large.",
	http.StatusServiceUnavailable:          "Parley can't answer right now. Try again in a moment.",
}

// headingOf is what stands over such a text on a page, where the status' own name is jargon.
var headingOf = map[int]string{
	http.StatusBadRequest:            "That address is damaged",
	http.StatusForbidden:             "Not from here",
	http.StatusNotFound:              "Nothing here",
	http.StatusMethodNotAllowed:      "Not in this way",
	http.StatusRequestEntityTooLarge: "Too much at once",
	http.StatusUnprocessableEntity:   "That didn’t work",
	http.StatusTooManyRequests:       "Too much at once",
	http.StatusInternalServerError:   "Something went wrong",
	http.StatusServiceUnavailable:    "Back in a moment",
}

const faultText = "Something went wrong on our side. It has been noted; try again in a moment."

// problem is an error as it leaves the server: RFC 9457, with the fields of a form beside it.
type problem struct {
	Type     string              `json:"type"`
	Title    string              `json:"title"`
	Status   int                 `json:"status"`
	Detail   string              `json:"detail"`
	Instance string              `json:"instance"` // the request ID, by which the log can be searched
	Errors   map[string][]string `json:"errors,omitempty"`

	SecondFactor []chat.FactorKind `json:"second_factor,omitempty"` // what is wanted, or can be set up
}

// problemOf never takes a text from an error that isn't ours.
func problemOf(c *fiber.Ctx, err error) problem {
	p := problem{Type: "about:blank", Status: http.StatusInternalServerError, Detail: faultText, Instance: requestIDOf(c)}
	rule, isRule := errors.AsType[*chat.Error](err)
	web, isWeb := errors.AsType[*fiber.Error](err)
	wanted, isFactor := errors.AsType[*factorError](err)
	refused, isRefusal := errors.AsType[*refusal](err)
	switch {
	case isRule && statusOf[rule.Kind] != 0:
		p.Status, p.Detail, p.Errors = statusOf[rule.Kind], rule.Text, rule.Fields
	case isFactor:
		p.Status, p.Detail, p.SecondFactor = wanted.status, wanted.text, wanted.kinds
	case isRefusal:
		p.Status, p.Detail = refused.status, refused.text
	case errors.Is(err, errSignedOut):
		p.Status, p.Detail = http.StatusUnauthorized, textOf[http.StatusUnauthorized]
	case isWeb && textOf[web.Code] != "":
		p.Status, p.Detail = web.Code, textOf[web.Code]
	case isWeb && web.Code < http.StatusInternalServerError:
		p.Status, p.Detail = web.Code, http.StatusText(web.Code)+"."
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// failUnread answers a request that could not even be read, so that no middleware has seen it. Whatever it was, it is not
// ours: a connection that breaks is no fault to note.
func (s *Server) failUnread(c *fiber.Ctx, err error) error {
	if web, ok := errors.AsType[*fiber.Error](err); ok && web.Code >= http.StatusInternalServerError {
		err = fiber.ErrBadRequest
	}
	defer s.requests.other.count(c)
	return s.fail(c, err)
}

// fail answers every error, in the shape that was asked for. It sets all headers itself: an error may come before the
// middleware that does, and the WebSocket package empties an answer that it refuses.
func (s *Server) fail(c *fiber.Ctx, err error) error { return s.failKeeping(c, err, "") }

// failKeeping is fail where a page's reader has typed a text, which the page gives back.
func (s *Server) failKeeping(c *fiber.Ctx, err error, typed string) error {
	nameRequest(c)
	setSecurityHeaders(c)
	setPrivate(c)
	p := s.noted(c, err)
	switch p.Status {
	case http.StatusUnauthorized:
		c.Set(fiber.HeaderWWWAuthenticate, challenge(c))
	case http.StatusUpgradeRequired:
		c.Set(fiber.HeaderUpgrade, "websocket")
		c.Set(fiber.HeaderSecWebSocketVersion, "13")
	}
	c.Status(p.Status)
	leads := s.leadsTo(c, err)
	switch shapeOf(c) {
	case program:
		return c.JSON(p, "application/problem+json")
	case fragment:
		if p.Status == http.StatusUnauthorized {
			c.Set("HX-Redirect", s.loginURL(c, currentPath(c)))
		} else if leads != "" {
			c.Set("HX-Redirect", leads)
		}
		return render(c, views.ErrorFragment("", fullText(p)))
	}
	if leads != "" {
		return seeOther(c, leads)
	}
	heading := headingOf[p.Status]
	if heading == "" {
		heading = p.Title
	}
	return render(c, views.ErrorPage(views.Problem{Heading: heading, Text: fullText(p), Reference: referenceOf(p), Typed: typed}))
}

// noted is problemOf for an error that is about to be shown, and that the log may have to know.
func (s *Server) noted(c *fiber.Ctx, err error) problem {
	p := problemOf(c, err)
	if noteworthy(c, err) {
		s.Logger.LogAttrs(c.UserContext(), levelOf(err), "request failed", slog.String("request", p.Instance), slog.Any("error", err))
	}
	if p.Status == http.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, "1")
	}
	announceWait(c, err)
	return p
}

// leadsTo is the page that an error sends a browser to, "" where it has a page of its own.
func (s *Server) leadsTo(c *fiber.Ctx, err error) string {
	if wanted, ok := errors.AsType[*factorError](err); ok {
		return wanted.at
	}
	if errors.Is(err, errSignedOut) {
		return s.loginURL(c, wantedPath(c))
	}
	return ""
}

// noteworthy says whether an error belongs into the log: a fault of ours, or a refusal that one was joined to.
func noteworthy(c *fiber.Ctx, err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return noteworthy(c, err) })
	}
	return problemOf(c, err).Status >= http.StatusInternalServerError
}

// A client that hung up is nobody's fault, nor is a window that comes while this node is being stopped, nor a crowd, whose
// every line would be one more.
func levelOf(err error) slog.Level {
	if errors.Is(err, chat.ErrCrowded) {
		return slog.LevelDebug
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, fiber.ErrServiceUnavailable) {
		return slog.LevelInfo
	}
	return slog.LevelError
}

// fullText adds what is wrong with each field, where a page has no form to show it beside.
func fullText(p problem) string {
	texts := []string{p.Detail}
	for _, field := range slices.Sorted(maps.Keys(p.Errors)) {
		for _, text := range p.Errors[field] {
			if text != p.Detail {
				texts = append(texts, text)
			}
		}
	}
	return strings.Join(texts, " ")
}

func referenceOf(p problem) string {
	if p.Status < http.StatusInternalServerError {
		return ""
	}
	return p.Instance
}

func malformed(field, text string) error {
	return &chat.Error{Kind: chat.Malformed, Text: text, Fields: map[string][]string{field: {text}}}
}

func loginURL(next string) string { return loginURLWhy(next, "") }

func loginURLWhy(next, why string) string {
	if next == "/" {
		next = "" // where signing in leads anyway
	}
	return views.WithQuery("/login", "next", next, "why", why)
}

// loginURL also says why somebody who was signed in has to sign in again.
func (s *Server) loginURL(c *fiber.Ctx, next string) string {
	if c.Cookies(s.sessions.name) == "" {
		return loginURL(next)
	}
	return loginURLWhy(next, views.WhyEnded)
}

// wantedPath is where to go after signing in: the page that was asked for, if asking again does no more than show it.
func wantedPath(c *fiber.Ctx) string {
	if c.Method() != fiber.MethodGet && c.Method() != fiber.MethodHead {
		return ""
	}
	return c.OriginalURL()
}

// currentPath is the page that an htmx request came from.
func currentPath(c *fiber.Ctx) string {
	current, err := url.Parse(c.Get("HX-Current-URL"))
	if err != nil {
		return ""
	}
	return localPath(current.RequestURI())
}

func seeOther(c *fiber.Ctx, path string) error { return c.Redirect(path, http.StatusSeeOther) }
