package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/PuerkitoBio/goquery"
)

// message is a message as an answer shows it. Pages don't tell everything: what they leave out is empty.
type message struct {
	ID        string `json:"id"`
	User      string `json:"user"`
	Recipient string `json:"recipient"`
	Timestamp string `json:"timestamp"`
	Body      string `json:"body"`
	Rev       uint64 `json:"rev"`
	ClientID  string `json:"client_id"`
}

// place takes the ID apart: 7-42 is message 42 of conversation 7.
func (m message) place() (conversation, seq uint64) { return placeOf(m.ID) }

func placeOf(id string) (conversation, seq uint64) {
	before, after, _ := strings.Cut(id, "-")
	conversation, _ = strconv.ParseUint(before, 10, 64) // 0 is no conversation
	seq, _ = strconv.ParseUint(after, 10, 64)
	return conversation, seq
}

func idOf(conversation, seq uint64) string { return fmt.Sprintf("%d-%d", conversation, seq) }

// conversation is one in the list of conversations, or the head of an open one.
type conversation struct {
	With struct {
		Username string `json:"username"`
	} `json:"with"`
	Unread      int    `json:"unread"`
	LastSeq     uint64 `json:"last_seq"`
	LastRev     uint64 `json:"last_rev"`
	LastReadSeq uint64 `json:"last_read_seq"`
}

// view is a part of a conversation, as an answer shows it.
type view struct {
	messages []message // in the order of seq, or of rev for changes
	rev      uint64    // everything up to here is known afterwards; 0 where the answer doesn't say
	more     bool      // there are changes after rev
}

// thread is what a device knows of one conversation.
type thread struct {
	with   string
	rev    uint64
	shown  map[uint64]message // by seq
	oldest uint64             // the first seq shown, 0 where nothing is
	opened bool
	behind bool // something may have been missed
}

func newThread(with string) *thread {
	return &thread{with: with, shown: map[uint64]message{}, behind: true}
}

// take puts messages into their places, as static/thread.js does: one that is older than the oldest shown is not put in.
func (t *thread) take(v view) {
	for _, m := range v.messages {
		_, seq := m.place()
		if t.opened && t.oldest > 0 && seq < t.oldest {
			continue
		}
		if old, known := t.shown[seq]; !known || old.Rev < m.Rev {
			t.shown[seq] = m
		}
		if t.oldest == 0 || seq < t.oldest {
			t.oldest = seq
		}
		if v.rev == 0 && m.Rev == t.rev+1 {
			t.rev = m.Rev
		}
	}
	t.rev = max(t.rev, v.rev)
	t.opened = true
}

// differs says how what is shown differs from the newest messages of a fresh look, "" where it doesn't.
func (t thread) differs(fresh view) string {
	if t.rev != fresh.rev {
		return fmt.Sprintf("it knows rev %d of %d", t.rev, fresh.rev)
	}
	first := uint64(0)
	for _, m := range fresh.messages {
		_, seq := m.place()
		if first == 0 || seq < first {
			first = seq
		}
		if seq < t.oldest {
			continue
		}
		shown, known := t.shown[seq]
		if !known {
			return fmt.Sprintf("it lacks %s", m.ID)
		}
		if shown.ID != m.ID || shown.Body != m.Body || shown.Rev != m.Rev {
			return fmt.Sprintf("it shows %+v instead of %+v", shown, m)
		}
	}
	for seq, m := range t.shown {
		if seq >= first && !contains(fresh.messages, m.ID) {
			return fmt.Sprintf("it shows %s, which isn't there", m.ID)
		}
	}
	return ""
}

func contains(messages []message, id string) bool {
	for _, m := range messages {
		if m.ID == id {
			return true
		}
	}
	return false
}

// canaryForm finds whom a text is from and for, which stands in each body.
var canaryForm = regexp.MustCompile(`⟦([a-z0-9]+)→([a-z0-9]+)⟧`)

func canary(from, to string) string { return "⟦" + from + "→" + to + "⟧" }

// canaryFrom is how the canaries of all that somebody writes begin.
func canaryFrom(from string) string { return "⟦" + from + "→" }

// strange gives the first canary in a text that a person must never see, "" where there is none.
func strange(text []byte, person string) string {
	for _, found := range canaryForm.FindAllSubmatch(text, -1) {
		if string(found[1]) != person && string(found[2]) != person {
			return string(found[0])
		}
	}
	return ""
}

// messagesInPage reads the messages of a page or a fragment, as its reader sees them.
func messagesInPage(html []byte, viewer, with string) (v view, err error) {
	document, err := goquery.NewDocumentFromReader(strings.NewReader(string(html)))
	if err != nil {
		return v, err
	}
	document.Find("article.message").Each(func(_ int, article *goquery.Selection) {
		m := message{ID: strings.TrimPrefix(article.AttrOr("id", ""), "message-"), User: with, Recipient: viewer}
		if article.HasClass("mine") {
			m.User, m.Recipient = viewer, with
		}
		m.ClientID = article.AttrOr("data-client", "")
		m.Rev = number(article, "data-rev")
		m.Body = article.Find(".body").Text()
		v.messages = append(v.messages, m)
	})
	head := document.Find("#thread, .caught-up").First()
	v.rev = number(head, "data-rev")
	_, v.more = head.Attr("data-more")
	return v, nil
}

func number(s *goquery.Selection, attribute string) uint64 {
	n, _ := strconv.ParseUint(s.AttrOr(attribute, "0"), 10, 64) // what is no number is noticed as 0
	return n
}

// decode reads a JSON answer.
func decode[T any](text []byte) (T, error) {
	var value T
	err := json.Unmarshal(text, &value)
	return value, err
}
