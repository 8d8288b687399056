package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"
)

// write sends one message to another newcomer, once. The ledger knows nothing of it: it may be erased.
func (n *newcomer) write(ctx context.Context, to *newcomer) (s *send, status int) {
	s = &send{from: n.person.name, to: to.person.name, client: uuid.NewString(), at: time.Now()}
	s.body = fmt.Sprintf("%s %d", canary(s.from, s.to), rand.Uint64())
	return s, n.do(ctx, request{method: http.MethodPost, path: "/messages", kind: jsonType, body: jsonBody(s.to, s.body, s.client), client: s.client}).status
}

// fallOut blocks somebody who goes on writing, and then makes up with them.
func (n *newcomer) fallOut(ctx context.Context, other *newcomer) {
	other.write(ctx, n)
	path := "/account/blocks/" + other.person.name
	if n.do(ctx, request{method: http.MethodPut, path: path}).status != http.StatusNoContent {
		return
	}
	for _, status := range atOnce(make([]int, 3), func(int) int {
		s, status := other.write(ctx, n)
		n.w.newcomers.note(func() { n.w.newcomers.refused = append(n.w.newcomers.refused, s) })
		return status
	}) {
		n.w.checks.that(blocking, status/100 != 2, "%s sent to %s, who had blocked them, and was answered with %d", other.name, n.name, status)
	}
	began := time.Now()
	if n.do(ctx, request{method: http.MethodDelete, path: path}).status != http.StatusNoContent {
		return
	}
	_, status := other.write(ctx, n)
	quiet := n.w.faults.since(began.Add(-grace)) == ""
	n.w.checks.that(blocking, status == http.StatusCreated || !quiet, "%s sent to %s, who had unblocked them, and was answered with %d", other.name, n.name, status)
}

// changePassword ends all other sessions. The one that asks goes on under another token.
func (n *newcomer) changePassword(ctx context.Context) {
	const next = "a new password in the old town"
	asks, got := n.twin(), reply{}
	if !asks.enter(ctx) || !n.ends(ctx, "chose a new password", func() bool {
		got = asks.do(ctx, jsonRequest(http.MethodPost, "/account/password", map[string]any{"current_password": n.password, "password": next}))
		return got.status == http.StatusNoContent
	}) {
		return
	}
	n.w.busy.Go(func() {
		asks.checkRefused(revocation, "chose a new password", request{token: asks.token()}, time.Now())
	})
	old := n.do(ctx, jsonRequest(http.MethodPost, "/login", map[string]any{"username": n.person.name, "password": n.password}))
	n.w.checks.that(revocation, old.status != http.StatusOK, "%s signed in with a password that was changed", n.name)
	on := n.do(ctx, request{method: http.MethodGet, path: "/account/devices", token: got.cookie})
	fine := on.status == http.StatusOK || on.status == 0 || on.status >= http.StatusInternalServerError
	n.w.checks.that(revocation, fine, "%s chose a new password, and the session that did so was answered with %d", n.name, on.status)
}

// resetPassword follows a link twice at the same time, and once more.
func (n *newcomer) resetPassword(ctx context.Context, chief *device) {
	got := chief.do(ctx, jsonRequest(http.MethodPost, "/admin/users/"+n.person.name+"/reset-link", nil))
	made, _ := decode[struct{ URL string }](got.body) // what is no JSON has no link
	link, err := url.Parse(made.URL)
	if got.status != http.StatusCreated || err != nil {
		return
	}
	choose := func(password string) int {
		return n.do(ctx, jsonRequest(http.MethodPost, link.Path, map[string]any{"password": password})).status
	}
	n.ends(ctx, "followed a link to a new password", func() bool {
		worked := n.once("a link", atOnce([]string{"first come first served here", "second to none in this town"}, choose))
		return worked == 1
	})
	if status := choose("third time lucky after all"); status == http.StatusNoContent {
		n.w.checks.that(single, n.w.faults.since(time.Now().Add(-patience)) != "", "%s followed a link to a new password once more, and it worked", n.name)
	}
}

// once checks that of several tries one worked at most, and says how many did.
func (n *newcomer) once(what string, statuses []int) (worked int) {
	for _, status := range statuses {
		if status/100 == 2 {
			worked++
		}
	}
	n.w.checks.that(single, worked <= 1, "%s used %s %d times, and it worked %d times", n.name, what, len(statuses), worked)
	return worked
}

