package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"
)

// A client is patient: pages have no time-out of their own, and a server answers within 10 s or says why not.
const patience = 12 * time.Second

// request is what a device asks for.
type request struct {
	method, path string
	body         []byte
	kind         string // the body's type
	fragment     bool   // for htmx
	page         bool   // for a browser without JavaScript
	ahead        bool   // before its reader wants it
	within       time.Duration
	client       string // the client ID that it is about, for the journal
	node         *node  // nil: any
	token        string // of the session; "": the device's own
	bearer       string // an access token, instead of any session
	waiting      string // the cookie of a sign-in that waits for a second factor
}

// reply is what came of a request.
type reply struct {
	status  int // 0 where there is none
	body    []byte
	cookie  string
	waiting string // the cookie of a sign-in that waits for a second factor
	err     error
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// do asks one node, and another one where that can't be connected to, as a proxy without stickiness does. It journals
// what comes of it, and looks through every answer for what isn't this person's.
func (d *device) do(ctx context.Context, r request) (got reply) {
	if r.within == 0 {
		r.within = patience
	}
	ctx, cancel := context.WithTimeout(ctx, r.within)
	defer cancel()
	began := time.Now()
	order := rand.Perm(len(d.w.nodes))
	if r.node != nil {
		order = []int{r.node.number}
	}
	asked := -1
	for _, i := range order {
		asked = i
		if got = d.ask(ctx, d.w.nodes[i], r); !refusedToConnect(got.err) {
			break
		}
	}
	e := entry{Device: d.name, Node: asked, Did: r.method + " " + r.path, Client: r.client, Status: got.status}
	if got.err != nil {
		e.Err = got.err.Error()
	}
	d.w.journal.add(began, e)
	d.inspect(got, r, began)
	return got
}

// inspect holds an answer to what every answer is held to.
func (d *device) inspect(got reply, r request, began time.Time) {
	if got.status == 0 {
		return
	}
	seen := strange(got.body, d.person.name)
	d.w.checks.that(strangers, seen == "", "%s saw %s in the answer to %s %s", d.name, seen, r.method, r.path)
	if got.status < http.StatusInternalServerError {
		return
	}
	d.w.checks.that(surprises, d.w.faults.since(began.Add(-grace)) != "", "%s %s was answered with %d without a fault: %.300s", r.method, r.path, got.status, got.body)
}

func refusedToConnect(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "dial"
}

func (d *device) ask(ctx context.Context, n *node, r request) (got reply) {
	q, err := http.NewRequestWithContext(ctx, r.method, "http://"+address(n.people.port)+r.path, bytes.NewReader(r.body))
	if err != nil {
		return reply{err: err}
	}
	d.dress(q, r)
	answer, err := d.client.Do(q)
	if err != nil {
		return reply{err: err}
	}
	defer answer.Body.Close()
	got.body, err = io.ReadAll(answer.Body)
	if err != nil {
		return reply{err: err} // half an answer is none
	}
	got.status = answer.StatusCode
	for _, c := range answer.Cookies() {
		switch c.Name {
		case "parley":
			got.cookie = c.Value
		case "parley-sign-in":
			got.waiting = c.Value
		}
	}
	return got
}

func (d *device) dress(q *http.Request, r request) {
	switch {
	case r.fragment:
		q.Header.Set("HX-Request", "true")
		q.Header.Set("Accept", "text/html")
	case r.page:
		q.Header.Set("Accept", "text/html")
	default:
		q.Header.Set("Accept", "application/json")
	}
	if r.ahead {
		q.Header.Set("Sec-Purpose", "prefetch")
	}
	if r.kind != "" {
		q.Header.Set("Content-Type", r.kind)
	}
	token := r.token
	if token == "" {
		token = d.token()
	}
	switch {
	case r.bearer != "":
		q.Header.Set("Authorization", "Bearer "+r.bearer)
	case r.waiting != "":
		q.Header.Set("Cookie", "parley-sign-in="+r.waiting)
	case token != "":
		q.Header.Set("Cookie", "parley="+token)
	}
}

// jsonOf writes a JSON body.
func jsonOf(body map[string]any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and numbers
	}
	return text
}

// jsonRequest is one with a JSON body.
func jsonRequest(method, path string, body map[string]any) request {
	return request{method: method, path: path, kind: jsonType, body: jsonOf(body)}
}

func (d *device) get(ctx context.Context, path string) reply {
	return d.do(ctx, request{method: http.MethodGet, path: path})
}

func (d *device) getFragment(ctx context.Context, path string) reply {
	return d.do(ctx, request{method: http.MethodGet, path: path, fragment: true})
}

func form(values ...string) []byte {
	f := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		f.Set(values[i], values[i+1])
	}
	return []byte(f.Encode())
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

func query(path string, values ...string) string {
	return path + "?" + string(form(values...))
}
