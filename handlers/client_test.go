package handlers

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"parley/db/chat"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// The client's address is what the last trusted proxy says, whatever the client itself has put into the headers.
func TestClientAddress(t *testing.T) {
	const proxy, inner = "127.0.0.1", "10.0.0.9"
	trusted := prefixes("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")
	type headers map[string][]string
	for name, c := range map[string]struct {
		peer    string
		trusted []netip.Prefix
		headers headers
		want    string
	}{
		"no proxy is set":                 {proxy, nil, headers{"X-Forwarded-For": {"192.0.2.1"}, "Forwarded": {"for=192.0.2.1"}}, proxy},
		"whoever connects is no proxy":    {"203.0.113.5", trusted, headers{"X-Forwarded-For": {"192.0.2.1"}}, "203.0.113.5"},
		"nobody is behind":                {proxy, trusted, nil, proxy},
		"one is behind":                   {proxy, trusted, headers{"X-Forwarded-For": {"192.0.2.1"}}, "192.0.2.1"},
		"the client made some up":         {proxy, trusted, headers{"X-Forwarded-For": {"198.51.100.1, 127.0.0.1, 192.0.2.1"}}, "192.0.2.1"},
		"in a header of its own":          {proxy, trusted, headers{"X-Forwarded-For": {"198.51.100.1", "192.0.2.1"}}, "192.0.2.1"},
		"two proxies":                     {proxy, trusted, headers{"X-Forwarded-For": {"198.51.100.1, 192.0.2.1, " + inner}}, "192.0.2.1"},
		"an untrusted proxy":              {proxy, trusted, headers{"X-Forwarded-For": {"198.51.100.1, 203.0.113.9"}}, "203.0.113.9"},
		"all are proxies":                 {proxy, trusted, headers{"X-Forwarded-For": {"10.1.1.1, " + inner}}, "10.1.1.1"},
		"with a port":                     {proxy, trusted, headers{"X-Forwarded-For": {"192.0.2.1:4711"}}, "192.0.2.1"},
		"IPv6":                            {"fd00::1", trusted, headers{"X-Forwarded-For": {"2001:db8::1"}}, "2001:db8::1"},
		"IPv6 with a port":                {proxy, trusted, headers{"X-Forwarded-For": {"[2001:db8::1]:4711"}}, "2001:db8::1"},
		"IPv6 in brackets":                {proxy, trusted, headers{"X-Forwarded-For": {"[2001:db8::1]"}}, "2001:db8::1"},
		"IPv4 as IPv6":                    {"::ffff:127.0.0.1", trusted, headers{"X-Forwarded-For": {"::ffff:192.0.2.1"}}, "192.0.2.1"},
		"a zone":                          {proxy, trusted, headers{"X-Forwarded-For": {"fe80::1%eth0"}}, "fe80::1"},
		"no address":                      {proxy, trusted, headers{"X-Forwarded-For": {"192.0.2.1, unknown"}}, proxy},
		"a script":                        {proxy, trusted, headers{"X-Forwarded-For": {"<b>"}}, proxy},
		"an empty one":                    {proxy, trusted, headers{"X-Forwarded-For": {""}}, proxy},
		"the standard's header":           {proxy, trusted, headers{"Forwarded": {`for=198.51.100.1, For="192.0.2.1:80";proto=https;by=203.0.113.43`}}, "192.0.2.1"},
		"the standard's, IPv6":            {proxy, trusted, headers{"Forwarded": {`proto=https;for="[2001:db8::1]:4711"`}}, "2001:db8::1"},
		"the standard's, hidden":          {proxy, trusted, headers{"Forwarded": {`for=192.0.2.1, for=_hidden`}}, proxy},
		"the standard's, nothing":         {proxy, trusted, headers{"Forwarded": {`for=192.0.2.1, proto=http`}}, proxy},
		"both alike":                      {proxy, trusted, headers{"X-Forwarded-For": {"192.0.2.1"}, "Forwarded": {"for=192.0.2.1"}}, "192.0.2.1"},
		"the client sends the other one":  {proxy, trusted, headers{"X-Forwarded-For": {"192.0.2.1"}, "Forwarded": {"for=198.51.100.1"}}, proxy},
		"the client sends the other one ": {proxy, trusted, headers{"Forwarded": {"for=192.0.2.1"}, "X-Forwarded-For": {"198.51.100.1"}}, proxy},
		"headers that nobody knows":       {proxy, trusted, headers{"X-Real-Ip": {"198.51.100.1"}, "Client-Ip": {"198.51.100.1"}, "X-Forwarded-Host": {"x"}}, proxy},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{Config: Config{TrustedProxies: c.trusted, Logger: slog.New(slog.DiscardHandler)}}
			app := fiber.New(fiber.Config{Immutable: true})
			var request fasthttp.RequestCtx
			request.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.ParseIP(c.peer)}, nil)
			for name, lines := range c.headers {
				for _, line := range lines {
					request.Request.Header.Add(name, line)
				}
			}
			ctx := app.AcquireCtx(&request)
			defer app.ReleaseCtx(ctx)
			got := ""
			app.Use(s.addressed, func(c *fiber.Ctx) error { got = clientIP(c); return nil })
			app.Handler()(&request)
			if got != c.want {
				t.Errorf("it is %s, want %s", got, c.want)
			}
		})
	}
}

