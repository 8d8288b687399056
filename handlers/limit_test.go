package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

	"parley/db/chat"
	"parley/handlers/hub"
	"parley/handlers/throttle"
)

// limited counts how often things are done, for requests that come through a proxy: from tells where they come from.
func limited(c *Config, _ *chat.Options) {
	c.Throttle, c.TrustedProxies = throttle.New(), prefixes("0.0.0.0/32")
}

func from(address string) option { return header("X-Forwarded-For", address) }

// wantThrottled expects a 429 that says how long to wait, in words and for programs.
func (r *reply) wantThrottled(least, most time.Duration) *reply {
	r.t.Helper()
	r.want(429)
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if wait := time.Duration(after) * time.Second; err != nil || wait < least || wait > most {
		r.t.Errorf("%s: Retry-After is %q, want %s to %s", r.what, r.header.Get("Retry-After"), least, most)
	}
	return r.wantText("Try again in ")
}

func guessesAreThrottled(t *testing.T) {
	w := newWorld(t, limited)
	w.account(chat.NewUser{Username: "alice"})
	w.account(chat.NewUser{Username: "bob"})
	home, wrong := from("192.0.2.1"), credentials("alice", "wrong horse")
	for i := range 5 { // in all spellings: they are one account's
		w.nobody().post("/login", asJSON, credentials([]string{"alice", "ALICE", "Alice"}[i%3], "wrong horse"), home).wantProblem(401)
	}
	p := w.nobody().post("/login", asJSON, wrong, home).wantThrottled(50*time.Second, time.Minute).wantProblem(429)
	if !strings.HasPrefix(p.Detail, "Too many passwords or codes were tried. Try again in ") {
		t.Errorf("it says %s", p.Detail)
	}
	doc := w.nobody().post("/login", asPage, credentials("alice", password, "next", "/users"), home).wantThrottled(50*time.Second, time.Minute).doc()
	if doc.Find("input[name=username]").AttrOr("value", "") != "alice" || doc.Find("input[name=next]").AttrOr("value", "") != "/users" || doc.Find("input[name=password][value]").Length() > 0 ||
		!strings.Contains(doc.Find("[role=alert]").Text(), "Too many passwords or codes were tried.") {
		t.Error("the form forgot what was typed, or says nothing")
	}
	w.nobody().post("/login", asPage, credentials("bob", password), home).want(303)                           // another account
	w.nobody().post("/login", asPage, credentials("alice", password), from("192.0.2.2")).want(303)            // another address
	w.nobody().post("/login", asJSON, credentials("nobody", "x"), from("192.0.2.3")).wantProblem(401)         // who doesn't exist
	w.nobody().post("/login", asPage, credentials("alice", password), from("192.0.2.1, 192.0.2.9")).want(303) // made up by the client: not believed
	w.nobody().post("/login", asPage, credentials("alice", password), from("192.0.2.9, 192.0.2.1")).want(429)
}

// Where there is no such account, guessing looks just the same.
func throttleTellsNothingOfAccounts(t *testing.T) {
	w := newWorld(t, limited)
	w.account(chat.NewUser{Username: "alice"})
	var said []string
	for i, name := range []string{"alice", "nobody"} {
		var all []string
		for range 7 {
			r := w.nobody().post("/login", asJSON, credentials(name, "wrong horse"), from(fmt.Sprint("192.0.2.", i)))
			all = append(all, fmt.Sprint(r.status))
		}
		said = append(said, strings.Join(all, " "))
	}
	if said[0] != said[1] || said[0] != "401 401 401 401 401 429 429" {
		t.Errorf("answers are %q", said)
	}
}

func TestSucceedingIsNoGuess(t *testing.T) {
	w := newWorld(t, limited)
	w.account(chat.NewUser{Username: "alice"})
	for range 12 {
		w.nobody().post("/login", asJSON, credentials("alice", password), from("192.0.2.1")).want(200)
	}
}

