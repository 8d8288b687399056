package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Newcomers are people beside those who talk: each signs up by an invitation, does what one does to an account, and is
// never seen again. So what they break is theirs alone.

// newcomer is one of them, with one device.
type newcomer struct {
	*device
	password string
}

// newcomers is what is known of all of them. It is safe for concurrent use.
type newcomers struct {
	client *http.Client // of all of them

	mu       sync.Mutex
	number   int
	invited  []invitation
	refused  []*send  // begun after the block was answered
	deleters []string // who had what they wrote erased
}

// invitation is one that was made, and who tried to use it.
type invitation struct {
	uses int
	by   []string
}

const (
	warden = "warden" // the admin
	lives  = 2        // how many are under way at the same time
)

// name is unlike every other, also for whoever looks twice: no two of these letters look alike.
func (n *newcomers) name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	const letters = "bdfgkpstz"
	name := []byte("guest")
	for left := n.number; left > 0; left /= len(letters) {
		name = append(name, letters[left%len(letters)])
	}
	return string(name)
}

func (n *newcomers) note(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func (w *world) newNewcomer() *newcomer {
	p := &person{w: w, name: w.newcomers.name()}
	own := rand.New(rand.NewPCG(w.options.Seed, rand.Uint64()))
	n := &newcomer{newDevice(p, p.name+"/0", false, own), "quite another kind of weather"}
	n.client = w.newcomers.client
	return n
}

// twin is the same person with another device.
func (n *newcomer) twin() *newcomer {
	other := &newcomer{newDevice(n.person, n.person.name+"/1", false, n.random), n.password}
	other.client = n.client
	return other
}

// live has newcomers come, unless people are to do nothing.
func (w *world) live(ctx context.Context) {
	chief := newDevice(&person{w: w, name: warden}, warden, false, rand.New(rand.NewPCG(w.options.Seed, 1)))
	chief.client = w.newcomers.client
	for ctx.Err() == nil {
		pause(ctx, time.Duration(rand.ExpFloat64()*float64(2*w.options.Pace)))
		if !w.gate.enter(ctx) {
			return
		}
		chief.signIn(ctx)
		w.life(ctx, chief)
		w.gate.leave()
	}
}

// life is what a few newcomers do. Wherever it isn't known what came of a request, it ends.
func (w *world) life(ctx context.Context, chief *device) {
	came := w.arrive(ctx, chief)
	if len(came) < 2 || !came[0].enter(ctx) || !came[1].enter(ctx) {
		return
	}
	a, b := came[0], came[1]
	a.fallOut(ctx, b)
	if rand.IntN(2) == 0 {
		b.useToken(ctx)
	} else {
		b.useFactor(ctx)
	}
	switch rand.IntN(3) {
	case 0:
		a.changePassword(ctx)
	case 1:
		a.resetPassword(ctx, chief)
	default:
		a.leave(ctx, b)
	}
}

// arrive has more people use an invitation at the same time than it is for, and gives those who got in.
func (w *world) arrive(ctx context.Context, chief *device) (came []*newcomer) {
	const uses, tries = 2, 3
	got := chief.do(ctx, jsonRequest(http.MethodPost, "/account/invitations", map[string]any{"uses": uses}))
	made, err := decode[struct{ Link string }](got.body)
	link, _ := url.Parse(made.Link)
	if got.status != http.StatusCreated || err != nil || link == nil {
		return nil
	}
	i := invitation{uses: uses}
	var all []*newcomer
	for range tries {
		n := w.newNewcomer()
		all, i.by = append(all, n), append(i.by, n.person.name)
	}
	w.newcomers.note(func() { w.newcomers.invited = append(w.newcomers.invited, i) })
	statuses := atOnce(all, func(n *newcomer) int {
		return n.do(ctx, jsonRequest(http.MethodPost, "/signup", map[string]any{
			"username": n.person.name, "password": n.password, "invite": link.Query().Get("invite"),
		})).status
	})
	for j, n := range all {
		if statuses[j] == http.StatusCreated {
			came = append(came, n)
		}
	}
	w.checks.that(invitations, len(came) <= uses, "an invitation for %d let %d in: %v", uses, len(came), i.by)
	return came
}

// atOnce does something for all at the same time.
func atOnce[T, R any](all []T, f func(T) R) []R {
	results := make([]R, len(all))
	var doing sync.WaitGroup
	for i, one := range all {
		doing.Go(func() { results[i] = f(one) })
	}
	doing.Wait()
	return results
}

// enter signs in with the password alone. It says whether that is known to have worked.
func (n *newcomer) enter(ctx context.Context) bool {
	got := n.do(ctx, jsonRequest(http.MethodPost, "/login", map[string]any{"username": n.person.name, "password": n.password}))
	if got.status != http.StatusOK || got.cookie == "" {
		return false
	}
	n.mu.Lock()
	n.cookie = got.cookie
	n.mu.Unlock()
	return true
}

// open opens a window that is read until it ends. It is nil where there is none to be had.
func (n *newcomer) open(ctx context.Context) *window {
	win, err := n.openWindow(ctx, n.w.nodes[rand.IntN(len(n.w.nodes))])
	if err != nil {
		return nil
	}
	n.w.busy.Go(func() {
		for err == nil {
			_, _, err = win.conn.ReadMessage()
		}
		n.windowEnded(win, err)
	})
	return win
}

// ends does what is to end the session, and checks that it has. did says whether it is known to be done.
func (n *newcomer) ends(ctx context.Context, what string, do func() (did bool)) (did bool) {
	open, began := n.open(ctx), time.Now()
	n.mu.Lock()
	token := n.cookie
	n.leaving = true
	n.mu.Unlock()
	if did = do(); did {
		n.w.busy.Go(func() { n.checkRefused(revocation, what, request{token: token}, time.Now()) })
	}
	if open != nil && did {
		n.checkRevoked(revocation, what, open, began)
	}
	if open != nil {
		open.drop()
	}
	return did
}

// checkNewcomers looks at what must be true of them whenever one looks, in the database.
func (w *world) checkNewcomers(ctx context.Context) error {
	w.newcomers.mu.Lock()
	defer w.newcomers.mu.Unlock()
	for _, i := range w.newcomers.invited {
		there, err := w.database.count(ctx, "SELECT COUNT(*) FROM users WHERE username_key IN (?"+strings.Repeat(", ?", len(i.by)-1)+")", anyOfThem(i.by)...)
		if err != nil {
			return err
		}
		w.checks.that(invitations, there <= i.uses, "an invitation for %d made %d accounts of %v", i.uses, there, i.by)
	}
	for _, s := range w.newcomers.refused {
		stored, err := w.database.count(ctx, "SELECT COUNT(*) FROM messages WHERE HEX(client_key) = ?", strings.ToUpper(plain(s.client)))
		if err != nil {
			return err
		}
		w.checks.that(blocking, stored == 0, "%s sent %s to %s, who had blocked them, and it is stored", s.from, s.client, s.to)
	}
	return w.checkErased(ctx)
}

// erasedWithin is how long after a deletion the last body may go: Parley waits 10 s for what was being sent, looks every 3 s, and
// takes a deletion over 30 s after the node that had it died.
const erasedWithin = time.Minute

// checkErased waits once, however many left.
func (w *world) checkErased(ctx context.Context) error {
	until := time.Now().Add(erasedWithin)
	for _, name := range w.newcomers.deleters {
		left, err := 1, error(nil)
		_ = await(ctx, time.Until(until), "", func() bool {
			left, err = w.database.count(ctx, "SELECT COUNT(*) FROM messages WHERE body LIKE ?", "%"+canaryFrom(name)+"%")
			return err == nil && left == 0
		}) // what is left in the end is looked at now
		if err != nil {
			return err
		}
		w.checks.that(erasure, left == 0, "%s deleted their account, and %d messages that they wrote still have their text", name, left)
	}
	if len(w.newcomers.deleters) == 0 {
		w.checks.excuse(erasure, fmt.Sprintf("of %d newcomers nobody left", w.newcomers.number))
	}
	return nil
}

func anyOfThem(names []string) (all []any) {
	for _, name := range names {
		all = append(all, name)
	}
	return all
}
