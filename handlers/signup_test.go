package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/db/chat"
)

// takes is a world that takes new people in this way, with an admin.
func takes(t *testing.T, mode chat.SignUp) (*world, *visitor) {
	t.Helper()
	w := newWorld(t, forgetful)
	root := w.admin("rosa")
	root.post("/admin/place", asJSON, object(fields{"sign_up": mode})).want(200)
	return w, root
}

// invitation makes one and gives its link's path and token.
func (v *visitor) invitation(content fields) (path, token string) {
	v.t.Helper()
	var made invitationBody
	v.post("/account/invitations", asJSON, object(content)).want(201).into(&made)
	link, err := url.Parse(made.Link)
	if err != nil || link.Host == "" || len(link.Query().Get("invite")) < 22 {
		v.t.Fatalf("the link is %q", made.Link)
	}
	return link.RequestURI(), link.Query().Get("invite")
}

func newcomer(username string, more ...string) option {
	return form(append([]string{"username", username, "password", password}, more...)...)
}

func TestSignUpInABrowser(t *testing.T) {
	w, _ := takes(t, chat.SignUpOpen)
	v := w.nobody()
	if href := v.get("/login", asPage).doc().Find(`.hint a`).AttrOr("href", ""); href != "/signup" {
		t.Errorf("the sign-in page leads to %q", href)
	}
	page := v.get("/signup", asPage).want(200)
	if page.doc().Find(`form[action="/signup"] [name]`).Length() != 4 {
		t.Errorf("the form is %s", page.body)
	}
	refused := v.post("/signup", asPage, form("username", "a b", "display_name", "Typed <b>", "email", "no address", "password", "short")).want(422)
	for field, typed := range map[string]string{"username": "a b", "email": "no address"} {
		checkField(t, refused, field, typed, true)
	}
	checkField(t, refused, "display_name", "Typed <b>", false)
	checkField(t, refused, "password", "", true)
	in := v.post("/signup", asPage, newcomer("Zoë", "email", "zoe@example.org")).want(303).wantHeader("Location", "/conversations")
	v.token = in.sessionCookie().Value
	v.get("/conversations", asPage).want(200)
	v.get("/signup", asPage).want(303).wantHeader("Location", "/conversations")
	w.nobody().post("/login", asPage, credentials("zoë", password)).want(303)
	fragment := w.nobody().get("/signup", asFragment).want(200)
	fragment.wantText(`<form class="card"`).wantNoText("<html")
}

func TestSignUpByAProgram(t *testing.T) {
	w, _ := takes(t, chat.SignUpOpen)
	w.nobody().get("/signup", asJSON).want(200).wantJSON(`{"name":"Parley","sign_up":"open","invited_by":null}`)
	made := w.nobody().post("/signup", asJSON, object(fields{"username": "Zoë", "display_name": "Zoe Z.", "password": password})).want(201)
	made.wantJSON(`{"username":"Zoë","display_name":"Zoe Z.","photo":null}`).wantHeader("Location", "/users/Zo%C3%AB")
	if made.sessionCookie() != nil {
		t.Error("a program is signed in")
	}
	w.nobody().post("/signup", asJSON, object(fields{"username": "zoë", "password": "short"})).wantFields(422, "password")
	w.nobody().post("/signup", asJSON, object(fields{"username": "zoë", "password": password})).wantFields(422, "username")
	w.nobody().post("/signup", asJSON, object(fields{"username": "Zoe", "password": password})).wantFields(422, "username") // looks like Zoë
	w.nobody().post("/signup", asJSON, object(fields{"username": "root", "password": password})).wantFields(422, "username")
	w.nobody().post("/signup", asJSON, object(fields{"username": "mallory", "password": password, "is_admin": true})).want(201)
	if u, err := w.store.UserByName(t.Context(), "mallory"); err != nil || u.IsAdmin {
		t.Errorf("mallory is %+v: %v", u, err)
	}
}

