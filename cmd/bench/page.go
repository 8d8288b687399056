package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"parley/db/chat"
)

// perPage is how many messages a conversation's page shows: Parley's default.
const perPage = 10

// contacts is in how many conversations each person begins to talk. As many others begin to talk with them, so the list
// of conversations beside a page has some fifty.
const contacts = 25

// conversationPage is a page as one person sees it.
type conversationPage struct {
	viewer       *person
	path, newest string
}

// reader is one connection over which pages are looked at.
type reader struct {
	link  link
	pages []conversationPage
	plain bytes.Buffer
}

// measurePage looks at conversations' pages: each one only once; always the same one; and always the same one by a
// browser that has it, where the server gives it a tag to ask with.
func measurePage(ctx context.Context, o options, s *server) (all []*result, err error) {
	pages, err := writePages(ctx, o, s)
	if err != nil {
		return nil, err
	}
	readers := newReaders(o, s, pages)
	defer closeReaders(readers)
	fresh, err := measureFresh(ctx, o, s, readers)
	if err != nil {
		return nil, err
	}
	for i, r := range readers {
		r.pages = pages[i : i+1]
	}
	same, tagged, err := measureSame(ctx, o, s, readers)
	if err != nil || !tagged {
		return []*result{fresh, same}, err
	}
	asked, err := measureTagged(ctx, o, s, readers)
	return []*result{fresh, same, asked}, err
}

// newReaders deals the pages out.
func newReaders(o options, s *server, pages []conversationPage) []*reader {
	readers := make([]*reader, o.Readers)
	for i := range readers {
		readers[i] = &reader{link: link{address: s.address}}
	}
	for i, p := range pages {
		r := readers[i%len(readers)]
		r.pages = append(r.pages, p)
	}
	return readers
}

func closeReaders(readers []*reader) {
	for _, r := range readers {
		r.link.close()
	}
}

// writePages makes conversations with a page full of new messages each, between people who are no pairs, and gives them
// in an order that jumps from person to person.
func writePages(ctx context.Context, o options, s *server) (pages []conversationPage, err error) {
	first := 2 * o.Pairs
	round := o.numbered() - first
	viewers := min((o.Conversations+contacts-1)/contacts, round)
	if round <= 2*contacts {
		return nil, fmt.Errorf("%d people are too few for pages: --users has to be more than %d", o.Users, first+2*contacts+namedPeople)
	}
	people, err := s.signedIn(ctx, first+viewers)
	if err != nil {
		return nil, err
	}
	lib, err := openLibrary(ctx, s)
	if err != nil {
		return nil, err
	}
	defer lib.leave()
	s.say("  writing the messages of %d conversations", min(o.Conversations, viewers*contacts))
	var pieces []chat.ImportPiece
	run := uuid.NewString()[:8]
	for n := range min(o.Conversations, viewers*contacts) {
		viewer, partner := n%viewers, numbered(first+(n%viewers+n/viewers+1)%round)
		piece, err := lib.piece(ctx, people[first+viewer].name, partner, pageBodies(run, n))
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, piece)
		pages = append(pages, conversationPage{people[first+viewer], "/conversations/" + partner, piece.Lines[perPage-1].Body})
	}
	return pages, lib.write(ctx, pieces)
}

func pageBodies(run string, conversation int) (all []string) {
	for n := range perPage {
		all = append(all, bodyOf(token(run, conversation, n)))
	}
	return all
}

func measureFresh(ctx context.Context, o options, s *server, readers []*reader) (*result, error) {
	all := 0
	for _, r := range readers {
		all += len(r.pages)
	}
	l := newLoad(o)
	m, err := l.run(ctx, s.used, len(readers), func(w int, _ time.Time) error {
		r := readers[w]
		if len(r.pages) == 0 {
			return errSpent
		}
		p := r.pages[0]
		r.pages = r.pages[1:]
		_, err := r.look(p, o.Gzip)
		return err
	})
	r := l.result("page, nothing cached", "pages", "page", m)
	r.Settings["readers"], r.Settings["conversations"], r.Settings["gzip"] = len(readers), all, o.Gzip
	return r, err
}

// measureSame has each reader look at one page again and again. It says whether the server tags its pages.
func measureSame(ctx context.Context, o options, s *server, readers []*reader) (_ *result, tagged bool, _ error) {
	l := newLoad(o)
	m, err := l.run(ctx, s.used, len(readers), func(w int, _ time.Time) error {
		_, err := readers[w].look(readers[w].pages[0], o.Gzip)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	r := l.result("page, unchanged", "pages", "page", m)
	r.Settings["readers"], r.Settings["gzip"] = len(readers), o.Gzip
	a, err := readers[0].look(readers[0].pages[0], o.Gzip)
	return r, len(a.tag) > 0, err
}

// look fetches a page and checks that it is the right one, with everything that there was when it was asked for.
func (r *reader) look(p conversationPage, zipped bool) (answer, error) {
	headers := []string{p.viewer.headers, asPage}
	if zipped {
		headers = append(headers, "Accept-Encoding: gzip\r\n")
	}
	a, err := r.link.get(p.path, headers...)
	if err != nil {
		return a, err
	}
	html, err := r.unzipped(a)
	if err != nil {
		return a, err
	}
	return a, p.check(a.status, html)
}

func (p conversationPage) check(status int, html []byte) error {
	n := bytes.Count(html, []byte(`id="message-`))
	if status != 200 || n != perPage || bytes.Count(html, []byte(">"+p.newest+"</p>")) != 1 {
		return wrong{fmt.Errorf("%s: status %d, %d messages, and not the right last one: %.200s", p.path, status, n, html)}
	}
	return nil
}

func (r *reader) unzipped(a answer) ([]byte, error) {
	if string(a.encoding) != "gzip" {
		return a.body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		return nil, wrong{err}
	}
	r.plain.Reset()
	if _, err := io.Copy(&r.plain, z); err != nil {
		return nil, wrong{err}
	}
	return r.plain.Bytes(), nil
}

// measureTagged asks for the same page again by its tag: the server has nothing to send, but has to know that.
func measureTagged(ctx context.Context, o options, s *server, readers []*reader) (*result, error) {
	conditions := make([]string, len(readers))
	for i, r := range readers {
		a, err := r.look(r.pages[0], false)
		if err != nil {
			return nil, err
		}
		conditions[i] = "If-None-Match: " + string(a.tag) + "\r\n"
	}
	l := newLoad(o)
	m, err := l.run(ctx, s.used, len(readers), func(w int, _ time.Time) error {
		r := readers[w]
		a, err := r.link.get(r.pages[0].path, r.pages[0].viewer.headers, asPage, conditions[w])
		if err == nil && (a.status != 304 || len(a.body) > 0) {
			err = wrong{fmt.Errorf("%s with its tag: status %d", r.pages[0].path, a.status)}
		}
		return err
	})
	r := l.result("page, unchanged, by its tag", "pages", "page", m)
	r.Settings["readers"] = len(readers)
	return r, err
}