// A fault is nobody's guess: when the database is back, everybody may try as often as before.
func TestFaultIsNoGuess(t *testing.T) {
	w := newWorld(t, limited)
	w.account(chat.NewUser{Username: "alice"})
	if _, err := w.db.Exec("RENAME TABLE users TO lost"); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		w.nobody().post("/login", asJSON, credentials("alice", password), from("192.0.2.1")).wantProblem(500)
	}
	if _, err := w.db.Exec("RENAME TABLE lost TO users"); err != nil {
		t.Fatal(err)
	}
	w.nobody().post("/login", asJSON, credentials("alice", password), from("192.0.2.1")).want(200)
}

// However many come at once, no more than the burst get to the password.
func TestGuessesAtOnceAreCounted(t *testing.T) {
	w := newWorld(t, limited)
	w.account(chat.NewUser{Username: "alice"})
	var tried, refused atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			switch r := w.nobody().post("/login", asJSON, credentials("alice", "wrong horse"), from("2001:db8::"+fmt.Sprintf("%x", tried.Load()+1))); r.status {
			case 401:
				tried.Add(1)
			case 429:
				refused.Add(1)
			default:
				t.Errorf("%d: %s", r.status, r.start())
			}
		})
	}
	all.Wait()
	if tried.Load() != 5 || refused.Load() != 195 {
		t.Errorf("%d were tried and %d refused", tried.Load(), refused.Load())
	}
}

// One address with a list of stolen passwords gets thirty, for however many accounts; its neighbours sign in.
func credentialStuffing(t *testing.T) {
	w := newWorld(t, limited)
	w.account(chat.NewUser{Username: "alice"})
	tried := 0
	for i := range 40 {
		if w.nobody().post("/login", asJSON, credentials(fmt.Sprint("person", i), "stolen"), from("192.0.2.1")).status == 401 {
			tried++
		}
	}
	if tried < 30 || tried > 31 { // one more after ten seconds
		t.Errorf("%d were tried", tried)
	}
	w.nobody().post("/login", asJSON, credentials("alice", password), from("192.0.2.1")).wantThrottled(time.Second, 10*time.Second)
	w.nobody().post("/login", asJSON, credentials("alice", password), from("192.0.2.2")).want(200)
}

// browserCookieOf is the cookie by which a browser is known, nil where the answer sets none.
func (r *reply) browserCookieOf() *http.Cookie {
	for _, c := range r.cookies {
		if strings.HasSuffix(c.Name, "-browser") {
			return c
		}
	}
	return nil
}

// Nobody is locked out by what others do: in their own browser the owner signs in even from the address that guesses, and
// in a new one from any other address, however many addresses guess.
func ownerIsNeverLockedOut(t *testing.T) {
	w := newWorld(t, limited)
	w.account(chat.NewUser{Username: "alice"})
	w.account(chat.NewUser{Username: "mallory"})
	own := w.nobody().post("/login", asPage, credentials("alice", password), from("192.0.2.1")).want(303).browserCookieOf()
	theirs := w.nobody().post("/login", asPage, credentials("mallory", password), from("192.0.2.1")).want(303).browserCookieOf()
	if own == nil || theirs == nil || own.Value == theirs.Value {
		t.Fatal("the browsers aren't known")
	}
	known := func(c *http.Cookie) option { return header("Cookie", c.Name+"="+c.Value) }
	for range 7 { // from the same network
		w.nobody().post("/login", asJSON, credentials("alice", "wrong horse"), from("192.0.2.1"))
	}
	w.nobody().post("/login", asPage, credentials("alice", password), from("192.0.2.1")).want(429)
	w.nobody().post("/login", asPage, credentials("alice", password), from("192.0.2.1"), known(theirs)).want(429)
	for range 3 {
		r := w.nobody().post("/login", asPage, credentials("alice", password), from("192.0.2.1"), known(own)).want(303)
		if again := r.browserCookieOf(); again == nil || again.Value != own.Value {
			t.Errorf("the browser's cookie is now %v", again)
		}
	}
	// From everywhere: each address soon has two guesses instead of five.
	tried := map[int]int{}
	for i := range 40 {
		for range 6 {
			if w.nobody().post("/login", asJSON, credentials("alice", "wrong horse"), from(fmt.Sprintf("203.0.113.%d", i))).status == 401 {
				tried[i]++
			}
		}
	}
	if tried[0] != 5 || tried[10] != 2 || tried[39] != 2 {
		t.Errorf("each address could try %v", tried)
	}
	w.nobody().post("/login", asPage, credentials("alice", password), from("198.51.100.1")).want(303)
	w.nobody().post("/login", asPage, credentials("alice", password), from("203.0.113.1"), known(own)).want(303)
	// Somebody who has got hold of the browser's cookie gets no further than ten.
	tried[-1] = 0
	for range 15 {
		if w.nobody().post("/login", asJSON, credentials("alice", "wrong horse"), from("203.0.113.1"), known(own)).status == 401 {
			tried[-1]++
		}
	}
	if tried[-1] != 10 {
		t.Errorf("in a known browser %d were tried", tried[-1])
	}
}

