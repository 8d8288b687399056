package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Times of static/live.js.
const (
	tick      = 2 * time.Second
	listPause = time.Second
)

// keepUp fetches what the device was told of, and looks now and then whether something is left to be made good.
func (d *device) keepUp(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var listAt time.Time
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-ticker.C:
		}
		if d.token() == "" {
			continue
		}
		if d.listDue() {
			if early := listPause - time.Since(listAt); early > 0 {
				time.AfterFunc(early, d.nudge)
			} else {
				listAt = time.Now()
				d.fetchList(ctx)
			}
		}
		for _, t := range d.due() {
			d.sync(ctx, t)
		}
	}
}

// catchUp asks for all that may have been missed.
func (d *device) catchUp() {
	d.mu.Lock()
	for _, t := range d.threads {
		t.behind = true
	}
	d.behind = true
	d.mu.Unlock()
	d.nudge()
}

func (d *device) listBehind() {
	d.mu.Lock()
	d.behind = true
	d.mu.Unlock()
	d.nudge()
}

func (d *device) listDue() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.behind
}

// due is which conversations something is to be fetched of. A program opens those that it hears of.
func (d *device) due() (all []*thread) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for with := range d.told {
		if d.threads[with] == nil && !d.browser {
			d.threads[with] = newThread(with)
		}
	}
	for with, t := range d.threads {
		if t.behind || d.told[with].rev > t.rev {
			all = append(all, t)
		}
	}
	return all
}

// sync fetches until the device knows of a conversation what it was told of.
func (d *device) sync(ctx context.Context, t *thread) {
	for range 20 {
		d.mu.Lock()
		doubted, opened, known, told := t.behind, t.opened, t.rev, d.told[t.with]
		current := d.threads[t.with] == t
		t.behind = false // whoever doubts while the fetch is under way wants another one
		d.mu.Unlock()
		if !current || !doubted && told.rev <= known {
			return
		}
		v, ok := d.fetch(ctx, t, opened, !doubted && told.rev == known+1, known, told)
		d.mu.Lock()
		if ok {
			t.take(v)
		}
		t.behind = t.behind || !ok || v.more
		stuck := !doubted && t.rev == known
		d.mu.Unlock()
		if !ok || stuck {
			return // the next tick tries again
		}
	}
}

// fetch gets the conversation afresh, the one message that is new, or all that changed.
func (d *device) fetch(ctx context.Context, t *thread, opened, single bool, known uint64, told hint) (view, bool) {
	switch {
	case !opened:
		return d.fetchThread(ctx, t.with)
	case single:
		return d.fetchMessage(ctx, t.with, told.id)
	default:
		return d.fetchChanges(ctx, t.with, known)
	}
}

func (d *device) fetchThread(ctx context.Context, with string) (view, bool) {
	before := d.w.truth.floorsOf(d.person.name, with)
	if d.browser {
		got := d.getFragment(ctx, "/conversations/"+with)
		return d.readPage(got, with)
	}
	got := d.get(ctx, "/conversations/"+with)
	if got.status != http.StatusOK {
		return view{}, false
	}
	answer, err := decode[struct {
		Conversation conversation `json:"conversation"`
		Messages     []message    `json:"messages"`
	}](got.body)
	d.w.checks.that(surprises, err == nil, "%s: a conversation that is no JSON: %v", d.name, err)
	d.holdTo(before, answer.Conversation)
	return d.learn(view{messages: answer.Messages, rev: answer.Conversation.LastRev}, with), err == nil
}

func (d *device) fetchMessage(ctx context.Context, with, id string) (view, bool) {
	if d.browser {
		got := d.getFragment(ctx, "/messages/"+id)
		v, ok := d.readPage(got, with)
		v.rev = 0
		return v, ok
	}
	got := d.get(ctx, "/messages/"+id)
	if got.status != http.StatusOK {
		return view{}, false
	}
	m, err := decode[message](got.body)
	d.w.checks.that(surprises, err == nil, "%s: a message that is no JSON: %v", d.name, err)
	return d.learn(view{messages: []message{m}}, with), err == nil
}