// An address that is somebody's gets the same answer as one that is nobody's, in all that whoever signed up can see.
func signUpTellsNothingOfAddresses(t *testing.T) {
	w, root := takes(t, chat.SignUpOpen)
	root.post("/admin/users", asJSON, object(fields{"username": "alice", "email": "alice@example.org", "password": password})).want(201)
	var seen []string
	for _, email := range []string{"ALICE@example.org", "free@example.org"} {
		v := w.nobody()
		in := v.post("/signup", asPage, newcomer("newcomer", "email", email)).want(303)
		v.token = in.sessionCookie().Value
		seen = append(seen, in.header.Get("Location")+string(v.get("/account/profile", asJSON).want(200).body))
		w.forget("newcomer")
	}
	if seen[0] != seen[1] {
		t.Errorf("an address that is taken gives\n%s, and one that isn't\n%s", seen[0], seen[1])
	}
}

func TestSignUpIsClosed(t *testing.T) {
	w, _ := takes(t, chat.SignUpClosed)
	for _, s := range shapes {
		for _, r := range []*reply{w.nobody().get("/signup", s.ask), w.nobody().get("/signup?invite=abc", s.ask), w.nobody().post("/signup", s.ask, newcomer("mallory"))} {
			r.want(403).wantText("Accounts here are made by the admins").wantNoText("another site")
			checkContentType(t, r, s.shape)
			checkSecurityHeaders(t, r)
		}
	}
	typed := w.nobody().post("/signup", asPage, newcomer("mallory")).want(403)
	checkField(t, typed, "username", "mallory", false)
	w.nobody().get("/login", asPage).wantText("An admin of this place can make one for you.").wantNoText(`href="/signup"`)
	if n := w.count("users"); n != 1 {
		t.Errorf("there are %d accounts", n)
	}
}

func TestInvitations(t *testing.T) {
	w, root := takes(t, chat.SignUpInvited)
	alice := w.person("alice")
	shown := alice.post("/account/invitations", asPage, form("note", "for <b>Bob</b>", "uses", "1", "days", "7")).want(201)
	link := shown.doc().Find("#link").AttrOr("value", "")
	at, err := url.Parse(link)
	if err != nil || at.Path != "/signup" || !strings.HasPrefix(link, "http://example.com/") {
		t.Fatalf("the page shows %q", link)
	}
	alice.get("/account/invitations", asPage).want(200).wantText("for &lt;b&gt;Bob", "0 of 1").wantNoText(at.Query().Get("invite"))
	for _, path := range []string{"/signup", "/signup?invite=", "/signup?invite=abc"} {
		w.nobody().get(path, asPage).want(403).wantText(`name="invite"`)
		w.nobody().get(path, asJSON).want(403)
	}
	w.nobody().get(at.RequestURI(), asJSON).want(200).wantJSON(`{"name":"Parley","sign_up":"invitation","invited_by":{"username":"alice","display_name":"alice","photo":null}}`)
	page := w.nobody().get("/signup?"+url.Values{"invite": {" " + link}}.Encode(), asPage).want(200).wantText("invites you to") // the whole link, pasted
	token := page.doc().Find(`[name=invite]`).AttrOr("value", "")
	w.nobody().post("/signup", asPage, newcomer("bob", "invite", token)).want(303)
	late := w.nobody().post("/signup", asPage, newcomer("carol", "invite", token)).want(403).wantText("can&#39;t be used any more")
	checkField(t, late, "username", "carol", false)
	var mine listBody[invitationBody]
	alice.get("/account/invitations", asJSON).want(200).into(&mine)
	if len(mine.Results) != 1 || mine.Results[0].Uses != 1 || mine.Results[0].UsedBy[0].Username != "bob" || mine.Results[0].Link != "" || mine.Results[0].CreatedBy.Username != "alice" {
		t.Errorf("alice sees %+v", mine)
	}
	root.get("/admin/invitations", asPage).want(200).wantText("for &lt;b&gt;Bob", "/admin/users/alice", "Used up", ">bob<")
	if log := w.log.String(); strings.Contains(log, token) {
		t.Error("the log holds an invitation")
	}
}

