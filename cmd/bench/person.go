package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"golang.org/x/sync/errgroup"
)

// place is where a Parley answers.
type place struct {
	address string // host:port
	origin  string // http://host:port
}

// person is somebody who is signed in.
type person struct {
	at      place
	name    string
	headers string // Host and Cookie, as whole lines
	origin  string // Origin, which browsers add to what changes something
}

// Headers of requests as a page's htmx and as a program send them.
const (
	asFragment = "Accept: text/html\r\nHX-Request: true\r\nSec-Fetch-Site: same-origin\r\n"
	asProgram  = "Accept: application/json\r\n"
	asPage     = "Accept: text/html\r\nSec-Fetch-Site: same-origin\r\n"
	formBody   = "Content-Type: application/x-www-form-urlencoded\r\n"
	jsonBody   = "Content-Type: application/json\r\n"
)

func numbered(i int) string { return fmt.Sprintf("demo%05d", i) }

func newPerson(at place, name, cookie string) *person {
	return &person{at: at, name: name, headers: "Host: " + at.address + "\r\nCookie: " + cookie + "\r\n", origin: "Origin: " + at.origin + "\r\n"}
}

// signIn starts a session as a program does.
func signIn(l *link, at place, name, password string) (*person, error) {
	form := url.Values{"username": {name}, "password": {password}}.Encode()
	a, err := l.post("/login", []byte(form), "Host: "+at.address+"\r\n", asProgram, formBody)
	if err != nil {
		return nil, err
	}
	cookie, _, _ := bytes.Cut(a.cookie, []byte(";"))
	if a.status != 200 || len(cookie) == 0 || !bytes.Contains(a.body, []byte(`"`+name+`"`)) {
		return nil, wrong{fmt.Errorf("signing in as %s: status %d: %.200s", name, a.status, a.body)}
	}
	return newPerson(at, name, string(cookie)), nil
}

// signInAll signs demo people in, some at a time: the server works at no more than four passwords at once.
func signInAll(ctx context.Context, at place, password string, from, to int) ([]*person, error) {
	people := make([]*person, to-from)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range people {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l := link{address: at.address}
			defer l.close()
			people[i], err = signIn(&l, at, numbered(from+i), password)
			return err
		})
	}
	return people, group.Wait()
}

// signedIn gives the first n demo people. Each signs in once, however many scenarios there are, and where the database is
// known without the server: a password costs it as much as fifty messages.
func (s *server) signedIn(ctx context.Context, n int) ([]*person, error) {
	have := len(s.people)
	if have >= n {
		return s.people[:n], nil
	}
	sign := func() ([]*person, error) { return signInAll(ctx, s.place, s.password, have, n) }
	if s.dsn != "" {
		sign = func() ([]*person, error) { return signInDirectly(ctx, s, have, n) }
	}
	more, err := sign()
	s.people = append(s.people, more...)
	if err != nil {
		s.people = s.people[:have]
		return nil, err
	}
	return s.people, nil
}

// readJSON fetches path and decodes it; it is for what happens outside a measurement.
func (p *person) readJSON(l *link, path string, into any) error {
	a, err := l.get(path, p.headers, asProgram)
	if err != nil {
		return err
	}
	if a.status != 200 {
		return fmt.Errorf("GET %s: status %d: %.200s", path, a.status, a.body)
	}
	return json.Unmarshal(a.body, into)
}
