package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/handlers/throttle"
)

// limit is how often something may be done, and what whoever does it too often reads before the time to wait.
type limit struct {
	throttle.Rule
	text string
	by   func(*fiber.Ctx) string // whom it counts for, where throttled guards a route with it
}

const tooManyGuesses = "Too many passwords or codes were tried."

// What can be guessed at. Only failures count. OWASP ASVS 5.0, 6.3.1 and 6.1.1, want guessing limited without letting
// anybody lock an owner out; ASVS 4.0.3, 2.2.1, and NIST SP 800-63B-4, 3.2.2, allow 100 failures on an account, the former
// in an hour. The OWASP Authentication Cheat Sheet has failures counted by account rather than by address alone.
var (
	// An account from one address: five at once, 65 in the first hour.
	guessesAtFrom = limit{Rule: throttle.Rule{Name: "guess", Burst: 5, Every: time.Minute}, text: tooManyGuesses}
	// An address, whatever accounts it tries (OWASP Credential Stuffing Prevention Cheat Sheet): an office of people who
	// mistype stays below, and a list of stolen passwords takes months.
	guessesFrom = limit{Rule: throttle.Rule{Name: "guess-address", Burst: 30, Every: 10 * time.Second}, text: tooManyGuesses}
	// An account from anywhere: 100 in the first hour. Beyond that nobody is refused for what others do; but each address
	// has no more than guessesAttacked.
	guessesAt       = limit{Rule: throttle.Rule{Name: "guess-account", Burst: 20, Every: 45 * time.Second}}
	guessesAttacked = limit{Rule: throttle.Rule{Name: "guess-attacked", Burst: 2, Every: 30 * time.Minute}, text: tooManyGuesses}
	// A browser in which the owner of the account has signed in before, whatever happens elsewhere (OWASP, "Slow Down
	// Online Guessing Attacks with Device Cookies").
	guessesInBrowser = limit{Rule: throttle.Rule{Name: "guess-browser", Burst: 10, Every: time.Minute}, text: tooManyGuesses}
)

// What can be flooded. The numbers are far above what a person does, so that nobody meets them who isn't a script.
var (
	sends     = limit{Rule: throttle.Rule{Name: "send", Burst: 120, Every: 50 * time.Millisecond, Local: true}, text: "You are sending faster than Parley takes messages.", by: byPerson}
	searches  = limit{Rule: throttle.Rule{Name: "search", Burst: 60, Every: 200 * time.Millisecond}, text: "You are searching faster than Parley looks.", by: byPerson}
	windowsOf = limit{Rule: throttle.Rule{Name: "window", Burst: 2 * maxWindows, Every: time.Second}, text: "You are opening windows faster than Parley takes them.", by: byPerson}
	// Who asks for links on and on fills somebody's letter box (OWASP Forgot Password Cheat Sheet).
	forgets = limit{Rule: throttle.Rule{Name: "forgot", Burst: 10, Every: time.Minute}, text: "Too many links were asked for from your network."}
	// Each brings a mail to whoever has the address.
	addresses = limit{Rule: throttle.Rule{Name: "address", Burst: 10, Every: 2 * time.Minute}, text: "Too many e-mail addresses were given for your account."}
	// Each account costs a hash and a place in the directory; a class of people who sign up together stays below.
	signUps = limit{Rule: throttle.Rule{Name: "signup", Burst: 60, Every: 30 * time.Second}, text: "Too many accounts are being made from your network."}
	// Each stands in a list that people read to its end.
	reports = limit{Rule: throttle.Rule{Name: "report", Burst: 30, Every: 2 * time.Minute}, text: "You are reporting faster than anybody reads.", by: byPerson}
	// Decoding takes a processor's time, half a second for a photo and several for what is made to: nobody can keep the one
	// that does it.
	photos = limit{Rule: throttle.Rule{Name: "photo", Burst: 20, Every: 30 * time.Second}, text: "You are sending photos faster than Parley takes them.", by: byPerson}
	// All that somebody has is read and packed for each: nobody needs it more than now and then.
	downloads = limit{Rule: throttle.Rule{Name: "export", Burst: 5, Every: 10 * time.Minute}, text: "You have downloaded your data several times just now.", by: byPerson}
	// Each question to a passkey of nobody known yet is two rows, for ten minutes.
	asks = limit{Rule: throttle.Rule{Name: "passkey", Burst: 60, Every: time.Second}, text: "Too many passkeys are being asked for from your network.", by: byNetwork}
	// Everybody behind one proxy or in one building comes back at once when Parley restarts.
	windowsFrom = limit{Rule: throttle.Rule{Name: "window-address", Burst: 5000, Every: 10 * time.Millisecond}, text: "Too many windows are being opened from your network.", by: byNetwork}
)