func TestInvitationsAreRevoked(t *testing.T) {
	w, root := takes(t, chat.SignUpInvited)
	alice, mallory := w.person("alice"), w.person("mallory")
	first, _ := alice.invitation(fields{"uses": 5, "days": 90})
	second, _ := alice.invitation(fields{})
	mallory.post("/account/invitations/1/revoke", asJSON).want(404)
	mallory.post("/admin/invitations/1/revoke", asJSON).want(404)
	for _, path := range []string{first, second} {
		w.nobody().get(path, asJSON).want(200)
	}
	var gone invitationBody
	alice.post("/account/invitations/1/revoke", asJSON).want(200).into(&gone)
	if gone.RevokedAt == nil || gone.ID != "1" {
		t.Errorf("revoked is %+v", gone)
	}
	root.post("/admin/invitations/2/revoke", asPage, form()).want(303).wantHeader("Location", "/admin/invitations?done=revoked")
	alice.post("/account/invitations/2/revoke", asPage, form()).want(303).wantHeader("Location", "/account/invitations?done=revoked")
	for _, path := range []string{first, second} {
		w.nobody().get(path, asJSON).want(403)
	}
	alice.get("/account/invitations?done=revoked", asPage).want(200).wantText("The invitation was revoked.", "Revoked")
	for _, id := range []string{"0", "x", "3", "-1", "18446744073709551615"} {
		alice.post("/account/invitations/"+id+"/revoke", asJSON).want(404)
	}
}

func TestInvitationForm(t *testing.T) {
	w, root := takes(t, chat.SignUpInvited)
	alice := w.person("alice")
	alice.post("/account/invitations", asJSON, object(fields{"uses": 0, "days": 91, "note": strings.Repeat("x", 101)})).wantFields(422, "days", "note", "uses")
	alice.post("/account/invitations", asJSON, object(fields{"uses": 1 << 40})).wantFields(422, "uses")
	refused := alice.post("/account/invitations", asPage, form("note", "typed", "uses", "101", "days", "3")).want(422)
	checkField(t, refused, "note", "typed", false)
	checkField(t, refused, "uses", "101", true)
	checkField(t, refused, "days", "3", false)
	root.post("/admin/place", asJSON, object(fields{"sign_up": "closed"})).want(200)
	alice.get("/account/invitations", asPage).want(200).wantText("Only admins invite people").wantNoText("Make an invitation")
	alice.post("/account/invitations", asJSON, object(fields{})).want(403)
	path, _ := root.invitation(fields{}) // an admin's word holds
	w.nobody().get(path, asPage).want(200)
}

func TestInvitationLinksUseThePublicAddress(t *testing.T) {
	w := newWorld(t, baseURL("https://chat.example"))
	var made invitationBody
	w.admin("rosa").post("/account/invitations", asJSON, object(fields{})).want(201).into(&made)
	if !strings.HasPrefix(made.Link, "https://chat.example/signup?invite=") {
		t.Errorf("the link is %q", made.Link)
	}
}

// Of two who use the last use at the same time, one gets in, and the other is told why not.
func TestTwoWithOneInvitation(t *testing.T) {
	w, root := takes(t, chat.SignUpInvited)
	_, token := root.invitation(fields{})
	replies := atOnce(4, func(i int) *reply {
		return w.nobody().post("/signup", asJSON, object(fields{"username": []string{"ann", "ben", "cleo", "dora"}[i], "password": password, "invite": token}))
	})
	made := 0
	for _, r := range replies {
		if r.status == http.StatusCreated {
			made++
		} else {
			r.want(403)
		}
	}
	if n := w.count("users"); made != 1 || n != 2 {
		t.Errorf("%d got in, and there are %d accounts", made, n)
	}
}

// atOnce has n requests wait for each other before they go.
func atOnce(n int, send func(i int) *reply) []*reply {
	replies := make([]*reply, n)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() { <-start; replies[i] = send(i) })
	}
	close(start)
	all.Wait()
	return replies
}

// Accounts aren't made faster than people make them; what was typed stays, and other networks don't notice.
func TestSignUpsAreThrottled(t *testing.T) {
	w := newWorld(t, limited, forgetful)
	w.admin("rosa").post("/admin/place", asJSON, object(fields{"sign_up": "open"})).want(200)
	refused := form("username", "a b", "password", "short")
	for range signUps.Burst {
		w.nobody().post("/signup", asJSON, refused, from("192.0.2.1")).want(422)
	}
	w.nobody().post("/signup", asJSON, refused, from("192.0.2.1")).wantThrottled(20*time.Second, 30*time.Second)
	kept := w.nobody().post("/signup", asPage, newcomer("alice"), from("192.0.2.1")).wantThrottled(20*time.Second, 30*time.Second)
	checkField(t, kept, "username", "alice", false)
	w.nobody().post("/signup", asPage, newcomer("alice"), from("192.0.2.2")).want(303)
}
