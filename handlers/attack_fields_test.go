package handlers

import (
	"bytes"
	"fmt"
	"maps"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"testing"

	"parley/db/chat"
)

// act is a request that changes something, as a form of Parley's own sends it.
type act struct {
	by     string // "" where anybody may
	path   string // the pattern where it is "", with bob and the message in it
	fields fields // every field that the route takes
	vain   bool   // it can't succeed here: what it needs comes by mail, or from an authenticator
}

// acts is every route that changes anything; checkActsAreWhole sees to that. Those who are deleted or disabled come last.
func acts(s *stage) map[string]act {
	message, current := "/messages/"+s.reported.ID.String(), fields{"current_password": password}
	with := func(more fields) fields {
		all := maps.Clone(current)
		maps.Copy(all, more)
		return all
	}
	return map[string]act{
		"POST /login":                               {"", "", fields{"username": "alice", "password": password, "next": "/users"}, false},
		"POST /login/factor":                        {"", "", fields{"code": "123456", "credential": "", "next": ""}, true},
		"POST /login/passkey":                       {"", "", nil, true},
		"POST /logout":                              {"alice", "", nil, false},
		"POST /password/forgot":                     {"", "", fields{"email": "alice@example.org"}, false},
		"POST /password/reset/:token":               {"", s.reset, fields{"password": another}, false},
		"POST /email/confirm/:token":                {"", s.confirm, nil, false},
		"POST /signup":                              {"", "", fields{"username": "newcomer", "display_name": "New", "email": "new@example.org", "password": password, "invite": ""}, false},
		"POST /setup/:token":                        {"", "/setup/x", fields{"name": "Mine", "username": "mallory", "display_name": "", "email": "", "password": password}, true},
		"POST /users/:username/block":               {"alice", "/users/carol/block", fields{"next": "/users"}, false},
		"POST /users/:username/unblock":             {"alice", "/users/carol/unblock", fields{"next": "/users"}, false},
		"PUT /conversations/:username/read":         {"alice", "/conversations/bob/read", fields{"seq": 1}, false},
		"POST /messages":                            {"alice", "", fields{"recipient": "bob", "body": "hi", "client_id": someClientID}, false},
		"POST /messages/:id/report":                 {"alice", message + "/report", fields{"reason": "spam", "note": "look"}, false},
		"POST /account/profile":                     {"alice", "", fields{"display_name": "Alice", "about": "Me", "time_zone": "Europe/Berlin"}, false},
		"POST /account/password":                    {"alice", "", fields{"current_password": another, "password": password}, false}, // the link has changed it before
		"POST /account/email":                       {"bob", "", with(fields{"email": "bob2@example.org"}), false},
		"POST /account/email/confirmation":          {"bob", "", nil, true}, // a mail was just sent
		"POST /account/devices/end-others":          {"alice", "", nil, false},
		"POST /account/devices/:id/end":             {"alice", "/account/devices/0123456789abcdef/end", nil, true},
		"POST /account/factors/totp":                {"bob", "", fields{"password": password, "code": "", "name": "", "credential": ""}, false},
		"POST /account/factors/totp/confirm":        {"bob", "", fields{"password": "", "code": "123456", "name": "", "credential": ""}, true},
		"POST /account/factors/totp/remove":         {"bob", "", fields{"password": password, "code": "", "name": "", "credential": ""}, false},
		"POST /account/factors/passkeys":            {"bob", "", fields{"password": "", "code": "", "name": "Key", "credential": "{}"}, true},
		"POST /account/factors/passkeys/options":    {"bob", "", fields{"password": password, "second_factor": true}, true},
		"POST /account/factors/passkeys/:id/remove": {"bob", "/account/factors/passkeys/1/remove", fields{"password": password, "code": "", "name": "", "credential": ""}, true},
		"POST /account/factors/recovery-codes":      {"bob", "", fields{"password": password, "code": "", "name": "", "credential": ""}, true},
		"PUT /account/blocks/:username":             {"alice", "/account/blocks/carol", nil, false},
		"DELETE /account/blocks/:username":          {"alice", "/account/blocks/carol", nil, false},
		"POST /account/tokens":                      {"bob", "", with(fields{"name": "bot", "scope": "read", "days": "30"}), false},
		"POST /account/tokens/:id/revoke":           {"carol", "/account/tokens/1/revoke", nil, false},
		"POST /account/invitations":                 {"alice", "", fields{"note": "for Zoë", "days": 7, "uses": 1}, false},
		"POST /account/invitations/:id/revoke":      {"carol", "/account/invitations/1/revoke", nil, false},
		"POST /account/photo":                       {"alice", "", nil, true}, // but with a file: see asMultipart
		"POST /account/photo/remove":                {"alice", "", nil, false},
		"POST /account/export":                      {"bob", "", current, false},
		"POST /account/delete":                      {"dave", "", with(fields{"messages": "keep", "username": "dave"}), false},
		"POST /admin/users":                         {"root", "", fields{"username": "made", "display_name": "Made", "email": "made@example.org", "password": password, "is_admin": false}, false},
		"POST /admin/users/:username":               {"root", "/admin/users/carol", fields{"display_name": "Caroline", "email": "carol2@example.org", "password": another, "is_admin": false}, false},
		"POST /admin/users/:username/disable":       {"root", "/admin/users/carol/disable", nil, false},
		"POST /admin/users/:username/enable":        {"root", "/admin/users/carol/enable", nil, false},
		"POST /admin/users/:username/end-sessions":  {"root", "/admin/users/carol/end-sessions", nil, false},
		"POST /admin/users/:username/reset-factors": {"root", "/admin/users/carol/reset-factors", nil, false},
		"POST /admin/users/:username/reset-link":    {"root", "/admin/users/carol/reset-link", nil, false},
		"POST /admin/mail/:id/retry":                {"root", "/admin/mail/1/retry", nil, true},
		"POST /admin/mail/:id/drop":                 {"root", "/admin/mail/1/drop", nil, true},
		"POST /admin/invitations/:id/revoke":        {"root", "/admin/invitations/2/revoke", nil, false},
		"POST /admin/messages/:id/body":             {"root", "/admin" + message + "/body", nil, false},
		"POST /admin/reports/:number/body":          {"root", "/admin/reports/1/body", nil, false},
		"POST /admin/reports/:number/close":         {"root", "/admin/reports/1/close", fields{"decision": "upheld", "note": "so it is"}, false},
		"POST /admin/place":                         {"root", "", fields{"name": "Ours", "sign_up": "open", "second_factor": "optional"}, false},
	}
}

