package handlers

import (
	"errors"
	"fmt"
	"testing"
)

func TestAdminMail(t *testing.T) {
	w := newWorld(t, sendsMail, forgetful)
	root := w.admin("root")
	w.withEmail("alice")
	root.get("/admin/mail", asPage).want(200).wantText("No mail is waiting").wantNoText("goes into Parley’s log")
	root.get("/admin/mail", asJSON).want(200).wantJSON(`{"results":[],"next":null,"waiting":0,"stuck":0,"smtp":true}`)
	w.nobody().post("/password/forgot", asJSON, form("email", "alice@example.org")).want(202)
	root.get("/admin/mail", asPage).want(200).wantText("alice@example.org", "Waiting", "1 waiting, none stuck")
	box := &postbox{err: errors.New("421 <b>busy</b>")}
	w.deliverTo(box)
	root.get("/admin/mail", asPage).want(200).wantText("421 &lt;b&gt;busy", "1 try so far", `href="/admin/users/alice"`).wantNoText(box.got[0].Token)
	var list mailListBody
	root.get("/admin/mail", asJSON).want(200).wantNoText(box.got[0].Token).into(&list)
	if len(list.Results) != 1 || list.Results[0].State != "waiting" || *list.Results[0].Error != "421 <b>busy</b>" || *list.Results[0].User != "alice" || list.Waiting != 1 || list.Results[0].DueAt == nil {
		t.Fatalf("%+v", list)
	}
	if _, err := w.db.Exec("UPDATE mails SET due_at = NULL"); err != nil {
		t.Fatal(err)
	}
	list = mailListBody{}
	root.get("/admin/mail", asJSON).want(200).into(&list)
	if m := list.Results[0]; m.State != "stuck" || m.DueAt != nil || list.Stuck != 1 {
		t.Errorf("%+v", list)
	}
	root.get("/admin/mail", asPage).want(200).wantText("Stuck", "0 waiting, 1 stuck")
	at := fmt.Sprintf("/admin/mail/%s/", list.Results[0].ID)
	root.post(at+"retry", asPage, form()).want(303).wantHeader("Location", "/admin/mail?done=retried")
	root.get("/admin/mail?done=retried", asPage).want(200).wantText("being tried again")
	if got := w.deliver(); len(got) != 1 {
		t.Errorf("tried again: %+v", got)
	}
	root.post(at+"retry", asJSON, form()).wantProblem(404)
	w.nobody().post("/password/forgot", asJSON, form("email", "root@example.org")).want(202)
	list = mailListBody{}
	root.get("/admin/mail", asJSON).want(200).into(&list)
	at = fmt.Sprintf("/admin/mail/%s/", list.Results[0].ID)
	if _, err := w.db.Exec("UPDATE mails SET leased_until = NOW(6) + INTERVAL 1 MINUTE"); err != nil {
		t.Fatal(err)
	}
	list = mailListBody{}
	if root.get("/admin/mail", asJSON).want(200).into(&list); list.Results[0].State != "sending" {
		t.Errorf("%+v", list)
	}
	root.post(at+"retry", asJSON, form()).wantProblem(422)
	root.post(at+"retry", asPage, form()).want(422).wantText("being sent right now", "root@example.org")
	root.post(at+"drop", asJSON, form()).want(204)
	if n := w.count("mails"); n != 0 {
		t.Errorf("%d are left", n)
	}
	for _, path := range []string{"/admin/mail/x/drop", "/admin/mail/-1/drop", "/admin/mail/99999999999999999999/retry"} {
		root.post(path, asPage, form()).want(404)
	}
	root.get("/admin/audit", asPage).want(200).wantText("dropped a mail to", "had a mail tried again to")
}

func TestAdminMailWithoutAServer(t *testing.T) {
	w := newWorld(t)
	w.admin("root").get("/admin/mail", asPage).want(200).wantText("goes into Parley’s log", "PARLEY_SMTP_URL")
}
