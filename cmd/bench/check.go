package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// tail makes a body as long as people's messages are. HTML, JSON and forms carry it as it is, or as tailInForm.
const (
	tail       = "Shall we meet at seven? Bring the blue folder – and something to eat."
	tailInForm = "Shall+we+meet+at+seven%3F+Bring+the+blue+folder+%E2%80%93+and+something+to+eat."
)

// token tells a message from all others: it is the run's, the pair's and its own number in the pair.
func token(run string, pair, n int) string {
	return run + "-" + strconv.Itoa(pair) + "-" + strconv.Itoa(n)
}

func bodyOf(token string) string { return token + " " + tail }

// messageID reads an ID such as 7-42.
func messageID(text []byte) (conversation, seq uint64, ok bool) {
	left, right, found := bytes.Cut(text, []byte("-"))
	conversation, err := strconv.ParseUint(string(left), 10, 64)
	if err != nil || !found {
		return 0, 0, false
	}
	seq, err = strconv.ParseUint(string(right), 10, 64)
	return conversation, seq, err == nil && conversation > 0 && seq > 0
}

// checkFragment says what is wrong with a fragment that is to show this message and no other.
func checkFragment(a answer, status int, id, body string) error {
	switch {
	case a.status != status:
		return fmt.Errorf("status %d instead of %d: %.200s", a.status, status, a.body)
	case bytes.Count(a.body, []byte(`id="message-`)) != 1 || !bytes.Contains(a.body, []byte(`id="message-`+id+`"`)):
		return fmt.Errorf("the fragment isn't that of message %s: %.300s", id, a.body)
	case bytes.Count(a.body, []byte(">"+body+"</p>")) != 1:
		return fmt.Errorf("the fragment of message %s doesn't show %q: %.500s", id, body, a.body)
	}
	return nil
}

// checkJSON is checkFragment for a program's answer.
func checkJSON(a answer, status int, id, body string) error {
	switch {
	case a.status != status:
		return fmt.Errorf("status %d instead of %d: %.200s", a.status, status, a.body)
	case !bytes.Contains(a.body, []byte(`"id":"`+id+`"`)):
		return fmt.Errorf("the answer isn't message %s: %.300s", id, a.body)
	case !bytes.Contains(a.body, []byte(`"body":"`+body+`"`)):
		return fmt.Errorf("the answer about message %s doesn't have the body %q: %.500s", id, body, a.body)
	}
	return nil
}

// checkSent says what is wrong with the answer to a send, and gives the new message's ID.
func checkSent(a answer, as, body string) (id string, seq uint64, err error) {
	path, found := bytes.CutPrefix(a.location, []byte("/messages/"))
	_, seq, ok := messageID(path)
	if a.status == 201 && !(found && ok) {
		return "", 0, fmt.Errorf("the answer to a send has the Location %q", a.location)
	}
	id = string(path)
	if as == "json" {
		return id, seq, checkJSON(a, 201, id, body)
	}
	return id, seq, checkFragment(a, 201, id, body)
}