// maxWindows is how many windows one person can have open on a node: the oldest gives way.
const maxWindows = 100

func byPerson(c *fiber.Ctx) string  { return strconv.FormatUint(viewer(c).ID, 10) }
func byNetwork(c *fiber.Ctx) string { return networkOf(clientIP(c)) }

// throttled guards a route with limits: what goes beyond one of them is answered with 429.
func (s *Server) throttled(limits ...limit) fiber.Handler {
	return func(c *fiber.Ctx) error {
		for _, l := range limits {
			if err := s.take(c, l, l.by(c)); err != nil {
				return err
			}
		}
		return c.Next()
	}
}

// take counts once; its error says how long to wait.
func (s *Server) take(c *fiber.Ctx, l limit, key string) error {
	if wait := s.Throttle.Take(c.UserContext(), l.Rule, key); wait > 0 {
		return &refusal{status: http.StatusTooManyRequests, text: l.text + " Try again in " + inWords(wait) + ".", after: wait}
	}
	return nil
}

func inWords(d time.Duration) string {
	seconds := wholeSeconds(d)
	switch {
	case seconds == 1:
		return "a second"
	case seconds < 120:
		return fmt.Sprintf("%d seconds", seconds)
	default:
		return fmt.Sprintf("%d minutes", (seconds+59)/60)
	}
}

// claim is one count that was taken.
type claim struct {
	limit
	key string
}

// guessing has somebody try a secret of an account, unless too many tries have failed: passwords and the codes of second
// factors alike. try says that this one has by an error that chat.GuessedWrong knows; anything else doesn't count. The try
// counts before it is made, so that however many come at the same time, no more are let in.
func (s *Server) guessing(c *fiber.Ctx, username string, try func() error) error {
	claims, err := s.claimGuess(c, username)
	if err == nil {
		err = try()
		if chat.GuessedWrong(err) {
			return err
		}
	}
	for _, taken := range claims {
		s.Throttle.Give(c.UserContext(), taken.Rule, taken.key)
	}
	return err
}

// claimGuess takes every count that a guess needs. With an error come those that were taken before it.
func (s *Server) claimGuess(c *fiber.Ctx, username string) (taken []claim, _ error) {
	wanted, taken, err := s.guessLimits(c, username)
	for _, one := range wanted {
		if err = s.take(c, one.limit, one.key); err != nil {
			break
		}
		taken = append(taken, one)
	}
	return taken, err
}

// guessLimits says what a guess at this account is to be counted under, by whoever makes it, and what it was counted
// under already.
func (s *Server) guessLimits(c *fiber.Ctx, username string) (wanted, taken []claim, _ error) {
	account, device := chat.CanonicalUsername(username), c.Cookies(s.browserCookie())
	known, err := s.Store.KnowsBrowser(c.UserContext(), username, device)
	if err != nil {
		return nil, nil, err
	}
	if known {
		return []claim{{guessesInBrowser, account + "\x00" + device}}, nil, nil
	}
	from := byNetwork(c)
	wanted = []claim{{guessesFrom, from}, {guessesAtFrom, account + "\x00" + from}}
	if s.Throttle.Take(c.UserContext(), guessesAt.Rule, account) > 0 {
		return append(wanted, claim{guessesAttacked, account + "\x00" + from}), nil, nil
	}
	return wanted, []claim{{guessesAt, account}}, nil
}

// browserCookie is the name of the cookie by which a browser is known.
func (s *Server) browserCookie() string { return s.sessions.name + "-browser" }

// rememberBrowser gives the browser that somebody has just signed in in a cookie by which it is known from now on, that
// from before if there was one. Where that fails, the sign-in is none the worse. A program uses access tokens.
func (s *Server) rememberBrowser(c *fiber.Ctx, w cookieWriter, user chat.User, before string) {
	if shapeOf(c) == program {
		return
	}
	cookie, err := s.Store.RememberBrowser(c.UserContext(), user, before)
	if err != nil {
		s.Logger.Warn("A browser that somebody has signed in in can't be remembered.", "request", requestIDOf(c), "error", err)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.browserCookie(), Value: cookie, Path: "/", MaxAge: int(chat.BrowserFor.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.sessions.options.Secure,
	})
}
