package handlers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
)

// asker asks for something in somebody's name and address.
type asker func(name string, ask option) *reply

// askers are the places where somebody who isn't signed in names an account, with a password or an address that isn't good.
func (w *world) askers() map[string]asker {
	return map[string]asker{
		"sign-in": func(name string, ask option) *reply {
			return w.nobody().post("/login", ask, credentials(name, "wrong horse"))
		},
		"sign-in with JSON": func(name string, ask option) *reply {
			return w.nobody().post("/login", ask, object(fields{"username": name, "password": "wrong horse"}))
		},
		"forgotten password": func(name string, ask option) *reply {
			return w.nobody().post("/password/forgot", ask, form("email", name+"@example.org"))
		},
		"passkey": func(name string, ask option) *reply {
			return w.nobody().post("/login/passkey", ask, form("username", name))
		},
	}
}

// crew makes an account of each kind that there is beside none.
func (w *world) crew() []string {
	w.withEmail("alice")
	w.withEmail("disabled")
	w.disable("disabled")
	w.account(chat.NewUser{Username: "mailless"})
	left := w.withEmail("left")
	left.post("/account/delete", asJSON, object(fields{"current_password": password, "username": "left", "messages": "keep"})).want(204)
	return []string{"alice", "disabled", "mailless", "left"}
}

// Whatever an account is or isn't, an answer is the same but for the name in it.
func namesAreNotToldByStatus(t *testing.T) {
	w := newWorld(t, sendsMail, forgetful)
	names := w.crew()
	for place, ask := range w.askers() {
		for _, s := range shapes {
			nobody := seen(ask("nobody", s.ask), "nobody")
			for _, name := range names {
				if got := seen(ask(name, s.ask), name); got != nobody {
					t.Errorf("%s, %s, %s:\n%s\nand for nobody\n%s", place, s.name, name, got, nobody)
				}
			}
		}
	}
	if n := w.count("sessions WHERE user_id NOT IN (SELECT id FROM users WHERE username IN ('alice', 'disabled'))"); n != 0 {
		t.Errorf("%d sessions were started", n)
	}
}

// seen is all of an answer that can be told apart: status, headers and text.
func seen(r *reply, name string) string {
	r.header.Del("X-Request-Id")
	r.header.Del("Date")
	var out strings.Builder
	fmt.Fprintln(&out, r.status)
	for _, header := range slices.Sorted(maps.Keys(r.header)) {
		if header != "Content-Length" { // it follows from the text, and the name is in that
			fmt.Fprintln(&out, header, r.header[header])
		}
	}
	return out.String() + strings.ReplaceAll(withoutIDs(r.body), name, "NAME")
}

// What is done is the same, counted in statements, and so is the time, as far as a machine that does other things too can
// tell: the medians of tries in turn are less than a half apart, in one round of five at least. A hash that is left out makes
// them ten times apart in every round.
func namesAreNotTimed(t *testing.T) {
	w := newWorld(t, sendsMail, forgetful)
	names := append(w.crew(), "nobody")
	for place, ask := range w.askers() {
		statements := map[string]string{}
		for _, name := range names {
			try := func() { ask(name, asJSON) }
			try() // the first one of each may prepare something, and begins a line of the audit log
			n, trips := w.queries(try)
			statements[name] = fmt.Sprint(n, " statements in ", trips, " trips")
		}
		for _, name := range names {
			if statements[name] != statements["nobody"] {
				t.Errorf("%s: %s for %s, and %s for nobody", place, statements[name], name, statements["nobody"])
			}
		}
		checkTimesAlike(t, place, names, func(name string) { ask(name, asJSON) })
	}
}

func checkTimesAlike(t *testing.T, place string, names []string, try func(name string)) {
	t.Helper()
	const rounds, tries = 5, 11
	for range rounds {
		took := map[string][]time.Duration{}
		for range tries {
			for _, name := range names {
				start := time.Now()
				try(name)
				took[name] = append(took[name], time.Since(start))
			}
		}
		var medians []time.Duration
		for _, name := range names {
			slices.Sort(took[name])
			medians = append(medians, took[name][tries/2])
		}
		t.Logf("%s: medians %v of %v", place, medians, names)
		if slices.Max(medians) < slices.Min(medians)*3/2 {
			return
		}
	}
	t.Errorf("%s: how long it takes tells whether there is such an account", place)
}
