package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
)

// One URL has three answers; which one is read from what is accepted and from what htmx says.
func TestShapes(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for name, c := range map[string]struct {
		ask  option
		want shape
	}{
		"a browser":             {asPage, page},
		"nothing said":          {func(*http.Request) {}, page},
		"anything":              {several("Accept", "*/*"), page},
		"no such thing":         {several("Accept", "text/plain"), page},
		"a program":             {asJSON, program},
		"with a charset":        {several("Accept", "application/json; charset=utf-8"), program},
		"JSON of any kind":      {several("Accept", "application/*"), program},
		"JSON rather":           {several("Accept", "application/json, text/plain, */*"), program},
		"JSON less":             {several("Accept", "text/html, application/json;q=0.9"), page},
		"JSON more":             {several("Accept", "text/html;q=0.5, application/json"), program},
		"not JSON":              {several("Accept", "application/json;q=0, text/html"), page},
		"htmx":                  {asFragment, fragment},
		"htmx, anything":        {several("Accept", "*/*", "HX-Request", "true"), fragment},
		"htmx, JSON":            {several("Accept", "application/json", "HX-Request", "true"), program},
		"htmx, boosted":         {several("HX-Request", "true", "HX-Boosted", "true"), page},
		"htmx, going back":      {several("HX-Request", "true", "HX-History-Restore-Request", "true"), page},
		"htmx said otherwise":   {several("HX-Request", "yes"), page},
		"a word that isn't one": {several("Accept", ";;;,,,"), page},
	} {
		for path, status := range map[string]int{"/conversations": 200, "/users": 200, "/messages/1-1": 404} {
			r := alice.get(path, c.ask).want(status)
			got := page
			if strings.Contains(r.header.Get("Content-Type"), "json") {
				got = program
			} else if !strings.HasPrefix(string(r.body), "<!doctype html>") {
				got = fragment
			}
			if got != c.want {
				t.Errorf("%s gets %s in shape %d, want %d", name, path, got, c.want)
			}
		}
	}
}

// A fragment brings the title that the page takes from it; pages of htmx have no shell.
func TestFragmentsBringTheirTitle(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	w.account(chat.NewUser{Username: "bob", DisplayName: "Bob & Co"})
	for path, title := range map[string]string{"/conversations/bob": "Bob & Co · Parley", "/users/bob": "Bob & Co · Parley", "/users": "People · Parley"} {
		for _, ask := range []option{asPage, asFragment} {
			if got := alice.get(path, ask).want(200).doc().Find("title").Text(); got != title {
				t.Errorf("%s has the title %q", path, got)
			}
		}
		alice.get(path, asFragment).wantNoText("<html", "<body", "<nav id=\"conversations\"", "<script")
	}
}

// Times are the reader's own, by the zone that their browser names.
func TestTimesInTheReadersZone(t *testing.T) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, forgetful, func(c *Config, _ *chat.Options) { c.TimeZone = tokyo })
	alice := w.person("alice")
	m := alice.send("alice", "a note")
	w.freeze()
	for zone, want := range map[string]string{
		"": "19:00 23 November 2026, 19:00:00", "America/New_York": "05:00 23 November 2026, 05:00:00", "Asia/Kathmandu": "15:45 23 November 2026, 15:45:00",
		"Pacific/Kiritimati": "00:00 24 November 2026, 00:00:00", "UTC": "10:00 23 November 2026, 10:00:00",
		"Nowhere/Land": "19:00 23 November 2026, 19:00:00", "../../etc/passwd": "19:00 23 November 2026, 19:00:00", "/etc/passwd": "19:00 23 November 2026, 19:00:00",
	} {
		at := alice.get("/messages/"+m.ID.String(), asFragment, header("Cookie", alice.cookie()+"; zone="+zone)).want(200).doc().Find("article time")
		if got := at.Text() + " " + at.AttrOr("title", ""); got != want || at.AttrOr("datetime", "") != "2026-11-23T10:00:00Z" {
			t.Errorf("in %q it is %q, want %q", zone, got, want)
		}
	}
}

func TestErrorTextsSayThingsOnce(t *testing.T) {
	w := newWorld(t, longestBody(1))
	alice := w.person("alice")
	said := alice.get("/users?limit=0", asFragment).want(400).doc().Find("[role=alert]").Text()
	if said != "limit is a whole number from 1." {
		t.Errorf("it says %q", said)
	}
	said = alice.post("/messages", asFragment, form("recipient", "nobody", "body", "", "client_id", "x")).want(422).doc().Find("[role=alert]").Text()
	if want := "The message wasn't sent. Write something first. A client ID is a UUID. There is nobody called nobody."; said != want {
		t.Errorf("it says %q, want %q", said, want)
	}
}

// A zone has many spellings that lead to its file. Of those nothing is kept.
func TestZoneNamed(t *testing.T) {
	for name, known := range map[string]bool{
		"Europe/Berlin": true, "UTC": true, "Etc/GMT+5": true, "": false, "Local": false, "Nowhere/Else": false, "Europe//Berlin": false,
		"Europe/./Berlin": false, "./Europe/Berlin": false, "/Europe/Berlin": false, "Europe/../Europe/Berlin": false, "Europe/Berlin/": false,
	} {
		if got := chat.Zone(name) != nil; got != known {
			t.Errorf("%q is a zone: %t", name, got)
		}
	}
}
