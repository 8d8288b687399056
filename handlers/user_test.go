package handlers

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"parley/db/chat"
)

type userList struct {
	Results []userBody `json:"results"`
	Next    *string    `json:"next"`
}

// users walks the directory from path to its end.
func (v *visitor) users(path string) (names []string, pages int) {
	v.t.Helper()
	for path != "" {
		var page userList
		v.get(path, asJSON).want(200).into(&page)
		for _, u := range page.Results {
			names = append(names, u.Username)
		}
		pages++
		if path = ""; page.Next != nil {
			path = *page.Next
		}
	}
	return names, pages
}

func TestUserJSONExactly(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.account(chat.NewUser{Username: "Bob.B", DisplayName: "Bob <Brown>", Email: "bob@example.org"})
	alice.get("/users", asJSON).want(200).wantJSON(`{"results":[{"username":"Bob.B","display_name":"Bob \u003cBrown\u003e","photo":null}],"next":null}`)
	alice.get("/users/bob.b", asJSON).want(200).wantJSON(`{"username":"Bob.B","display_name":"Bob \u003cBrown\u003e","photo":null,"about":"","blocked":false}`)
	alice.get("/users/alice", asJSON).want(200).wantJSON(`{"username":"alice","display_name":"alice","photo":null,"about":"","blocked":false}`)
	alice.get("/users?q=nobody", asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
	for _, path := range []string{"/users", "/users/bob.b", "/users/alice"} {
		for _, s := range shapes {
			alice.get(path, s.ask).want(200).wantNoText("example.org", "argon2", "password_hash")
		}
	}
}

func TestDirectoryIsWalked(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	var names []string
	for i := range 125 {
		names = append(names, fmt.Sprintf("user%03d", i))
	}
	w.crowd(names...)
	w.disable("user050")
	names = slices.DeleteFunc(names, func(n string) bool { return n == "user050" })
	for path, pages := range map[string]int{"/users": 5, "/users?limit=50": 3, "/users?limit=100": 2, "/users?limit=100000": 2, "/users?q=user&limit=31": 4} {
		got, n := alice.users(path)
		if !slices.Equal(got, names) || n != pages {
			t.Errorf("%s: %d people on %d pages, want %d on %d", path, len(got), n, len(names), pages)
		}
	}
	if got, _ := alice.users("/users?q=USER01&limit=3"); len(got) != 10 {
		t.Errorf("the search finds %v", got)
	}
	doc := alice.get("/users?q=user", asPage).want(200).doc()
	more := doc.Find("#people li.more a")
	for _, next := range []*reply{alice.get(more.AttrOr("href", ""), asPage), alice.get(more.AttrOr("hx-get", ""), asFragment)} {
		if first := next.want(200).doc().Find("#people li .username").First().Text(); first != "user030" {
			t.Errorf("the next page begins with %q", first)
		}
	}
}

func TestSearch(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.account(chat.NewUser{Username: "bob", DisplayName: "Róbert Šmíd"})
	w.crowd("a_b", "axb")
	w.account(chat.NewUser{Username: "straße"})
	for q, want := range map[string]string{
		"RÓBERT": "bob", "róbert šmíd": "bob", "bob  róbert": "bob", "šmíd róbert": "", "STRASSE": "straße",
		"_": "a_b", "%": "", "a_b": "a_b", "a b": "a_b axb", `\`: "", "'": "", `"; DROP TABLE users; --`: "", "\x00": "", "\xff": "", strings.Repeat("x", 5000): "",
	} {
		got, _ := alice.users("/users?q=" + url.QueryEscape(q))
		if strings.Join(got, " ") != want {
			t.Errorf("%.20q finds %v, want %q", q, got, want)
		}
	}
}

// Names are found in a path however they are spelled there.
func TestUsernamesInPaths(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for username, spellings := range map[string][]string{
		"a.b-c_d@e+f": {"a.b-c_d@e+f", "A.B-C_D@E+F", "a%2Eb%2dc_d%40e%2Bf"},
		"josé":        {"jos%C3%A9", "JOS%c3%89", "jose%CC%81"},
		"日本":          {"%E6%97%A5%E6%9C%AC"},
		"1":           {"1", "%31", "%EF%BC%91"}, // full-width, the same by NFKC
		"read":        {"read", "READ"},
		"straße":      {"stra%C3%9Fe", "STRASSE", "stra%E1%BA%9Ee"},
	} {
		w.account(chat.NewUser{Username: username})
		for _, spelling := range spellings {
			for _, path := range []string{"/users/", "/conversations/"} {
				alice.get(path+spelling, asJSON).want(200).wantText(`"username":"` + username + `"`)
			}
		}
		doc := alice.get("/users?q="+url.QueryEscape(username), asPage).want(200).doc()
		alice.get(doc.Find("#people a").First().AttrOr("href", ""), asPage).want(200)
		alice.post("/messages", asPage, form("recipient", username, "body", "hi "+username)).want(303)
		to := alice.post("/messages", asPage, form("recipient", username, "body", "again")).want(303).header.Get("Location")
		if got := alice.get(to, asPage).want(200).doc().Find("article .body").Text(); got != "hi "+username+"again" {
			t.Errorf("%s leads to a page with %q", to, got)
		}
		alice.do("PUT", to+"/read", asJSON, object(fields{"seq": 2})).want(204)
		if older := alice.get("/messages?limit=1&with="+url.QueryEscape(username), asJSON).history(); older.Next == nil || alice.get(*older.Next, asJSON).history().bodies() != "hi "+username {
			t.Errorf("the history with %s leads to %v", username, older.Next)
		}
	}
	for _, bad := range []string{"/users/%zz", "/users/%", "/conversations/%f", "/users/%2"} {
		alice.get(bad, asJSON).wantProblem(400)
	}
	for _, odd := range []string{"/users/%00", "/users/%ff", "/users/%2F", "/users/%2e%2e", "/users/a%2Fb", "/users/%20alice", "/conversations/%F0%9F%99%82", "/users/" + strings.Repeat("a", 5000)} {
		alice.get(odd, asJSON).wantProblem(404)
		alice.get(odd, asPage).want(404)
	}
}

func TestProfileOfADisabledPerson(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	eve := w.person("eve")
	eve.send("alice", "what I wrote stays")
	w.disable("eve")
	alice.get("/users/eve", asPage).want(200).wantText("disabled")
	doc := alice.get("/conversations/eve", asPage).want(200).wantText("what I wrote stays").doc()
	if doc.Find("form#composer, template#pending").Length() != 0 {
		t.Error("there is a form to write to somebody disabled")
	}
	if names, _ := alice.users("/users"); len(names) != 0 {
		t.Errorf("the directory has %v", names)
	}
}