func checkActsAreWhole(t *testing.T, s *stage) {
	t.Helper()
	known := acts(s)
	for _, r := range unsafeRoutes(s.world, strings.NewReplacer()) {
		route := r.Method + " " + r.Path
		if _, found := known[route]; !found {
			t.Errorf("%s has no entry in the list of acts", route)
		}
		delete(known, route)
	}
	for gone := range known {
		t.Errorf("%s is in the list and is no route", gone)
	}
}

// stage is a place where every act finds what it is about. Two of them are alike but for the time and what is random.
type stage struct {
	*world
	reported       chat.Message // from bob to alice
	reset, confirm string       // paths of links
}

func newStage(t *testing.T) *stage {
	w := newWorld(t, forgetful, sendsMail)
	s := &stage{world: w}
	root, bob, carol := w.admin("root"), w.person("bob"), w.person("carol")
	w.person("dave")
	w.withEmail("alice")
	root.post("/admin/place", asJSON, object(fields{"sign_up": "open"})).want(200)
	bob.post("/account/email", asJSON, object(fields{"email": "bob@example.org", "current_password": password})).want(200)
	s.confirm = "/email/confirm/" + w.deliver()[0].Token
	s.reset = w.forgotten()
	carol.tokenOf("bot", chat.ScopeRead)
	carol.invitation(fields{})
	s.reported = bob.send("alice", "look at this")
	return s
}

// visitor is somebody in a session of their own: some acts end it.
func (s *stage) visitor(name string) *visitor {
	if name == "" {
		return s.nobody()
	}
	user, err := s.store.UserByName(s.t.Context(), name) // as they are now
	if err != nil {
		s.t.Fatal(err)
	}
	return s.signIn(user)
}

// dump is everything that the database holds, but for times and what is random.
func (s *stage) dump() (rows []string) {
	s.t.Helper()
	for table, columns := range s.columns() {
		rows = append(rows, s.dumpTable(table, columns)...)
	}
	slices.Sort(rows)
	return rows
}

type column struct{ name, kind string }