func TestNetworks(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::": "2001:db8:1:2::/64",
		"2001:db8:1:3::": "2001:db8:1:3::/64", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "": "", "x": "x",
	} {
		if got := networkOf(address); got != want {
			t.Errorf("%s is of %s, want %s", address, got, want)
		}
	}
}

// The address is the client's wherever one is noted.
func TestClientAddressIsNoted(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *chat.Options) { c.TrustedProxies = prefixes("0.0.0.0/32") })
	root := w.person("root")
	if _, err := w.db.Exec("UPDATE users SET is_admin = TRUE"); err != nil {
		t.Fatal(err)
	}
	secret, _ := root.tokenOf("bot", chat.ScopeRead)
	from := header("X-Forwarded-For", "198.51.100.1, 192.0.2.77")
	w.nobody().post("/login", asPage, credentials("root", password), from).want(303)
	w.nobody().get("/users", underToken(secret), from).want(200)
	root.post("/admin/place", asPage, form("name", "Our place"), from).want(303)
	for _, table := range []string{"audit_events WHERE action = 'place.set' AND ip", "sessions WHERE ip", "tokens WHERE used_ip"} {
		if n := w.count(table + " = '192.0.2.77'"); n != 1 {
			t.Errorf("%s: %d rows", table, n)
		}
	}
	if !strings.Contains(w.log.String(), `"ip":"192.0.2.77"`) || strings.Contains(w.log.String(), "198.51.100.1") {
		t.Error("the log has another address")
	}
}

// Whoever forgot to name their proxy finds out: one line, not one a request.
func TestUnknownProxyIsNotedOnce(t *testing.T) {
	w := newWorld(t)
	w.nobody().get("/login")
	if strings.Contains(w.log.String(), unknownProxy) {
		t.Error("there is no proxy")
	}
	for range 3 {
		w.nobody().get("/login", header("X-Forwarded-For", "192.0.2.1"))
	}
	if n := strings.Count(w.log.String(), unknownProxy); n != 1 {
		t.Errorf("it was noted %d times", n)
	}
}

// Nor does anybody hide unnoticed behind a proxy that hands on what it should drop.
func TestTornProxyIsNotedOnce(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *chat.Options) { c.TrustedProxies = prefixes("0.0.0.0/32") })
	w.nobody().get("/login", header("X-Forwarded-For", "192.0.2.1"), header("Forwarded", "for=192.0.2.1"))
	if strings.Contains(w.log.String(), tornProxy) {
		t.Error("the two say the same")
	}
	for range 3 {
		w.nobody().get("/login", header("X-Forwarded-For", "192.0.2.1"), header("Forwarded", "for=198.51.100.1"))
	}
	if n := strings.Count(w.log.String(), tornProxy); n != 1 {
		t.Errorf("it was noted %d times", n)
	}
}
