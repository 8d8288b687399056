package mail

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"parley/db/chat"
)

// LookEvery is how often a node looks whether mail is due. What it queued itself it finds at once.
const LookEvery = 5 * time.Second

// sendAtOnce is how many mails a node sends at the same time: one that a server takes its time over holds up none of the
// others.
const sendAtOnce = 4

// finishWithin is how long mail that is on its way has when the worker is stopped. It is as long as requests have.
const finishWithin = 5 * time.Second

// Worker empties the queue. Any number of nodes have one.
type Worker struct {
	Store  *chat.Store
	Mailer chat.Mailer
	Logger *slog.Logger

	every time.Duration // LookEvery, but for tests
	idle  func()        // for tests: called whenever nothing was found
}

// Run sends what is due until ctx ends, and then what is on its way already: that has five seconds more. What isn't
// finished by then is tried again later, by whichever node is there.
func (w Worker) Run(ctx context.Context) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(finishWithin)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-sending.Done():
		}
	})
	defer stop()
	var all sync.WaitGroup
	for range sendAtOnce {
		all.Go(func() { w.loop(ctx, sending) })
	}
	all.Wait()
}

func (w Worker) loop(ctx, sending context.Context) {
	tick := time.NewTicker(cmp.Or(w.every, LookEvery))
	defer tick.Stop()
	for ctx.Err() == nil {
		if w.deliver(sending) {
			continue
		}
		if w.idle != nil {
			w.idle()
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-w.Store.MailQueued():
		}
	}
}

// deliver says whether there may be more to do.
func (w Worker) deliver(ctx context.Context) bool {
	d, found, err := w.Store.DeliverMail(ctx, w.Mailer)
	if err != nil {
		w.Logger.Warn("The queue of mail can't be read or written; this node tries again.", "error", err)
		return false
	}
	if found {
		w.log(d)
	}
	return found
}

// log says what became of a mail, without its text, its link or its recipient's address.
func (w Worker) log(d chat.Delivery) {
	about := []any{"mail", d.ID, "kind", string(d.Kind), "user", d.User.ID, "attempts", d.Attempts}
	switch {
	case d.Stuck:
		w.Logger.Error("A mail is stuck: it won't be tried again until an admin says so, at /admin/mail.", append(about, "error", whyOf(d))...)
	case d.Err != nil:
		w.Logger.Warn("A mail didn't go out; it is tried again later.", append(about, "error", whyOf(d))...)
	case !d.Dropped:
		w.Logger.Info("A mail went out.", about...)
	}
}

// whyOf is what the server said, which tends to name the recipient.
func whyOf(d chat.Delivery) string {
	return strings.NewReplacer(d.To, "…", asciiDomain(d.To), "…").Replace(d.Err.Error())
}