// columns are those of every table.
func (s *stage) columns() map[string][]column {
	s.t.Helper()
	found, err := s.db.Query("SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name <> 'schema_migrations' ORDER BY ordinal_position")
	if err != nil {
		s.t.Fatal(err)
	}
	defer found.Close()
	all := map[string][]column{}
	for found.Next() {
		var table string
		var c column
		if err := found.Scan(&table, &c.name, &c.kind); err != nil {
			s.t.Fatal(err)
		}
		all[table] = append(all[table], c)
	}
	return all
}

func (s *stage) dumpTable(table string, columns []column) (rows []string) {
	s.t.Helper()
	found, err := s.db.Query("SELECT * FROM " + table)
	if err != nil {
		s.t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new([]byte)
		}
		if err := found.Scan(values...); err != nil {
			s.t.Fatal(err)
		}
		row := table
		for i, c := range columns {
			row += fmt.Sprintf(" %s=%s", c.name, shownValue(c.kind, *values[i].(*[]byte)))
		}
		rows = append(rows, row)
	}
	return rows
}

func shownValue(kind string, value []byte) string {
	switch {
	case value == nil:
		return "NULL"
	case kind == "datetime" || kind == "timestamp":
		return "a time"
	case strings.HasSuffix(kind, "binary") || strings.HasSuffix(kind, "blob"):
		return fmt.Sprint(len(value), " octets")
	case bytes.HasPrefix(value, []byte("$argon2id$")):
		return "a hash"
	}
	return string(value)
}

// smuggled are fields that nobody asked for: one for each column that there is, under its name, and what other programs
// call such things.
func (s *stage) smuggled(taken fields) fields {
	extra := fields{}
	for _, columns := range s.columns() {
		for _, c := range columns {
			extra[c.name] = evilValue(c.kind)
		}
	}
	for name, value := range (fields{
		"isAdmin": true, "IsAdmin": true, "admin": true, "role": "admin", "user[is_admin]": "true", "user.is_admin": "true", "_method": "DELETE", "user": "root", "owner": "root", "sender": "root",
		"as": "root", "actor": "root", "timestamp": evilValue("datetime"), "confirmed": true, "verified": true, "disabled": true, "rights": "admin", "__proto__": "x", "locale": "x", "csrf": "x",
	}) {
		extra[name] = value
	}
	for name := range taken {
		delete(extra, name)
	}
	return extra
}

func evilValue(kind string) any {
	switch {
	case strings.HasSuffix(kind, "int"):
		return 1 // root's ID, and true
	case kind == "datetime":
		return "2031-01-01T00:00:00Z"
	}
	return "mallory"
}

// encodings are the ways to send fields.
var encodings = map[string]func(fields) option{
	"form": func(f fields) option { return form(pairs(f)...) }, "JSON": func(f fields) option { return object(f) }, "multipart": asMultipart,
}

func pairs(f fields) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		all = append(all, name, fmt.Sprint(f[name]))
	}
	return all
}

func asMultipart(f fields) option {
	var b bytes.Buffer
	parts := multipart.NewWriter(&b)
	all := pairs(f)
	for i := 0; i < len(all); i += 2 {
		_ = parts.WriteField(all[i], all[i+1]) // to memory
	}
	if f["photo-file"] != nil {
		file, _ := parts.CreateFormFile("photo", "x.png")
		_, _ = file.Write(f["photo-file"].([]byte))
	}
	parts.Close()
	return body(parts.FormDataContentType(), b.String())
}

// A request with fields that its route doesn't take does to the letter what it does without them: two places, alike at
// first, stay alike when the one gets all of them in each request's body and query, and the other doesn't.
func massAssignment(t *testing.T) {
	for name, encode := range encodings {
		t.Run(name, func(t *testing.T) {
			plain, evil := newStage(t), newStage(t)
			checkActsAreWhole(t, plain)
			all, evils := acts(plain), acts(evil)
			for _, route := range inOrder(all) {
				method, pattern, _ := strings.Cut(route, " ")
				extra := evil.smuggled(all[route].fields)
				query := "?" + url.Values{"is_admin": {"true"}, "id": {"1"}, "user": {"root"}}.Encode()
				a := all[route].send(plain, method, pattern, "", encode(all[route].fields))
				more := maps.Clone(extra)
				maps.Copy(more, evils[route].fields)
				b := evils[route].send(evil, method, pattern, query, encode(more))
				if a.status != b.status {
					t.Errorf("%s: status %d with more fields, %d without\n%s", route, b.status, a.status, b.start())
				}
				if a.status >= 400 && !all[route].vain {
					t.Errorf("%s: status %d, so this shows nothing\n%s", route, a.status, a.start())
				}
				compareDumps(t, route, plain.dump(), evil.dump())
			}
		})
	}
}

