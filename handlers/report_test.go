package handlers

import (
	"strings"
	"testing"

	"parley/db/chat"
)

func (v *visitor) report(id chat.MessageID) {
	v.t.Helper()
	v.post("/messages/"+id.String()+"/report", asJSON, object(fields{"reason": "spam", "note": "look"})).want(201)
}

func TestReport(t *testing.T) {
	w := newWorld(t, forgetful)
	ada, alice, bob, carol := w.admin("ada"), w.person("alice"), w.person("bob"), w.person("carol")
	m := bob.send("alice", "the reported secret")
	at := "/messages/" + m.ID.String() + "/report"
	alice.get("/conversations/bob", asPage).want(200).wantText(`<a class="at" href="/messages/` + m.ID.String() + `">`)
	alice.get("/messages/"+m.ID.String(), asPage).want(200).wantText(`href="` + at + `"`)
	bob.get("/messages/"+m.ID.String(), asPage).want(200).wantNoText(`href="` + at + `"`)
	for _, s := range shapes {
		carol.get(at, s.ask).want(404).wantNoText("secret")
		carol.post(at, s.ask, form("reason", "spam")).want(404).wantNoText("secret")
		bob.post(at, s.ask, form("reason", "spam")).want(422)
		alice.get(at, s.ask).want(200)
	}
	refused := alice.post(at, asPage, form("note", "my note")).want(422).doc()
	if refused.Find("#note").Text() != "my note" || refused.Find("#reason-error").Length() != 1 || refused.Find("[name=reason]").Length() != 5 {
		t.Error("the form doesn't come back with what was typed and what is wrong")
	}
	alice.post(at, asJSON, object(fields{"reason": "no"})).wantFields(422, "reason")
	alice.post(at, asPage, form("reason", "spam", "note", "look")).want(303).wantHeader("Location", "/account/reports?done=reported")
	var made ownReportJSONBody
	alice.post(at, asJSON, object(fields{"reason": "spam", "note": "look"})).want(200).into(&made)
	if made.Message != m.ID.String() || made.User != "bob" || made.State != "open" || made.ClosedAt != nil {
		t.Errorf("the report is %+v", made)
	}
	alice.post(at, asJSON, object(fields{"reason": "threat"})).wantProblem(409)
	alice.post(at, asPage, form("reason", "threat", "note", "typed too")).want(409).wantText("typed too", "already")
	alice.get(at, asPage).want(200).wantText("You have reported this message").wantNoText("<textarea id=\"note\"")
	alice.get("/account/reports", asJSON).want(200).wantText(`"state":"open","closed_at":null,"closed_by":null`)
	bob.get("/account/reports", asJSON).want(200).wantJSON(`{"results":[],"next":null}`)
	ada.get("/admin/users", asPage).want(200).wantText("Reports (1)")
	ada.get("/admin/reports", asJSON).want(200).wantText(`"reporter":"alice"`, `"characters":19`).wantNoText("secret")
	report := "/admin/reports/" + made.ID
	for _, s := range shapes {
		ada.get(report, s.ask).want(200).wantNoText("secret")
		ada.post(report+"/body", s.ask).want(200).wantText("the reported secret")
	}
	if n := w.count("audit_events WHERE action = 'message.open_body'"); n != 3 {
		t.Errorf("that the text was opened is written down %d times, of 3", n)
	}
	bob.get("/account/activity", asFragment).want(200).wantText("opened the text of your message", "ada").wantNoText("reported", "alice", "report "+made.ID)
	bob.get("/account/activity", asJSON).want(200).wantText(`"actor":"ada","action":"message.open_body","subject":"bob"`).wantNoText("report.create", "alice")
	decide(t, ada, alice, report)
	ada.get("/admin/reports/77").want(404)
	ada.get("/admin/reports/x").want(404)
}

type ownReportJSONBody struct {
	ID, Timestamp, Message, User, Reason, Note, State string
	ClosedAt                                          *string `json:"closed_at"`
	ClosedBy                                          *string `json:"closed_by"`
}

func decide(t *testing.T, ada, alice *visitor, report string) {
	t.Helper()
	refused := ada.post(report+"/close", asPage, form("note", "my note")).want(422).doc()
	if refused.Find("#note").Text() != "my note" || refused.Find("#decision-error").Length() != 1 {
		t.Error("the form doesn't come back with what was typed and what is wrong")
	}
	ada.post(report+"/close", asJSON, object(fields{"decision": "open"})).wantFields(422, "decision")
	ada.post(report+"/close", asPage, form("decision", "dismissed", "note", "admins only")).want(303).wantHeader("Location", report+"?done=closed")
	ada.post(report+"/close", asJSON, object(fields{"decision": "upheld"})).wantProblem(409)
	ada.post(report+"/close", asPage, form("decision", "upheld", "note", "typed in vain")).want(409).wantText("typed in vain", "closed already")
	ada.get(report+"?done=closed", asPage).want(200).wantText("admins only", "The report was closed.").wantNoText("/close\"")
	ada.get("/admin/users", asPage).want(200).wantText(">Reports<")
	alice.get("/account/reports", asJSON).want(200).wantText(`"state":"dismissed"`, `"closed_by":"ada"`).wantNoText("admins only")
	if text := strings.Join(strings.Fields(alice.get("/account/reports", asPage).want(200).doc().Find("tbody").Text()), " "); !strings.Contains(text, "Dismissed by ada") {
		t.Errorf("the page says %q", text)
	}
}
