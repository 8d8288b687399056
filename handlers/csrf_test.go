package handlers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
)

// unsafeRoutes crawls what changes anything, with values for the patterns' parameters.
func unsafeRoutes(w *world, fill *strings.Replacer) (routes []fiber.Route) {
	for _, r := range w.server.App().GetRoutes(true) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
		default:
			r.Path = fill.Replace(r.Path)
			routes = append(routes, r)
		}
	}
	return routes
}

// several sets all of these headers.
func several(pairs ...string) option {
	return func(r *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Set(pairs[i], pairs[i+1])
		}
	}
}

// target is what a browser calls this server. Fiber's Test asks for httptest's own example.com otherwise.
const target = "parley.example"

// What browsers say of requests that another site made them send, kind by kind. Sec-Fetch-Site: W3C Fetch Metadata.
var (
	crossSite = map[string]option{
		"cross-site":             header("Sec-Fetch-Site", "cross-site"),
		"cross-site, our origin": several("Sec-Fetch-Site", "cross-site", "Origin", "http://"+target),
		"both foreign":           several("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"),
		"a word of the future":   header("Sec-Fetch-Site", "something"),
		"an upload in a frame":   several("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Origin", "null"),
	}
	sameSite = map[string]option{
		"same-site":             header("Sec-Fetch-Site", "same-site"),
		"same-site, our origin": several("Sec-Fetch-Site", "same-site", "Origin", "https://"+target),
		"same-site, its origin": several("Sec-Fetch-Site", "same-site", "Origin", "https://blog."+target),
		"a sub-domain's origin": header("Origin", "http://blog."+target),
		"a host of ours":        header("Origin", "https://www.chat.example"),
	}
	foreignOrigins = map[string]option{
		"a foreign origin":        header("Origin", "https://evil.example"),
		"a sandbox":               header("Origin", "null"),
		"a longer name":           header("Origin", "http://"+target+".evil.example"),
		"a longer name before":    header("Origin", "http://evil-"+target),
		"another port":            header("Origin", "http://"+target+":8080"),
		"the base, other port":    header("Origin", "https://chat.example:444"),
		"the base without TLS":    header("Origin", "http://chat.example"),
		"no origin but a scheme":  header("Origin", "https://"),
		"an origin with a path":   header("Origin", "https://evil.example/"+target),
		"an origin with user":     header("Origin", "https://"+target+"@evil.example"),
		"what is no URL":          header("Origin", "://"),
		"what comes as two words": header("Origin", "https://evil.example http://"+target),
		"a host that is claimed":  several("Origin", "https://evil.example", "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example"),
	}
)

// Trap: forms of other sites are sent with our cookie. What the browser says of their origin refuses them, on every
// route that changes anything, in every shape.
func otherSitesChangeNothing(t *testing.T, foreign map[string]option) {
	w := newWorld(t, baseURL("https://chat.example"))
	admin, bob := w.admin("root"), w.person("bob")
	m := bob.send("root", "hi")
	routes := unsafeRoutes(w, strings.NewReplacer(":username", "bob", ":id", m.ID.String()))
	if len(routes) < 50 {
		t.Fatalf("the crawl found only %d routes", len(routes))
	}
	sending := form("recipient", "bob", "body", "forged", "username", "root", "password", password, "seq", "1", "display_name", "Forged")
	for _, r := range routes {
		for name, from := range foreign {
			for _, s := range shapes {
				got := admin.do(r.Method, r.Path, s.ask, sending, from, host(target))
				if got.status != http.StatusForbidden || got.sessionCookie() != nil {
					t.Errorf("%s %s as %s from %s: status %d", r.Method, r.Path, s.name, name, got.status)
				}
				checkSecurityHeaders(t, got)
			}
		}
	}
	if !admin.signedIn() || !bob.signedIn() || w.messages() != 1 || w.count("users") != 2 || admin.with("bob").LastReadSeq != 0 {
		t.Error("a refused request did something")
	}
}

func host(name string) option { return func(r *http.Request) { r.Host = name } }

func TestOwnSiteAndProgramsPass(t *testing.T) {
	w := newWorld(t, baseURL("https://chat.example"))
	alice := w.person("alice")
	for name, from := range map[string]option{
		"a program":          func(*http.Request) {},
		"same-origin":        header("Sec-Fetch-Site", "same-origin"),
		"typed by hand":      header("Sec-Fetch-Site", "none"),
		"our own origin":     header("Origin", "http://parley.example"),
		"same, over a proxy": header("Origin", "https://parley.example"),
		"the public address": header("Origin", "https://chat.example"), // a proxy may have put its own name in Host
	} {
		t.Run(name, func(t *testing.T) {
			alice := w.signIn(alice.user)
			alice.t = t
			alice.post("/messages", asPage, form("recipient", "alice", "body", name), from, host("parley.example")).want(303)
			alice.do(http.MethodPut, "/conversations/alice/read", asJSON, object(fields{"seq": 1}), from, host("parley.example")).want(204)
			alice.post("/login", asJSON, object(fields{}), from, host("parley.example")).want(401)
			alice.post("/logout", asPage, from, host("parley.example")).want(303)
		})
	}
}

// Looking is free: a link from another site leads in.
func TestLinksFromOtherSitesWork(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	from := several("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Referer", "https://evil.example/")
	alice.get("/conversations", asPage, from).want(200)
	w.nobody().get("/login", asPage, from).want(200)
}