// inOrder puts those last that end something which others need.
func inOrder(all map[string]act) []string {
	weight := func(route string) int {
		return slices.Index([]string{"POST /account/photo", "POST /account/photo/remove", "POST /account/tokens/:id/revoke", "PUT /account/blocks/:username", "DELETE /account/blocks/:username",
			"POST /users/:username/block", "POST /users/:username/unblock", "POST /messages/:id/report", "POST /admin/reports/:number/body", "POST /admin/reports/:number/close",
			"POST /account/invitations", "POST /admin/invitations/:id/revoke", "POST /account/factors/totp", "POST /account/factors/totp/remove", "POST /email/confirm/:token", "POST /account/email", "POST /password/reset/:token", "POST /account/password",
			"POST /admin/users/:username/disable", "POST /admin/users/:username/enable", "POST /admin/users/:username/end-sessions", "POST /admin/users/:username/reset-factors",
			"POST /admin/users/:username/reset-link", "POST /admin/users/:username", "POST /account/delete"}, route)
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		if d := weight(a) - weight(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

func (a act) send(s *stage, method, pattern, query string, content option) *reply {
	path := a.path
	if path == "" {
		path = pattern
	}
	if pattern == "/account/photo" { // takes a file alone
		content = asMultipart(fields{"photo-file": imageFile(s.t, false), "is_admin": query != "", "user_id": 1, "username": "root"})
	}
	return s.visitor(a.by).do(method, path+query, asJSON, content)
}

func compareDumps(t *testing.T, route string, plain, evil []string) {
	t.Helper()
	for _, row := range evil {
		if !slices.Contains(plain, row) {
			t.Errorf("%s, with more fields, makes this row: %.700s", route, row)
		}
	}
	for _, row := range plain {
		if !slices.Contains(evil, row) {
			t.Errorf("%s, without them, makes this row: %.700s", route, row)
		}
	}
	if len(plain) != len(evil) {
		t.Errorf("%s makes %d rows, with more fields %d", route, len(plain), len(evil))
	}
	if t.Failed() {
		t.FailNow() // what follows would differ too
	}
}

// Looking changes nothing but what is seen and read, though another site has the browser look, and whatever the request
// claims to be; also at addresses that take no GET.
func lookingChangesNothing(t *testing.T) {
	s := newStage(t)
	claims := several("Sec-Fetch-Site", "cross-site", "X-HTTP-Method-Override", "POST", "X-HTTP-Method", "DELETE", "X-Method-Override", "POST")
	query := "?" + url.Values{"_method": {"POST"}, "is_admin": {"true"}, "body": {"forged"}, "recipient": {"bob"}, "username": {"alice"}, "password": {password}, "current_password": {password}}.Encode()
	fill := strings.NewReplacer(":username", "bob", ":id", s.reported.ID.String(), ":number", "1", ":token", strings.TrimPrefix(s.reset, "/password/reset/"), ":name", "heap", ":photo/:side", "x/64")
	for _, who := range []string{"", "alice", "root"} {
		v := s.visitor(who)
		for _, warmUp := range []bool{true, false} { // what looking itself changes, such as what is unread, it does at once
			before := s.dump()
			for _, r := range s.server.App().GetRoutes(true) {
				if r.Path != "/admin/pprof/:name" { // which costs more than it shows
					v.get(fill.Replace(r.Path)+query, asPage, claims, form("display_name", "Forged", "recipient", "bob", "body", "forged"))
				}
			}
			if after := s.dump(); !warmUp && !slices.Equal(withoutExports(before), withoutExports(after)) {
				compareDumps(t, "looking as "+who, withoutExports(before), withoutExports(after))
			}
			if !warmUp && who != "" && !v.signedIn() {
				t.Errorf("%s is out", who)
			}
		}
	}
}

// withoutExports leaves out that an admin has taken the audit log along, which is written down each time.
func withoutExports(rows []string) []string {
	return slices.DeleteFunc(slices.Clone(rows), func(row string) bool { return strings.Contains(row, "action=audit.export") })
}
