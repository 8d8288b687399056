package handlers

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (w *world) exec(statement string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(statement, args...); err != nil {
		w.t.Fatal(err)
	}
}

func TestAuditSearch(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	w.person("bob")
	ada.post("/admin/users/bob", asPage, form("display_name", "Robert")).want(303)
	ada.post("/admin/place", asPage, form("name", "Our place")).want(303)
	today := time.Now().UTC().Format(time.DateOnly)
	for query, want := range map[string]int{
		"": 2, "user=bob": 1, "user=BOB&action=user.edit": 1, "action=place.set": 1, "user=bob&action=place.set": 0,
		"from=" + today: 2, "to=2020-01-01": 0, "user=ada&from=" + today + "&to=" + today: 2, "limit=1": 1,
	} {
		var found struct {
			Results []map[string]any
			Next    *string
		}
		ada.get("/admin/audit?"+query, asJSON).want(200).into(&found)
		if len(found.Results) != want || (found.Next != nil) != (query == "limit=1") {
			t.Errorf("%q finds %d and goes on with %v, want %d", query, len(found.Results), found.Next, want)
		}
		if rows := ada.get("/admin/audit?"+query, asPage).want(200).doc().Find("tbody tr").Length(); rows != want {
			t.Errorf("%q shows %d, want %d", query, rows, want)
		}
	}
	ada.get("/admin/audit?user=nobody", asJSON).wantFields(422, "user")
	ada.get("/admin/audit?from=x&to=y", asJSON).wantFields(422, "from", "to")
	refused := ada.get("/admin/audit?user=nobody&action=user.edit&from=2026-01-01", asPage).want(422)
	checkField(t, refused, "user", "nobody", true)
	if form := refused.doc(); form.Find("option[selected]").AttrOr("value", "") != "user.edit" || form.Find("#from").AttrOr("value", "") != "2026-01-01" {
		t.Error("what was typed is lost")
	}
}

func TestSignInsAreLogged(t *testing.T) {
	w := newWorld(t)
	bob := w.person("bob")
	for _, s := range shapes {
		w.nobody().post("/login", s.ask, form("username", "bob", "password", "wrong")).want(401)
		w.nobody().post("/login", s.ask, form("username", "my password", "password", "wrong")).want(401)
	}
	in := w.nobody().post("/login", asJSON, form("username", "bob", "password", password)).want(200)
	fresh := &visitor{world: w, user: bob.user, token: in.cookies[0].Value}
	var found struct {
		Results []auditRow
		Next    *string
	}
	fresh.get("/account/activity", asJSON).want(200).into(&found)
	if len(found.Results) != 2 || found.Results[0].Action != "session.sign_in" || found.Results[0].IP != "0.0.0.0" ||
		found.Results[1].Action != "session.sign_in_failed" || found.Results[1].Detail != "3 times" || found.Results[1].Actor != "" {
		t.Errorf("bob's activity is %+v", found.Results)
	}
	fresh.post("/logout", asJSON).want(204)
	bob.get("/account/activity", asPage).want(200).wantText("signed out", "tried to sign in as you", "3 times")
	if n := w.count("audit_events WHERE action = 'session.sign_out' AND ip = '0.0.0.0'"); n != 1 {
		t.Errorf("%d sign-outs are in the log with their address", n)
	}
	if n := w.count("audit_events WHERE CONCAT(detail, action) LIKE '%my password%'"); n != 0 {
		t.Error("what was typed for a name is in the log")
	}
}

type auditRow struct {
	ID, Timestamp, Actor, Action, Detail, IP string
	Subject, Message                         *string
}