func TestBrowserCookie(t *testing.T) {
	for base, want := range map[string]string{"http://chat.example": "parley-browser", "https://chat.example": "__Host-parley-browser"} {
		w := newWorld(t, baseURL(base))
		w.account(chat.NewUser{Username: "alice"})
		r := w.nobody().post("/login", asPage, credentials("alice", password)).want(303)
		c := r.browserCookieOf()
		if c == nil || c.Name != want || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != (base[:5] == "https") || c.Path != "/" || c.MaxAge != 365*24*3600 || len(c.Value) != 43 {
			t.Errorf("the cookie is %+v", c)
		}
		if r.sessionCookie() == nil {
			t.Error("the session's cookie is gone")
		}
		if c := w.nobody().post("/login", asJSON, credentials("alice", password)).want(200).browserCookieOf(); c != nil {
			t.Errorf("a program is given %v", c)
		}
		if c := w.nobody().post("/login", asPage, credentials("alice", "wrong horse")).want(401).browserCookieOf(); c != nil {
			t.Errorf("who doesn't sign in is given %v", c)
		}
		if w.nobody().get("/users", asJSON, header("Cookie", c.Name+"="+c.Value)).status != 401 {
			t.Error("it signs somebody in")
		}
	}
}

// Somebody at an open page can't find the password out by making tokens.
func TestGuessingByTokens(t *testing.T) {
	w := newWorld(t, limited)
	alice := w.person("alice")
	making := func(password string) option {
		return form("name", "bot", "scope", "read", "days", "30", "current_password", password)
	}
	for range 5 {
		alice.post("/account/tokens", asPage, making("wrong horse")).want(422)
	}
	alice.post("/account/tokens", asJSON, making(password)).wantThrottled(50*time.Second, time.Minute)
	doc := alice.post("/account/tokens", asPage, making(password)).wantThrottled(50*time.Second, time.Minute).doc()
	if doc.Find("form.fields [name=name]").AttrOr("value", "") != "bot" {
		t.Error("the form forgot what was typed")
	}
	for range 9 { // what isn't filled in right is no guess
		alice.post("/account/tokens", asJSON, object(fields{"name": ""}), from("192.0.2.9")).wantFields(422, "name", "scope", "days")
	}
	alice.post("/account/tokens", asJSON, making(password), from("192.0.2.9")).want(201)
}