func (d *device) fetchChanges(ctx context.Context, with string, since uint64) (view, bool) {
	path := query("/messages", "with", with, "since_rev", fmt.Sprint(since), "limit", "100")
	if d.browser {
		return d.readPage(d.getFragment(ctx, path), with)
	}
	got := d.get(ctx, path)
	if got.status != http.StatusOK {
		return view{}, false
	}
	answer, err := decode[history](got.body)
	d.w.checks.that(surprises, err == nil, "%s: changes that are no JSON: %v", d.name, err)
	return d.learn(view{answer.Results, answer.Rev, answer.Next != nil}, with), err == nil
}

// history is the answer of GET /messages.
type history struct {
	Results []message `json:"results"`
	Next    *string   `json:"next"`
	Rev     uint64    `json:"rev"`
}

// readHistory reads a page of history, and gives it in the order of seq.
func (d *device) readHistory(got reply, with string) view {
	answer, err := decode[history](got.body)
	d.w.checks.that(surprises, err == nil, "%s: history that is no JSON: %v", d.name, err)
	slices.Reverse(answer.Results)
	return d.learn(view{messages: answer.Results, rev: answer.Rev}, with)
}

// readPage reads a fragment or a page.
func (d *device) readPage(got reply, with string) (view, bool) {
	if got.status != http.StatusOK {
		return view{}, false
	}
	v, err := messagesInPage(got.body, d.person.name, with)
	d.w.checks.that(surprises, err == nil, "%s: a page that is no HTML: %v", d.name, err)
	return d.learn(v, with), err == nil
}

// learn holds every message of an answer against what was seen before.
func (d *device) learn(v view, with string) view {
	for _, m := range v.messages {
		mine := pairOf(m.User, m.Recipient) == pairOf(d.person.name, with)
		d.w.checks.that(strangers, mine, "%s reads a conversation with %s and sees %+v", d.name, with, m)
		wrong := d.w.truth.learn(m)
		d.w.checks.that(oneOrder, wrong == "", "%s: %s", d.name, wrong)
	}
	return v
}

// holdTo checks that what is shown of a conversation is not less than what was seen before, and remembers it.
func (d *device) holdTo(before floors, c conversation) {
	with := c.With.Username
	newest, read := before.newest[with], before.marks[with]
	d.w.checks.that(prefix, c.LastSeq >= newest.seq && c.LastRev >= newest.rev,
		"%s sees the conversation with %s up to %d (rev %d), and up to %d (rev %d) was seen before", d.name, with, c.LastSeq, c.LastRev, newest.seq, newest.rev)
	d.w.checks.that(watermarks, c.LastReadSeq >= read, "%s: the watermark with %s is %d and was %d", d.name, with, c.LastReadSeq, read)
	d.w.truth.raise(d.person.name, with, floor{c.LastSeq, c.LastRev}, c.LastReadSeq)
}

// fetchList fetches the list of conversations, as a program opens those that are new in it.
func (d *device) fetchList(ctx context.Context) {
	d.mu.Lock()
	d.behind = false
	token := d.cookie
	d.mu.Unlock()
	list, ok := d.readList(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cookie != token {
		return
	}
	if !ok {
		d.behind = true
		return
	}
	d.list = list
	for with, c := range list {
		if d.browser {
			continue
		}
		if d.threads[with] == nil {
			d.threads[with] = newThread(with)
		}
		d.threads[with].behind = d.threads[with].behind || d.threads[with].rev < c.LastRev
	}
}

func (d *device) readList(ctx context.Context) (map[string]conversation, bool) {
	before := d.w.truth.floorsOf(d.person.name, append(d.person.partners, d.person.name)...)
	got := d.get(ctx, "/conversations?limit=100")
	if got.status != http.StatusOK {
		return nil, false
	}
	answer, err := decode[struct {
		Results []conversation `json:"results"`
	}](got.body)
	d.w.checks.that(surprises, err == nil, "%s: a list that is no JSON: %v", d.name, err)
	list := map[string]conversation{}
	for _, c := range answer.Results {
		list[c.With.Username] = c
		d.holdTo(before, c)
	}
	return list, err == nil
}
