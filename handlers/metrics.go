package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"parley/db/meter"
	"parley/handlers/metrics"
)

// requestCounts is what is counted of requests, for each route apart. The routes are known when the server is made, so
// that a request costs no more than finding its own: nobody can make further ones by asking for odd addresses.
type requestCounts struct {
	ofRoute map[*fiber.Route]*routeCounts
	all     []*routeCounts
	other   *routeCounts // what is no route's, and what failed before its route was reached
}

type routeCounts struct {
	method, route string
	answered      [6]atomic.Uint64 // by the status' first digit; 0 is no status
	took          *meter.Histogram
}

// newRequestCounts takes in all routes of an application, which must have got all of them.
func newRequestCounts(app *fiber.App) *requestCounts {
	counts := &requestCounts{ofRoute: map[*fiber.Route]*routeCounts{}}
	counts.other = counts.add("other", "other")
	endpoint := map[*fiber.Handler]bool{} // a route shares its list of handlers with the copies that it is given out as
	for _, r := range app.GetRoutes(true) {
		endpoint[&r.Handlers[0]] = true
	}
	named := map[string]*routeCounts{}
	for _, routes := range app.Stack() {
		for _, r := range routes {
			if !endpoint[&r.Handlers[0]] {
				continue // middleware
			}
			method := countedAs(r.Method)
			if named[method+r.Path] == nil {
				named[method+r.Path] = counts.add(method, r.Path)
			}
			counts.ofRoute[r] = named[method+r.Path]
		}
	}
	return counts
}

// countedAs puts HEAD with GET, which it is except for the body.
func countedAs(method string) string {
	if method == fiber.MethodHead {
		return fiber.MethodGet
	}
	return method
}

func (r *requestCounts) add(method, route string) *routeCounts {
	one := &routeCounts{method: method, route: route, took: meter.Durations()}
	r.all = append(r.all, one)
	return one
}

// measured counts each request, by the last route that it reached.
func (s *Server) measured(c *fiber.Ctx) error {
	start := time.Now()
	err := c.Next()
	counts := s.requests.ofRoute[c.Route()]
	if counts == nil {
		counts = s.requests.other
	}
	counts.took.ObserveSince(start)
	if err == nil { // else failUnread counts it
		counts.count(c)
	}
	return err
}

// count counts the answer as it is now.
func (r *routeCounts) count(c *fiber.Ctx) {
	digit := c.Response().StatusCode() / 100
	r.answered[min(max(digit, 0), 5)].Add(1)
}

func (r *requestCounts) figures() []metrics.Requests {
	figures := make([]metrics.Requests, len(r.all))
	for i, one := range r.all {
		figures[i] = metrics.Requests{Method: one.method, Route: one.route, Took: one.took.Snapshot()}
		for digit := range one.answered {
			figures[i].Answered[digit] = one.answered[digit].Load()
		}
	}
	return figures
}

// figures is everything that is counted on this node.
func (s *Server) figures() metrics.Figures {
	return metrics.Figures{Requests: s.requests.figures(), Chat: s.Store.Stats(), Hub: s.hub.Stats(), Fanout: s.Fanout.Stats()}
}

// Metrics answers Prometheus, for an address of its own. Where there is a token, that is asked for there too.
func (s *Server) Metrics() http.Handler {
	figures := metrics.Handler(s.figures)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if s.MetricsToken != "" && !bears(r.Header.Get(fiber.HeaderAuthorization), s.MetricsToken) {
			http.NotFound(w, r)
			return
		}
		figures.ServeHTTP(w, r)
	})
	return mux
}

// showMetrics answers Prometheus on the main address. Whoever doesn't have the token finds nothing there.
func (s *Server) showMetrics() fiber.Handler {
	figures := adaptor.HTTPHandler(metrics.Handler(s.figures))
	return func(c *fiber.Ctx) error {
		if s.MetricsToken == "" || !bears(c.Get(fiber.HeaderAuthorization), s.MetricsToken) {
			return fiber.ErrNotFound
		}
		c.Set(fiber.HeaderCacheControl, "no-store")
		return figures(c)
	}
}

// bears says whether an Authorization header has the token: RFC 6750 section 2.1. How long it takes to say so tells
// nothing of the token.
func bears(authorization, token string) bool {
	scheme, given, _ := strings.Cut(authorization, " ")
	have, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(have[:], want[:]) == 1
}