// Whoever meets a limit at a form gets the form again, with what was typed but for passwords, as a page and as a fragment.
func TestFormsOutliveLimits(t *testing.T) {
	slowly(t, &forgets, 1, time.Minute)
	slowly(t, &signUps, 1, time.Minute)
	slowly(t, &reports, 1, time.Minute)
	slowly(t, &photos, 1, time.Minute)
	slowly(t, &guessesAtFrom, 1, time.Minute)
	w := newWorld(t, limited, func(c *Config, _ *chat.Options) { c.SendsMail = true })
	w.admin("root").post("/admin/place", asJSON, form("sign_up", "open")).want(200)
	alice, bob := w.person("alice"), w.person("bob")
	at := "/messages/" + bob.send("alice", "one").ID.String() + "/report"
	const wrong = "a wrong horse"
	for name, c := range map[string]struct {
		who    *visitor
		path   string
		first  option            // what uses the limit up
		second option            // what meets it
		kept   map[string]string // by the field's name
	}{
		"forgotten": {w.nobody(), "/password/forgot", form("email", "a@example.org"), form("email", "b@example.org"), map[string]string{"email": "b@example.org"}},
		"sign-up": {w.nobody(), "/signup", form("username", ""), form("username", "dora", "display_name", "Dora", "email", "d@example.org", "password", wrong),
			map[string]string{"username": "dora", "display_name": "Dora", "email": "d@example.org"}},
		"report": {alice, at, form("reason", ""), form("reason", "threat", "note", "a long\nstory"), map[string]string{"reason": "threat", "note": "a long\nstory"}},
		"deletion": {alice, "/account/delete", form("messages", "erase", "username", "alice", "current_password", wrong),
			form("messages", "erase", "username", "alice", "current_password", wrong), map[string]string{"messages": "erase", "username": "alice"}},
		"export":   {bob, "/account/export", form("current_password", wrong), form("current_password", wrong), nil},
		"password": {bob, "/account/password", form("current_password", wrong), form("current_password", wrong, "password", wrong), nil},
		"e-mail":   {bob, "/account/email", form("current_password", wrong), form("current_password", wrong, "email", "b@example.org"), map[string]string{"email": "b@example.org"}},
		"photo":    {alice, "/account/photo", upload("photo", nil), upload("photo", nil), map[string]string{"display_name": "alice"}},
	} {
		c.who.post(c.path, asJSON, c.first)
		c.who.post(c.path, asJSON, c.second).wantThrottled(50*time.Second, time.Minute).wantProblem(429)
		for _, shape := range []option{asPage, asFragment} {
			doc := c.who.post(c.path, shape, c.second).wantThrottled(50*time.Second, time.Minute).wantNoText(wrong).doc()
			at := doc.Find(`main form[action="` + c.path + `"], form.fields, form[method=post]`)
			if at.Length() == 0 || !strings.Contains(doc.Find("[role=alert]").Text(), "Try again in ") {
				t.Errorf("%s: there is no form, or it says nothing", name)
			}
			for field, typed := range c.kept {
				if got := typedIn(doc, field); got != typed {
					t.Errorf("%s: of %s, %q was kept", name, field, got)
				}
			}
		}
	}
}

// Somebody who has a right to all their data has none to have it packed all day.
func TestExportsAreThrottled(t *testing.T) {
	slowly(t, &downloads, 2, time.Minute)
	w := newWorld(t, limited)
	alice := w.person("alice")
	for range 2 {
		alice.post("/account/export", asPage, form("current_password", password)).want(200)
		await(t, "the export to end", func() bool {
			w.server.exports.mu.Lock()
			defer w.server.exports.mu.Unlock()
			return len(w.server.exports.who) == 0
		})
	}
	alice.post("/account/export", asJSON, form("current_password", password)).wantThrottled(50*time.Second, time.Minute).wantProblem(429)
	if doc := alice.post("/account/export", asPage, form("current_password", password)).wantThrottled(50*time.Second, time.Minute).doc(); doc.Find(`form[action="/account/export"]`).Length() != 1 {
		t.Error("there is no form")
	}
	w.person("bob").post("/account/export", asPage, form("current_password", password)).want(200)
}

// typedIn is what a form holds under a name.
func typedIn(doc *goquery.Document, field string) string {
	if chosen := doc.Find("[name=" + field + "][checked], [name=" + field + "] option[selected]"); chosen.Length() > 0 {
		return chosen.AttrOr("value", "")
	}
	if area := doc.Find("textarea[name=" + field + "]"); area.Length() > 0 {
		return area.Text()
	}
	return doc.Find("input[name="+field+"]").AttrOr("value", "")
}

// slowly makes a limit so small, for the time of a test, that a test can reach it.
func slowly(t *testing.T, l *limit, burst int, every time.Duration) {
	t.Helper()
	before := *l
	l.Burst, l.Every = burst, every
	t.Cleanup(func() { *l = before })
}