// useToken makes an access token, uses it, and revokes it.
func (n *newcomer) useToken(ctx context.Context) {
	got := n.do(ctx, jsonRequest(http.MethodPost, "/account/tokens", map[string]any{"name": "robot", "scope": "write", "days": "30", "current_password": n.password}))
	made, err := decode[struct {
		ID    uint64
		Token string
	}](got.body)
	if got.status != http.StatusCreated || err != nil {
		return
	}
	used := n.do(ctx, request{method: http.MethodGet, path: "/conversations?limit=1", bearer: made.Token})
	fine := used.status == http.StatusOK || used.status == 0 || used.status >= http.StatusInternalServerError
	n.w.checks.that(revocation, fine, "%s used a new token, and was answered with %d", n.name, used.status)
	if n.do(ctx, jsonRequest(http.MethodPost, fmt.Sprintf("/account/tokens/%d/revoke", made.ID), nil)).status == http.StatusNoContent {
		n.checkRefused(revocation, "revoked a token", request{bearer: made.Token}, time.Now())
	}
}

// useFactor sets up an app, and uses each code twice at the same time.
func (n *newcomer) useFactor(ctx context.Context) {
	got := n.do(ctx, jsonRequest(http.MethodPost, "/account/factors/totp", map[string]any{"password": n.password}))
	app, err := decode[struct{ Secret string }](got.body)
	if got.status != http.StatusCreated || err != nil {
		return
	}
	code, err := totp.GenerateCode(app.Secret, time.Now())
	if err != nil {
		panic(err) // a secret that was just made
	}
	got = n.do(ctx, jsonRequest(http.MethodPost, "/account/factors/totp/confirm", map[string]any{"code": code}))
	codes, err := decode[struct {
		RecoveryCodes []string `json:"recovery_codes"`
	}](got.body)
	if got.status != http.StatusOK || err != nil || len(codes.RecoveryCodes) == 0 {
		return
	}
	next, _ := totp.GenerateCode(app.Secret, time.Now().Add(30*time.Second)) // the one before is used
	n.useCode(ctx, "a code of an app", next)
	n.useCode(ctx, "a recovery code", codes.RecoveryCodes[0])
}

// useCode signs in twice with the same code, and once more.
func (n *newcomer) useCode(ctx context.Context, what, code string) {
	began := time.Now()
	var waiting []string
	for range 3 {
		got := n.do(ctx, jsonRequest(http.MethodPost, "/login", map[string]any{"username": n.person.name, "password": n.password}))
		n.w.checks.that(single, got.status != http.StatusOK, "%s signed in without the second factor", n.name)
		if got.status != http.StatusUnauthorized || got.waiting == "" {
			return
		}
		waiting = append(waiting, got.waiting)
	}
	finish := func(token string) int {
		return n.do(ctx, request{method: http.MethodPost, path: "/login/factor", kind: jsonType, body: jsonOf(map[string]any{"code": code}), waiting: token}).status
	}
	statuses := append(atOnce(waiting[:2], finish), finish(waiting[2]))
	worked := n.once(what, statuses)
	quiet := n.w.faults.since(began.Add(-grace)) == ""
	n.w.checks.that(single, worked == 1 || !quiet, "%s used %s, and it didn't work: %v", n.name, what, statuses)
}

// leave deletes the account, with what was written.
func (n *newcomer) leave(ctx context.Context, other *newcomer) {
	for range 3 {
		n.write(ctx, other)
	}
	other.write(ctx, n)
	if !n.ends(ctx, "deleted the account", func() bool {
		got := n.do(ctx, jsonRequest(http.MethodPost, "/account/delete", map[string]any{"username": n.person.name, "current_password": n.password, "messages": "erase"}))
		return got.status == http.StatusNoContent
	}) {
		return
	}
	n.w.newcomers.note(func() { n.w.newcomers.deleters = append(n.w.newcomers.deleters, n.person.name) })
	again := n.do(ctx, jsonRequest(http.MethodPost, "/login", map[string]any{"username": n.person.name, "password": n.password}))
	n.w.checks.that(revocation, again.status != http.StatusOK, "%s signed in after deleting the account", n.name)
	seen := other.do(ctx, request{method: http.MethodGet, path: "/users/" + n.person.name})
	n.w.checks.that(erasure, !bytes.Contains(seen.body, []byte(`"`+n.person.name+`"`)), "%s still sees %s, who deleted the account: %.200s", other.name, n.name, seen.body)
}
