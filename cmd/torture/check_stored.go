package main

import (
	"context"
	"net/http"
)

// stored is what the database was last seen to hold.
type stored struct {
	rows   map[string]row      // by message ID
	client map[string][]string // message IDs by client ID
	seq    map[uint64]uint64   // the newest seq, by conversation
}

func newStored() stored {
	return stored{rows: map[string]row{}, client: map[string][]string{}, seq: map[uint64]uint64{}}
}

// checkStored reads from the database what came since the last time, and holds it against what clients were told.
func (w *world) checkStored(ctx context.Context) error {
	all, err := w.database.conversations(ctx, w.numbers[w.people[len(w.people)-1].name])
	if err != nil {
		return err
	}
	for _, c := range all {
		rows, err := w.database.rows(ctx, c.id, w.stored.seq[c.id])
		if err != nil {
			return err
		}
		w.checkNumbers(c, rows)
		for _, r := range rows {
			w.checkRow(r)
		}
	}
	for _, s := range w.ledger.all() {
		w.checkSend(s)
	}
	return w.checkUnread(ctx)
}

// checkStoredWhole does so from the first message on, and checks that what was stored once is stored still.
func (w *world) checkStoredWhole(ctx context.Context) error {
	before := w.stored
	w.stored = newStored()
	if err := w.checkStored(ctx); err != nil {
		return err
	}
	for id, r := range before.rows {
		now, still := w.stored.rows[id]
		w.checks.that(ackedOnce, still && now == r, "%s was stored as %+v, and is %+v now", id, r, now)
	}
	return nil
}

// checkNumbers checks seq and rev: so far every change is a new message, so both count the same.
func (w *world) checkNumbers(c counters, rows []row) {
	next := w.stored.seq[c.id]
	for _, r := range rows {
		next++
		w.checks.that(noHoles, r.seq == next, "conversation %d has %d where %d should be", c.id, r.seq, next)
		w.checks.that(noHoles, r.rev <= c.lastRev && r.rev > 0, "%s has rev %d of %d", r.id, r.rev, c.lastRev)
		next = r.seq
	}
	w.checks.that(noHoles, next == c.lastSeq, "conversation %d ends with %d, and counts %d", c.id, next, c.lastSeq)
	w.stored.seq[c.id] = next
}

// checkRow checks that somebody sent this, and that it is what everybody saw.
func (w *world) checkRow(r row) {
	w.stored.rows[r.id] = r
	w.stored.client[r.client] = append(w.stored.client[r.client], r.id)
	s := w.ledger.find(r.client)
	if !w.checks.that(ackedOnce, s != nil, "%s is stored under the client ID %s, under which nobody sent anything: %q", r.id, r.client, r.body) {
		return
	}
	same := s.body == r.body && s.from == r.sender && pairOf(s.from, s.to) == pairOf(r.lo, r.hi)
	w.checks.that(ackedOnce, same, "%s from %s is stored as %q, and was sent by %s to %s as %q", r.id, r.sender, r.body, s.from, s.to, s.body)
	w.truth.mu.Lock()
	defer w.truth.mu.Unlock()
	if seen, was := w.truth.facts[r.id]; was {
		w.checks.that(oneOrder, seen.Body == r.body && seen.User == r.sender && seen.Rev == r.rev, "%s is stored as %+v, and was seen as %+v", r.id, r, seen)
	}
}

// checkSend holds the rows of one client ID against the answers to it.
func (w *world) checkSend(s *send) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := w.stored.client[plain(s.client)]
	if len(s.acked) == 0 {
		w.checks.that(zeroOrOne, len(ids) <= 1, "%s was sent %d times without an answer, and is stored as %v", s.client, s.tries, ids)
		return
	}
	if !w.checks.that(ackedOnce, len(ids) == 1, "%s from %s to %s was acknowledged (%v), and is stored as %v", s.client, s.from, s.to, s.acked, ids) {
		return
	}
	for id := range s.acked {
		w.checks.that(clientIDs, id == "" || id == ids[0], "%s was acknowledged as %s, and is stored as %s", s.client, id, ids[0])
	}
	w.checks.that(ackedOnce, s.created <= 1, "%s was answered %d times as if it had been made just then", s.client, s.created)
}

// checkUnread compares what each person's list counts with a recount. Nobody does anything meanwhile.
func (w *world) checkUnread(ctx context.Context) error {
	for _, p := range w.people {
		recount, err := w.database.recount(ctx, w.numbers[p.name])
		if err != nil {
			return err
		}
		d := p.devices[0]
		list, ok := d.readList(ctx)
		if !ok {
			continue
		}
		for with, n := range recount {
			w.checks.that(unread, list[with].Unread == n, "%s has %d unread from %s by the list, and %d by a recount", p.name, list[with].Unread, with, n)
		}
		w.checkUnreadOne(ctx, d, recount)
	}
	return nil
}

// checkUnreadOne asks for one conversation by itself, as a page that is fetched ahead: that reads nothing.
func (w *world) checkUnreadOne(ctx context.Context, d *device, recount map[string]int) {
	for with, n := range recount {
		got := d.do(ctx, request{method: http.MethodGet, path: "/conversations/" + with, ahead: true})
		answer, err := decode[struct {
			Conversation conversation `json:"conversation"`
		}](got.body)
		if got.status == http.StatusOK && err == nil {
			w.checks.that(unread, answer.Conversation.Unread == n, "%s has %d unread from %s by the conversation, and %d by a recount", d.person.name, answer.Conversation.Unread, with, n)
		}
		return
	}
}