// A throttled send gives the text back, under its client ID, so that it can be sent again and is one message.
func TestSendsAreThrottled(t *testing.T) {
	slowly(t, &sends, 3, time.Minute)
	w := newWorld(t, limited)
	alice, bob := w.person("alice"), w.person("bob")
	id := uuid.NewString()
	sending := form("recipient", "bob", "body", "a <b>long</b> text", "client_id", id)
	for range 3 {
		alice.post("/messages", asJSON, form("recipient", "bob", "body", "x")).want(201)
	}
	if p := alice.post("/messages", asJSON, sending).wantThrottled(50*time.Second, time.Minute).wantProblem(429); !strings.HasPrefix(p.Detail, "You are sending faster than Parley takes messages.") {
		t.Errorf("it says %s", p.Detail)
	}
	said := alice.post("/messages", asFragment, sending).wantThrottled(50*time.Second, time.Minute).doc().Find("[role=alert]").Text()
	doc := alice.post("/messages", asPage, sending).wantThrottled(50*time.Second, time.Minute).doc()
	composer := doc.Find("form#composer")
	if composer.Find("textarea").Text() != "a <b>long</b> text" || composer.Find("[name=client_id]").AttrOr("value", "") != id || !strings.Contains(composer.Find("[role=alert]").Text(), "Try again in ") || said == "" {
		t.Error("the text is lost, or nothing is said")
	}
	bob.post("/messages", asJSON, form("recipient", "alice", "body", "x")).want(201)
	secret, _ := alice.tokenOf("bot", chat.ScopeWrite)
	w.nobody().post("/messages", underToken(secret), sending).wantThrottled(50*time.Second, time.Minute) // her program is her
	if w.messages() != 4 {
		t.Errorf("%d messages", w.messages())
	}
}

func TestSearchesAreThrottled(t *testing.T) {
	slowly(t, &searches, 2, time.Minute)
	w := newWorld(t, limited)
	alice := w.person("alice")
	for range 2 {
		alice.get("/users?q=b", asPage).want(200)
	}
	alice.get("/users?q=b", asJSON).wantThrottled(50*time.Second, time.Minute).wantProblem(429)
	doc := alice.get("/users?q=b", asPage).wantThrottled(50*time.Second, time.Minute).doc()
	if doc.Find("[name=q]").AttrOr("value", "") != "b" || !strings.Contains(doc.Find("#people [role=alert]").Text(), "searching") {
		t.Error("what was typed is lost, or nothing is said")
	}
	alice.get("/users", asPage).want(200) // nothing is searched
	w.person("bob").get("/users?q=b", asJSON).want(200)
}

func TestOpeningWindowsIsThrottled(t *testing.T) {
	slowly(t, &windowsOf, 2, time.Minute)
	slowly(t, &windowsFrom, 3, time.Hour)
	w := newWorld(t, func(c *Config, _ *chat.Options) { c.Throttle = throttle.New() })
	addr := w.listen()
	alice := w.person("alice")
	alice.open(addr)
	alice.open(addr)
	refused := func(v *visitor, least, most int) {
		t.Helper()
		answer, _ := rawHandshake(t, addr, v, "GET")
		after, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		if answer.StatusCode != 429 || err != nil || after < least || after > most || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("answered with %d, %v", answer.StatusCode, answer.Header)
		}
	}
	refused(alice, 50, 60)
	w.person("bob").open(addr)
	refused(w.person("carol"), 3500, 3600) // from the same address
	w.awaitWindows(3)
}

// The oldest window gives way to one too many, and all others stay.
func TestMostWindows(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice := w.person("alice")
	var windows []*window
	for range maxWindows + 2 {
		windows = append(windows, alice.open(addr))
	}
	for _, one := range windows[:2] {
		if code := one.closeCode(); code != hub.CloseOverloaded {
			t.Errorf("closed with %d", code)
		}
	}
	canary := alice.canary()
	for _, one := range windows[2:] {
		one.want(canary)
	}
	w.awaitWindows(maxWindows)
}

