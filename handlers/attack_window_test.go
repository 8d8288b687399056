package handlers

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"parley/handlers/hub"
)

// revocations are the ways in which a session ends while its windows are open: by its owner, in another session of theirs,
// by an admin, or by somebody with a link that was mailed.
func revocations(root *visitor) map[string]func(v, other *visitor) {
	asAdmin := func(path string, content option) func(v, _ *visitor) {
		return func(v, _ *visitor) { root.post("/admin/users/"+v.user.Username+path, asJSON, content).want(200) }
	}
	return map[string]func(v, other *visitor){
		"signed out":      func(v, _ *visitor) { v.post("/logout", asPage).want(303) },
		"signed in again": func(v, _ *visitor) { v.post("/login", asPage, credentials(v.user.Username, password)).want(303) },
		"this device":     func(v, other *visitor) { other.post("/account/devices/"+v.device().ID+"/end", asJSON).want(204) },
		"other devices":   func(_, other *visitor) { other.post("/account/devices/end-others", asJSON).want(204) },
		"a new password":  func(_, other *visitor) { other.changePassword(asJSON).want(204) },
		"a new address": func(_, other *visitor) {
			other.post("/account/email", asJSON, form("current_password", password, "email", "new@example.org")).want(200)
		},
		"the account deleted": func(v, other *visitor) {
			other.post("/account/delete", asJSON, form("current_password", password, "username", v.user.Username, "messages", "keep")).want(204)
		},
		"a reset": func(v, _ *visitor) {
			var made resetLinkBody
			root.post("/admin/users/"+v.user.Username+"/reset-link", asJSON, form()).want(201).into(&made)
			v.nobody().post(strings.TrimPrefix(made.URL, "https://chat.example"), asJSON, form("password", another)).want(204)
		},
		"disabled by an admin": asAdmin("/disable", form()), "ended by an admin": asAdmin("/end-sessions", form()), "a password from an admin": asAdmin("", form("password", another)),
	}
}

// However a session ends, its windows are closed within a second, hear nothing that comes after, and can't be opened anew;
// other people's stay.
func windowsEndWithTheirSession(t *testing.T) {
	w := newWorld(t, forgetful, sendsMail)
	addr := w.listen()
	root := w.admin("root")
	staying := root.open(addr)
	for name, revoke := range revocations(root) {
		t.Run(name, func(t *testing.T) {
			v := w.person(fmt.Sprint("victim", 2+w.count("users"))) // a name isn't given twice
			v.t = t
			windows := []*window{v.open(addr), v.open(addr)}
			start := time.Now()
			revoke(v, w.signIn(v.user))
			for _, one := range windows {
				one.t = t
				if code := one.closeCode(); code != hub.CloseRevoked {
					t.Errorf("closed with %d", code)
				}
			}
			if took := time.Since(start); took > time.Second+hashTime {
				t.Errorf("it took %s", took)
			}
			if answer, _ := rawHandshake(t, addr, v, "GET"); answer.StatusCode != 401 {
				t.Errorf("the cookie opens a window: %d", answer.StatusCode)
			}
		})
	}
	staying.want(root.canary())
}

// hashTime is what the request itself may take of the time until a window is closed: a password's hash, on a busy machine.
const hashTime = 2 * time.Second

// Frames without end, each of which asks for an answer that is never read, cost the server no more than a window's queue
// holds; then it closes, long before a write would have timed out. Nobody else waits.
func frameFlood(t *testing.T) {
	w := newWorld(t)
	addr := w.listen()
	alice, mallory := w.person("alice"), w.person("mallory")
	quick, deaf := alice.open(addr), mallory.openSmall(addr)
	before, start := heap(), time.Now()
	flood := make(chan error, 1)
	go func() { flood <- pingWithoutEnd(deaf.conn) }()
	var slowest time.Duration
	var most int64
	for w.server.Windows() == 2 {
		began := time.Now()
		quick.want(alice.canary())
		slowest = max(slowest, time.Since(began))
		most = max(most, heap()-before)
		if time.Since(start) > patience {
			t.Fatal("the window stays")
		}
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("the flood was let go on for %s", took)
	}
	if err := <-flood; err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the flood ended with %v", err)
	}
	if most > 32<<20 {
		t.Errorf("%d octets were held", most)
	}
	if slowest > time.Second {
		t.Errorf("somebody else waited %s", slowest)
	}
	brokenFrames(t, mallory, addr)
	w.awaitWindows(1)
	quick.want(alice.canary())
}

func heap() int64 {
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return int64(now.HeapAlloc)
}

// brokenFrames sends many of what ends a window at the first.
func brokenFrames(t *testing.T, mallory *visitor, addr string) {
	t.Helper()
	for name, frames := range map[string][]byte{
		"texts": {0x81, 0x80, 0, 0, 0, 0}, "pieces": {0x01, 0x80, 0, 0, 0, 0}, "reserved bits": {0xf9, 0x80, 0, 0, 0, 0}, "no mask": {0x89, 0x00}, "a ping in pieces": {0x09, 0x80, 0, 0, 0, 0},
		"a huge length": {0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "a negative one": {0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "a long ping": {0x89, 0xfe, 0x00, 0x7e},
	} {
		one := mallory.open(addr)
		for range 100 {
			if _, err := one.conn.NetConn().Write(frames); err != nil {
				break
			}
		}
		if code := one.closeCode(); code != 1002 && code != 1008 && code != 1009 && code != 0 {
			t.Errorf("%s: closed with %d", name, code)
		}
	}
}

// pingWithoutEnd gives the error by which its connection ends. It reads nothing.
func pingWithoutEnd(conn *websocket.Conn) error {
	ping := append([]byte{0x89, 0x80 | 125, 0, 0, 0, 0}, make([]byte, 125)...)
	many := []byte(strings.Repeat(string(ping), 100))
	_ = conn.NetConn().SetWriteDeadline(time.Now().Add(patience)) // fails only on a connection that is gone
	for {
		if _, err := conn.NetConn().Write(many); err != nil {
			return err
		}
	}
}
