// Package handlers is Parley over HTTP: it reads a request, has chat.Store do what it asks for, and answers with a
// page, a fragment or JSON.
package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/handlers/fanout"
	"parley/handlers/hub"
	"parley/handlers/throttle"
	"parley/handlers/trace"
)

// Config is what a Server is made of. BaseURL, Traces and Throttle may be nil, Node, MetricsToken and
// TrustedProxies empty; everything else is needed.
type Config struct {
	Store          *chat.Store
	Fanout         fanout.Fanout
	Logger         *slog.Logger
	BaseURL        *url.URL           // the public address: cookies are Secure where it is https, and its origin counts as ours
	MessagesToLoad int                // how many messages a conversation shows at first
	TimeZone       *time.Location     // for whoever's browser hasn't said its own
	Node           string             // this node's name, for admins who have several
	Traces         *trace.Book        // what the Store tells of messages' ways; default: one of its own, which the Store doesn't know
	MetricsToken   string             // what Prometheus has to show; where it is empty, /metrics is on its own address alone
	SendsMail      bool               // mail goes out, so a forgotten password needs no admin
	LinkBase       string             // what links begin with that leave Parley: scheme and host, never those of a request
	TrustedProxies []netip.Prefix     // whose word of where a request comes from is taken
	Throttle       *throttle.Throttle // counts how often things are done; nil: everything may be done as often as anybody likes
}

// Server answers requests and holds this node's windows.
type Server struct {
	Config
	app      *fiber.App
	hub      *hub.Hub
	checker  *checker
	sessions *sessionStore
	requests *requestCounts
	peers    peers
	samples  samples
	uploads  uploads
	exports  exports
	origin   *http.CrossOriginProtection
	pages    *pageMemory // nil with several nodes
	draining atomic.Bool
	misled   atomic.Bool // a proxy that isn't trusted, or one that hands on too much, was noted
	stopPing context.CancelFunc
	stopping <-chan struct{} // closed when Shutdown begins
	pings    sync.WaitGroup
}

// Limits on what one request may cost. Reading a whole request and writing an answer each have their time, so that a
// slow client holds a connection for a bounded while.
const (
	maxHeader    = 16 << 10
	readTimeout  = 30 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
)

// maxRequestBody leaves room for the longest message with each octet percent-encoded, and for the other fields.
func maxRequestBody(longest int) int { return longest*4*3 + 64<<10 }

// ownOrigins is what refuses other sites' requests. Requests say with Host which address they were sent to; behind a
// proxy that hands on another Host, the base URL says which one is ours.
func ownOrigins(base *url.URL) *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	if base != nil {
		if err := p.AddTrustedOrigin(base.Scheme + "://" + base.Host); err != nil {
			panic(err) // the settings were checked: a scheme and a host make an origin
		}
	}
	return p
}

// New makes a Server and starts to look after windows; Shutdown ends that.
func New(c Config) *Server {
	if c.Traces == nil {
		c.Traces = trace.New(trace.Steps)
	}
	s := &Server{Config: c, hub: hub.New()}
	s.hub.Limit(maxWindows)
	s.checker = newChecker(s)
	s.sessions = newSessionStore(c.Store, c.BaseURL != nil && c.BaseURL.Scheme == "https")
	s.origin = ownOrigins(c.BaseURL)
	s.app = fiber.New(fiber.Config{
		AppName:               "Parley",
		DisableStartupMessage: true,
		Immutable:             true, // otherwise strings alias a buffer that the next request overwrites
		CaseSensitive:         true,
		BodyLimit:             maxRequestBody(c.Store.MaxBodyLength()),
		ReadBufferSize:        maxHeader,
		ReadTimeout:           readTimeout,
		WriteTimeout:          writeTimeout,
		IdleTimeout:           idleTimeout,
		ErrorHandler:          s.failUnread,
	})
	if _, alone := c.Fanout.(*fanout.Memory); alone {
		s.pages = newPageMemory()
	}
	s.app.Server().HeaderReceived = s.limits // not with the settings above, as Fiber has none for it
	s.app.Server().KeepHijackedConns = true  // windows outlive the handler of their handshake
	s.app.Server().CloseOnShutdown = true    // whose answer comes during the shut-down asks the next time elsewhere
	s.hub.Watch(c.Fanout.Follow, c.Fanout.Unfollow)
	c.Fanout.Trace(c.Traces)
	c.Fanout.Answer(s.answerNode)
	c.Fanout.Subscribe(s.deliver)
	s.routes()
	s.requests = newRequestCounts(s.app)
	ctx, cancel := context.WithCancel(context.Background())
	s.stopPing, s.stopping = cancel, ctx.Done()
	s.pings.Go(func() { s.pingWindows(ctx) })
	s.pings.Go(func() { s.checker.run(ctx) })
	s.pings.Go(func() { s.sample(ctx) })
	return s
}

// App is the Fiber application, for tests that send requests without a network.
func (s *Server) App() *fiber.App { return s.app }

// Windows says how many windows are open on this node.
func (s *Server) Windows() int { return s.hub.Count() }

// Serve answers requests from the listener until Shutdown. While no connection can be accepted, for want of file
// descriptors above all, it waits.
func (s *Server) Serve(l net.Listener) error { return s.app.Listener(newPatientListener(l, s.Logger)) }

// Drain says on /readyz that this node is about to stop, so that proxies send requests elsewhere. It goes on to serve.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown stops accepting, closes the windows with 1012, and returns when the requests that were under way are
// answered, or with an error when ctx ends first. Many windows are closed over two seconds, so that their pages don't
// all come back at once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.stopPing()
	s.pings.Wait()
	// Fiber neither closes windows nor waits for them.
	windows := make(chan error, 1)
	go func() { windows <- s.hub.CloseEvenly(ctx, hub.CloseRestart, "restart") }()
	if err := errors.Join(s.app.ShutdownWithContext(ctx), <-windows); err != nil {
		return fmt.Errorf("not everything had ended when the time for shutting down was over: %w", err)
	}
	return nil
}

// pingEvery is also how often the windows' sessions are looked up: one that has expired is found within a minute.
var pingEvery = hub.PingEvery

func (s *Server) pingWindows(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.hub.Ping()
			s.checker.lookUp(ctx)
		}
	}
}