// Whatever the settings say, each limit is one that can be kept, and has a text.
func TestLimits(t *testing.T) {
	var names []string
	for _, l := range []limit{guessesAtFrom, guessesFrom, guessesAt, guessesAttacked, guessesInBrowser, sends, searches, forgets, signUps, reports, photos, downloads, windowsOf, windowsFrom} {
		if l.Burst < 1 || l.Every <= 0 || l.Name == "" || slices.Contains(names, l.Name) || l.text == "" && l.Name != guessesAt.Name {
			t.Errorf("%+v", l)
		}
		names = append(names, l.Name)
	}
	// OWASP ASVS 4.0.3, 2.2.1: no more than 100 failures an hour on one account.
	if most := guessesAt.Burst + int(time.Hour/guessesAt.Every); most > 100 {
		t.Errorf("%d guesses an hour", most)
	}
	for wait, words := range map[time.Duration]string{
		time.Nanosecond: "a second", time.Second: "a second", time.Second + 1: "2 seconds", 119 * time.Second: "119 seconds", 2 * time.Minute: "2 minutes", 121 * time.Second: "3 minutes",
	} {
		if got := inWords(wait); got != words {
			t.Errorf("%s is %s, want %s", wait, got, words)
		}
	}
}

// Whoever knows the password can't guess the code: five tries an account and address, however many sign-ins they are spread
// over, and then one a minute. What is refused says so on the page where the code is given, and takes a code again later.
func TestGuessingCodesIsThrottled(t *testing.T) {
	w := newWorld(t, limited)
	_, codes := w.person("alice").hasApp()
	there := from("192.0.2.1")
	b := w.browser()
	for range 4 {
		b.post("/login", asPage, credentials("alice", password), there).want(303)
		b.post("/login/factor", asPage, form("code", "000000"), there).want(422)
	}
	b.post("/login", asPage, credentials("alice", password), there).want(303)
	b.post("/login/factor", asJSON, form("code", "00"), there).wantFields(422, "code")
	b.post("/login/factor", asJSON, form("code", codes[0]), there).wantThrottled(50*time.Second, time.Minute).wantProblem(429)
	doc := b.post("/login/factor", asPage, form("code", codes[0], "next", "/users"), there).wantThrottled(50*time.Second, time.Minute).doc()
	if doc.Find("input[name=code]").Length() != 1 || doc.Find("input[name=next]").AttrOr("value", "") != "/users" || !strings.Contains(doc.Find("[role=alert]").Text(), "codes were tried") {
		t.Error("the page can't be used again, or says nothing")
	}
	w.nobody().post("/login", asPage, credentials("alice", password), there).want(429) // they are counted together
	b.post("/login/factor", asPage, form("code", codes[0]), from("192.0.2.2")).want(303)
}

// Nor can somebody at an open page find the password out by the forms of second factors.
func TestGuessingByFactorForms(t *testing.T) {
	for path, ask := range map[string]option{
		"/account/factors/totp": asPage, "/account/factors/totp/remove": asPage, "/account/factors/passkeys/1/remove": asPage,
		"/account/factors/recovery-codes": asPage, "/account/factors/passkeys/options": asJSON,
	} {
		w := newWorld(t, limited, baseURL("https://chat.example"))
		alice := w.person("alice")
		for range 5 {
			alice.post(path, ask, form("password", "wrong horse")).want(422)
		}
		r := alice.post(path, ask, form("password", password)).wantThrottled(50*time.Second, time.Minute)
		if ask != nil && path != "/account/factors/passkeys/options" && r.doc().Find("[role=alert]").Length() == 0 {
			t.Errorf("%s: the page says nothing", path)
		}
	}
}

func TestAskingPasskeysIsThrottled(t *testing.T) {
	slowly(t, &asks, 2, time.Minute)
	w := newWorld(t, limited, baseURL("https://chat.example"))
	for range 2 {
		w.nobody().post("/login/passkey", asJSON, form()).want(200)
	}
	w.nobody().post("/login/passkey", asJSON, form()).wantThrottled(50*time.Second, time.Minute).wantProblem(429)
}
