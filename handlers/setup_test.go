package handlers

import (
	"net/http"
	"strings"
	"testing"
)

// unset is a world without an admin, and the path of the link that its start gave.
func unset(t *testing.T, settings ...setting) (w *world, path string) {
	t.Helper()
	w = newWorld(t, append(settings, forgetful)...)
	token, err := w.store.OpenSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w, "/setup/" + token
}

func TestSetUpInABrowser(t *testing.T) {
	w, path := unset(t)
	v := w.nobody()
	page := v.get(path, asPage).want(200).wantHeader("Referrer-Policy", "strict-origin").wantHeader("Cache-Control", "no-store")
	if action := page.doc().Find("form").AttrOr("action", ""); action != path {
		t.Errorf("the form goes to %q", action)
	}
	checkField(t, page, "name", "Parley", false)
	refused := v.post(path, asPage, form("name", " ", "username", "admin", "email", "typed@example.org", "password", "short")).want(422)
	refused.wantHeader("Referrer-Policy", "strict-origin")
	checkField(t, refused, "name", " ", true)
	checkField(t, refused, "username", "admin", false)
	checkField(t, refused, "email", "typed@example.org", false)
	checkField(t, refused, "password", "", true)
	in := v.post(path, asPage, form("name", "Our place", "username", "admin", "password", password)).want(303).wantHeader("Location", "/conversations")
	v.token = in.sessionCookie().Value
	v.get("/admin/place", asPage).want(200).wantText("Our place")
	v.get("/admin/audit", asPage).want(200).wantText("set this place up and is its first admin")
	missing := w.nobody().get("/nothing", asPage)
	for _, r := range []*reply{w.nobody().get(path, asPage), w.nobody().post(path, asPage, form("username", "eve", "password", password)), v.get(path, asPage)} {
		if r.want(404); withoutIDs(r.body) != withoutIDs(missing.body) {
			t.Errorf("%s: a link that was used differs from what doesn't exist: %s", r.what, r.start())
		}
	}
}

func TestSetUpByAProgram(t *testing.T) {
	w, path := unset(t)
	w.nobody().get(path, asJSON).want(200).wantJSON(`{"name":"Parley"}`)
	w.nobody().get(path, asFragment).want(200).wantText(`<form class="card"`).wantNoText("<html")
	w.nobody().post(path, asJSON, object(fields{})).wantFields(422, "name", "password", "username")
	made := w.nobody().post(path, asJSON, object(fields{"name": "Here", "username": "ada", "password": password})).want(201)
	made.wantJSON(`{"username":"ada","display_name":"ada","photo":null}`).wantHeader("Location", "/users/ada")
	w.nobody().post(path, asJSON, object(fields{"name": "Here", "username": "eve", "password": password})).want(404)
}

// Of several at the same time one succeeds. The others read what happened, or find nothing any more.
func TestTwoSetUpsAtTheSameTime(t *testing.T) {
	w, path := unset(t)
	replies := atOnce(4, func(i int) *reply {
		return w.nobody().post(path, asJSON, object(fields{"name": "Here", "username": []string{"ann", "ben", "cleo", "dora"}[i], "password": password}))
	})
	made := 0
	for _, r := range replies {
		switch r.status {
		case http.StatusCreated:
			made++
		case http.StatusConflict:
			r.wantText("the first admin just now")
		default:
			r.want(404)
		}
	}
	if n := w.count("users"); made != 1 || n != 1 {
		t.Errorf("%d were made, and there are %d accounts", made, n)
	}
}

// Trap: the access log has paths, and this one holds a secret, however it is asked for.
func TestSetupLinksAreNotLogged(t *testing.T) {
	w, path := unset(t)
	token := strings.TrimPrefix(path, "/setup/")
	v := w.nobody()
	v.get(path, asPage)
	v.post(path, asPage, form("username", "a b"))
	v.post(path, asJSON, body("text/plain", "x"))
	for _, other := range []string{path + "/", path + "/more", "/" + path, "/chat" + path} {
		v.get(other, asPage)
	}
	v.do("PUT", path, asJSON)
	if log := w.log.String(); strings.Contains(log, token) || !strings.Contains(log, `"path":"/setup/…"`) {
		t.Errorf("the log has %s", log)
	}
}
