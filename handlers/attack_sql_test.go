package handlers

import (
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"
)

// metacharacters end a text in SQL, or go on after it.
var metacharacters = []string{
	`'`, `"`, "`", `\`, `\'`, `' OR '1'='1`, `') OR ('1'='1' -- `, `'; DROP TABLE users; -- `, `' UNION SELECT password_hash FROM users -- `, `' AND SLEEP(9) AND '`, `%' OR 1=1 #`, `1 OR 1=1`, `1; SELECT SLEEP(9)`,
	"\xbf\x27 OR 1=1 -- ", `0x27`, `/*!50000 OR 1=1*/`, `%00'`, `?`, `$1`, `@@version`, `*/`,
}

// Whatever stands in a field, in a path or in a query is text to the database: nothing fails, nothing waits, nothing more is
// found or changed.
func sqlIsText(t *testing.T) {
	s := newStage(t)
	checkActsAreWhole(t, s)
	all := acts(s)
	for _, route := range inOrder(all) {
		for i, text := range metacharacters {
			inFields(t, s, route, all[route], text, encodings[[]string{"form", "JSON"}[i%2]])
		}
	}
	inPaths(t, s)
	root := s.visitor("root")
	m := root.send("bob", strings.Join(metacharacters[:13], "\n"))
	root.get("/messages/"+m.ID.String(), asJSON).want(200).wantText(`' UNION SELECT password_hash FROM users -- \n`)
	if n := s.count("users WHERE is_admin"); n != 1 || len(s.columns()) < 20 {
		t.Errorf("there are %d admins and %d tables", n, len(s.columns()))
	}
}

func inFields(t *testing.T, s *stage, route string, a act, text string, encode func(fields) option) {
	t.Helper()
	method, pattern, _ := strings.Cut(route, " ")
	content := maps.Clone(a.fields)
	for name, value := range content {
		if _, isText := value.(string); isText && name != "password" && name != "current_password" {
			content[name] = text // a password meets no statement, and costs a hash
		}
	}
	if pattern == "/account/delete" {
		content["username"] = text // whose it is isn't
	}
	checkNoFault(t, func() *reply { return a.send(s, method, pattern, "", encode(content)) })
}

// queryNames are what addresses take after "?".
var queryNames = []string{"q", "after", "before", "with", "limit", "since_rev", "user", "action", "from", "to", "current", "next", "why", "invite", "done", "format", "seconds"}

func inPaths(t *testing.T, s *stage) {
	t.Helper()
	root := s.visitor("root")
	fill := func(text string) *strings.Replacer {
		text = url.PathEscape(text)
		return strings.NewReplacer(":username", text, ":id", text, ":number", text, ":token", text, ":name", text, ":photo", text, ":side", text)
	}
	for i, text := range metacharacters {
		everywhere := url.Values{}
		for _, name := range queryNames {
			everywhere.Set(name, text)
		}
		for j, r := range s.server.App().GetRoutes(true) {
			if r.Method != "GET" || r.Path == "/admin/pprof/:name" { // which takes its time
				continue
			}
			alone := url.Values{queryNames[(i+j)%len(queryNames)]: {text}}
			for _, path := range []string{fill(text).Replace(r.Path), fill("bob").Replace(r.Path) + "?" + everywhere.Encode(), fill("bob").Replace(r.Path) + "?" + alone.Encode()} {
				checkNoFault(t, func() *reply { return root.get(path, asJSON) })
			}
		}
		root.get("/users?q="+url.QueryEscape("zz"+text), asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
	}
}

// checkNoFault expects an answer that isn't about a failure of ours, and that nothing has slept before it.
func checkNoFault(t *testing.T, send func() *reply) {
	t.Helper()
	start := time.Now()
	r := send()
	if took := time.Since(start); r.status >= 500 || took > 8*time.Second {
		t.Errorf("%s: status %d after %s\n%s", r.what, r.status, took, r.start())
	}
	r.wantNoText("SQL syntax", "You have an error", "argon2id$")
}
