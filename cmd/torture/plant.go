package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// plant is a bug that is put into a copy of Parley's source for one build. The shipped program knows nothing of it.
type plant struct {
	name, about string
	found       string // the check that must break
	edits       []edit
	faults      []string // what is broken in the run that finds it; none by default
}

// edit replaces a text that stands in a file exactly once.
type edit struct{ file, old, new string }

// plants are the bugs that a run must find. When the source changes under one, plantInto says so.
var plants = []plant{
	{"early-push", "windows are told before the commit", afterCommit, []edit{
		{"db/chat/message.go", "return s.write(ctx, q, rows, open, known)",
			"if err = s.write(ctx, q, rows, open, known); err == nil {\n\t\ts.posted(group)\n\t\ttime.Sleep(20 * time.Millisecond)\n\t}\n\treturn err"},
	}, nil},
	{"doubled-retry", "a retry under the same client ID stores a second message", ackedOnce, []edit{
		{"db/chat/message.go", "if p.row, p.replayed = stored[key]; p.replayed {",
			"if p.row, p.replayed = stored[key]; p.replayed && p.row.Body == p.body {\n\t\t\tp.clientID, p.replayed = uuid.New(), false\n\t\t} else if p.replayed {"},
	}, nil},
	{"lost-commit", "an error at the commit is answered as success", ackedOnce, []edit{
		{"db/chat/store.go", "return tx.Commit()", "_ = tx.Commit()\n\treturn nil"},
	}, []string{"break-at-commit"}},
	{"skipped-seq", "a number is left out now and then", noHoles, []edit{
		{"db/chat/message.go", "c.LastSeq++\n", "c.LastSeq += 1 + (c.LastRev%5)/4\n"},
	}, nil},
	{"wrong-person", "somebody else's windows are told", strangers, []edit{
		{"db/chat/message.go", "Type: EventMessage, To: m.Recipient.ID,", "Type: EventMessage, To: m.Recipient.ID ^ 4,"},
	}, nil},
	{"open-door", "everybody may read every message", strangers, []edit{
		{"queries/conversation.sql.go", "WHERE c.id = ? AND (c.user_lo = ? OR c.user_hi = ?)", "WHERE c.id = ? AND (c.user_lo = ? OR c.user_hi = ? OR TRUE)"},
	}, nil},
	{"falling-watermark", "a watermark falls when somebody reads further up", watermarks, []edit{
		{"db/chat/conversation.go", "if seq <= c.LastReadSeq {", "if seq == c.LastReadSeq {"},
		{"queries/conversation.sql.go", "AND last_read_seq < ?", "AND last_read_seq <> ?"},
	}, nil},
	{"short-catch-up", "what changed since rev r leaves out r+1", convergence, []edit{
		{"queries/message.sql.go", "conversation_id = ? AND rev > ? ORDER BY rev", "conversation_id = ? AND rev > ? + 1 ORDER BY rev"},
	}, []string{"reconnect-storm"}},
	{"own-unread", "one's own messages count as unread", unread, []edit{
		{"queries/message.go", "WHERE sender_id <> ? AND", "WHERE sender_id <> ? + 1000000 AND"},
	}, nil},
	{"changed-replay", "a client ID may be used for another text", clientIDs, []edit{
		{"db/chat/message.go", "if stored.Body == body {", "if stored.Body != \"\" {"},
	}, nil},
	{"deaf-sign-out", "signing out leaves windows open", signOut, []edit{
		{"db/chat/session.go", "s.notifier.Notify(Event{Type: EventSessionEnded, To: session.User.ID, Session: session.Hash})", ""},
	}, nil},
	{"elephants-sign-out", "what is remembered of a session holds for a minute", signOut, []edit{
		{"db/chat/store.go", "o.RememberFor = time.Second / 2", "o.RememberFor = time.Minute"},
		{"handlers/live.go", "s.Store.SessionEnded(e.To, e.Session)\n\t\ts.hub.CloseSession(e.To, e.Session, hub.CloseRevoked,", "s.hub.CloseSession(e.To, e.Session, hub.CloseRevoked,"},
	}, nil},
	{"twice-used-code", "a code of an app is good as often as anybody likes", single, []edit{
		{"db/chat/totp.go", "if right && step > row.LastStep {", "if right {"},
		{"queries/totp.sql.go", "confirmed = TRUE AND last_step < ?", "confirmed = TRUE AND last_step < ? + 10"},
	}, nil},
	{"deaf-reset", "a reset leaves windows open", revocation, []edit{
		{"db/chat/reset.go", "s.notifier.Notify(Event{Type: EventSessionEnded, To: link.UserID})", ""},
	}, nil},
	{"wide-invitation", "of several who use an invitation at once all get in", invitations, []edit{
		{"queries/invitation.sql.go", "WHERE id = ? AND uses < uses_allowed AND", "WHERE id = ? AND"},
		// The time between the look and the use is short, and a run too.
		{"db/chat/invitation.go", "used, err := q.UseInvitation(", "time.Sleep(100 * time.Millisecond)\n\tused, err := q.UseInvitation("},
	}, nil},
	{"ignored-block", "who was blocked can write all the same", blocking, []edit{
		{"db/chat/block.go", "return fields{\"recipient\": {notTaking(p.recipient)}}.err(messageNotSent)", "return nil"},
	}, nil},
	{"kept-bodies", "what is to be erased keeps its text", erasure, []edit{
		{"queries/deletion.go", "UPDATE messages SET body = '',", "UPDATE messages SET body = body,"},
	}, nil},
	{"kept-window", "the hub never forgets a window", cleanStop, []edit{
		{"handlers/live.go", "defer s.hub.Remove(window)\n", ""},
	}, []string{"rolling-restart"}},
	{"kept-goroutine", "each window leaves a goroutine behind", leftOver, []edit{
		{"handlers/live.go", "\twindow.Attach(conn)\n", "\twindow.Attach(conn)\n\tgo func() { select {} }()\n"},
	}, nil},
	{"kept-descriptor", "each window leaves a file open", leftOver, []edit{
		{"handlers/live.go", "\twindow.Attach(conn)\n", "\twindow.Attach(conn)\n\tkeptOpen()\n"},
		{"handlers/live.go", "// handshake lets nothing past", "var kept []*os.File\n\nfunc keptOpen() {\n\tf, _ := os.Open(os.DevNull)\n\tkept = append(kept, f)\n}\n\n// handshake lets nothing past"},
	}, nil},
	{"panicking-read", "marking as read panics now and then", surprises, []edit{
		{"handlers/conversation.go", "var body struct {\n\t\tSeq", "if time.Now().UnixMilli()%4 == 0 {\n\t\tpanic(\"planted\")\n\t}\n\tvar body struct {\n\t\tSeq"},
		{"handlers/conversation.go", "\"net/http\"\n", "\"net/http\"\n\t\"time\"\n"},
	}, nil},
}