func TestExport(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.admin("ada"), w.person("bob")
	m := bob.send("ada", "the text")
	ada.post("/admin/messages/" + m.ID.String() + "/body").want(200)
	for _, s := range shapes {
		got := ada.get("/admin/audit/export?format=csv&user=bob", s.ask).want(200)
		got.wantHeader("Content-Type", "text/csv; charset=utf-8").wantHeader("Content-Disposition", `attachment; filename="audit.csv"`)
		got.wantHeader("Cache-Control", "no-store").wantNoText("the text")
		rows, err := csv.NewReader(strings.NewReader(string(got.body))).ReadAll()
		if err != nil || len(rows) < 3 || strings.Join(rows[0], " ") != "id timestamp actor action subject message detail ip" {
			t.Fatalf("%q: %v", got.body, err)
		}
		if last := rows[len(rows)-1]; strings.Join(last[2:], " ") != "ada message.open_body bob "+m.ID.String()+"  0.0.0.0" {
			t.Errorf("the last line is %q", last)
		}
	}
	if n := w.count("audit_events WHERE action = 'audit.export'"); n != 3 {
		t.Errorf("%d exports are in the log, of 3", n)
	}
	lines := ada.get("/admin/audit/export?format=jsonl&action=message.open_body").want(200).wantHeader("Content-Type", "application/jsonl")
	var e auditRow
	if err := json.Unmarshal(lines.body, &e); err != nil || e.Actor != "ada" || e.Action != "message.open_body" || *e.Subject != "bob" || *e.Message != m.ID.String() {
		t.Errorf("%q is %+v: %v", lines.body, e, err)
	}
	ada.get("/admin/audit/export?user=nobody", asJSON).wantFields(422, "user")
	ada.get("/admin/audit/export?from=x", asJSON).wantFields(422, "from")
	before := w.count("audit_events")
	ada.do("HEAD", "/admin/audit/export").want(200).wantHeader("Content-Type", "text/csv; charset=utf-8")
	bob.get("/admin/audit/export").want(404)
	if after := w.count("audit_events"); after != before {
		t.Errorf("%d lines were written by HEAD, or by somebody who isn't an admin", after-before)
	}
}

// A spreadsheet takes none of the cells for a formula.
func TestExportIsNoFormula(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	for _, detail := range []string{`=HYPERLINK("https://evil.example","x")`, "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", "  =1", "a,=1", "a\r\n=1", `a",=1`, "plain"} {
		w.exec("INSERT INTO audit_events (created_at, actor_id, action, detail, ip) VALUES (NOW(6), 0, ?, ?, ?)", "=a", detail, "=ip")
	}
	got := ada.get("/admin/audit/export?action=%3Da").want(200)
	rows, err := csv.NewReader(strings.NewReader(string(got.body))).ReadAll()
	if err != nil || len(rows) != 17 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, row := range rows {
		for i, cell := range row {
			if trimmed := strings.TrimSpace(cell); trimmed != "" && strings.ContainsAny(trimmed[:1], "=+-@") || strings.HasPrefix(trimmed, "＝") || strings.HasPrefix(trimmed, "＋") || strings.HasPrefix(trimmed, "－") || strings.HasPrefix(trimmed, "＠") {
				t.Errorf("column %d is %q", i, cell)
			}
		}
	}
	if row := rows[1]; row[6] != "plain" {
		t.Errorf("what is harmless is %q", row[6])
	}
}

// An export that a fault cuts short doesn't end as if it were whole.
func TestExportCutShort(t *testing.T) {
	w := newWorld(t)
	ada := w.admin("ada")
	rows := make([]string, 3000)
	for i := range rows {
		rows[i] = fmt.Sprintf("(NOW(6), 1, 'user.edit', '%s', '')", strings.Repeat("x", 200))
	}
	w.exec("INSERT INTO audit_events (created_at, actor_id, action, detail, ip) VALUES " + strings.Join(rows, ", "))
	addr := w.listen()
	if n, err := ada.fetchExport(addr); n != len(rows)+1 || err != nil {
		t.Errorf("it has %d lines: %v", n, err)
	}
	w.exec("UPDATE audit_events SET conversation_id = 18446744073709551615 ORDER BY id LIMIT 10") // which no program can read
	if n, err := ada.fetchExport(addr); n < 1000 || n > len(rows) || err == nil {
		t.Errorf("cut short it has %d lines: %v", n, err)
	}
	if !strings.Contains(w.log.String(), "cut short") {
		t.Error("the log doesn't say so")
	}
}

// fetchExport reads an export as far as it goes, and says how many lines it has.
func (v *visitor) fetchExport(addr string) (lines int, err error) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), "GET", "http://"+addr+"/admin/audit/export?action=user.edit", nil)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Cookie", v.cookie())
	r.Header.Set("Accept-Encoding", "gzip, br")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 || answer.Header.Get("Content-Encoding") != "" {
		v.t.Errorf("it is answered %s, encoded as %q", answer.Status, answer.Header.Get("Content-Encoding"))
	}
	text, err := io.ReadAll(answer.Body)
	return strings.Count(string(text), "\r\n"), err
}
