package main

import (
	"fmt"
	"strings"
	"testing"
)

// articles is a fragment with messages, by their numbers and bodies.
func articles(conversation, from int, bodies ...string) string {
	var html strings.Builder
	for i, body := range bodies {
		fmt.Fprintf(&html, `<article id="message-%d-%d"><p class="body">%s</p></article>`, conversation, from+i, body)
	}
	return html.String()
}

func TestFragmentHasToBeTheRightOne(t *testing.T) {
	body := bodyOf(token("run", 3, 14))
	good := articles(7, 42, body)
	for name, c := range map[string]struct {
		status int
		html   string
		right  bool
	}{
		"good":           {200, good, true},
		"another status": {201, good, false},
		"another ID":     {200, articles(7, 43, body), false},
		"a longer ID":    {200, articles(7, 421, body), false},
		"more of them":   {200, good + articles(7, 43, "other"), false},
		"another body":   {200, articles(7, 42, bodyOf(token("run", 3, 15))), false},
		"more in it":     {200, articles(7, 42, body+"."), false},
		"twice in it":    {200, articles(7, 42, body+"</p><p>"+body), false},
		"less in it":     {200, articles(7, 42, body[:len(body)-1]), false},
		"nothing":        {200, "", false},
	} {
		if err := checkFragment(answer{status: c.status, body: []byte(c.html)}, 200, "7-42", body); (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswerToASendHasToBeTheRightOne(t *testing.T) {
	body := bodyOf(token("run", 3, 14))
	object := `{"id":"7-42","user":"a","body":"` + body + `","rev":57}`
	for name, c := range map[string]struct {
		as       string
		status   int
		location string
		body     string
		right    bool
	}{
		"fragment":              {"fragment", 201, "/messages/7-42", articles(7, 42, body), true},
		"JSON":                  {"json", 201, "/messages/7-42", object, true},
		"a replay":              {"json", 200, "/messages/7-42", object, false},
		"no Location":           {"json", 201, "", object, false},
		"a Location elsewhere":  {"json", 201, "/conversations/7-42", object, false},
		"a Location without ID": {"json", 201, "/messages/7", object, false},
		"seq 0":                 {"json", 201, "/messages/7-0", strings.Replace(object, "7-42", "7-0", 1), false},
		"another ID":            {"json", 201, "/messages/7-41", object, false},
		"another body":          {"json", 201, "/messages/7-42", strings.Replace(object, "seven", "eight", 1), false},
		"an error":              {"fragment", 503, "", "busy", false},
	} {
		_, _, err := checkSent(answer{status: c.status, location: []byte(c.location), body: []byte(c.body)}, c.as, body)
		if (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPageHasToBeTheRightOne(t *testing.T) {
	bodies := pageBodies("run", 5)
	p := conversationPage{path: "/conversations/demo00001", newest: bodies[perPage-1]}
	good := articles(7, 1, bodies...)
	for name, c := range map[string]struct {
		status int
		html   string
		right  bool
	}{
		"good":               {200, good, true},
		"the sign-in":        {303, "", false},
		"as it was before":   {200, articles(7, 1, append([]string{"older"}, bodies[:perPage-1]...)...), false},
		"another's":          {200, articles(7, 1, pageBodies("run", 6)...), false},
		"a message too few":  {200, articles(7, 1, bodies[1:]...), false},
		"a message too many": {200, articles(7, 1, append([]string{"older"}, bodies...)...), false},
	} {
		if err := p.check(c.status, []byte(c.html)); (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHistoryHasToBeTheRightPart(t *testing.T) {
	g := &long{conversation: 9, first: 101, count: 1000}
	part := func(from, n int) string { // messages from this one on, counted as bench does
		var bodies []string
		for i := range n {
			bodies = append(bodies, longBody(from+i))
		}
		return articles(9, 101+from, bodies...)
	}
	for name, c := range map[string]struct {
		html  string
		right bool
	}{
		"good":        {part(40, 10), true},
		"one too far": {part(39, 10), false},
		"too few":     {part(41, 9), false},
		"the newest":  {part(990, 10), false},
		"other texts": {strings.Replace(part(40, 10), longBody(40), longBody(41), 1), false},
	} {
		if err := g.check(200, []byte(c.html), 50); (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}