func plantNamed(name string) (plant, error) {
	at := slices.IndexFunc(plants, func(p plant) bool { return p.name == name })
	if at < 0 {
		return plant{}, fmt.Errorf("there is no planted bug called %q; --list names them", name)
	}
	return plants[at], nil
}

// plantInto writes changed copies of Parley's files into dir, and the list of them that go build -overlay takes.
func plantInto(source, dir, name string) (overlay string, err error) {
	p, err := plantNamed(name)
	if err != nil {
		return "", err
	}
	source, err = filepath.Abs(source)
	if err != nil {
		return "", err
	}
	files, err := p.apply(source)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range files {
		copied := filepath.Join(dir, "planted-"+strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(source, file)] = copied
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// apply gives the changed files' texts. A text that isn't there exactly once means that the plant has to follow a change
// of the source.
func (p plant) apply(source string) (map[string]string, error) {
	files := map[string]string{}
	for _, e := range p.edits {
		if files[e.file] == "" {
			text, err := os.ReadFile(filepath.Join(source, e.file))
			if err != nil {
				return nil, err
			}
			files[e.file] = string(text)
		}
		if n := strings.Count(files[e.file], e.old); n != 1 {
			return nil, fmt.Errorf("the planted bug %s no longer fits %s, where this stands %d times instead of once: %q", p.name, e.file, n, e.old)
		}
		files[e.file] = strings.Replace(files[e.file], e.old, e.new, 1)
	}
	return files, nil
}

// proveFor is how long a run with a planted bug lasts at most.
const proveFor = 25 * time.Second

// prove runs once with each planted bug. Each must be found by the check that it breaks.
func prove(ctx context.Context, o options, out io.Writer) error {
	chosen := slices.Clone(o.Planted)
	if len(chosen) == 0 {
		for _, p := range plants {
			chosen = append(chosen, p.name)
		}
	}
	var missed []string
	for _, name := range chosen {
		p, err := plantNamed(name)
		if err != nil {
			return err
		}
		found, err := p.prove(ctx, o, out)
		if err != nil {
			return fmt.Errorf("the planted bug %s: %w", name, err)
		}
		if !found {
			missed = append(missed, name)
		}
	}
	if len(missed) > 0 {
		return errors.New("these planted bugs were not found by the check that they break: " + strings.Join(missed, ", "))
	}
	return nil
}

// prove runs with this bug in a short and busy run.
func (p plant) prove(ctx context.Context, o options, out io.Writer) (found bool, err error) {
	o.Planted, o.For, o.Pace, o.Prove = []string{p.name}, proveFor, 200*time.Millisecond, false
	if o.Fault = p.faults; len(o.Fault) == 0 {
		o.Fault = []string{"none"}
	}
	if p.found == leftOver {
		o.For = 5 * time.Second // it shows in the end
	}
	began := time.Now()
	var said strings.Builder
	v, err := torture(ctx, o, &said)
	if err != nil {
		return false, fmt.Errorf("%w\n%s", err, &said)
	}
	found = v.brokenBy(p.found)
	word := "found"
	if !found {
		word = "MISSED"
		fmt.Fprint(out, &said)
	}
	fmt.Fprintf(out, "%-6s %-18s (%s) by %s in %.0fs\n", word, p.name, p.about, p.found, time.Since(began).Seconds())
	return found, nil
}
