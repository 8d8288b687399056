package chat_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"parley/db/chat"
)

// TestModel has a few people do whatever comes to mind, on several windows each, and compares the Store with a model
// that holds everything in memory after each step.
func TestModel(t *testing.T) {
	w := newWorld(t)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		m := newModel(t, w, round)
		m.populate(t)
		actions := map[string]func(*rapid.T){
			"send": m.send, "send again": m.sendAgain, "read": m.read, "read on a window": m.readOnWindow, "restart": m.restart,
			"open": m.open, "close": m.close, "hear": m.hear, "lose": m.lose, "catch up": m.catchUp, "older": m.older,
			"": m.check,
		}
		for range 3 { // rapid's 30 steps are too few to come back to what happened before
			t.Repeat(actions)
		}
		m.checkAll(t)
	})
}

type model struct {
	*world  // whichever node acts
	users   []chat.User
	threads map[[2]int]*modelThread
	windows []*window
	touched *modelThread // by the last step
}

// modelThread is one conversation.
type modelThread struct {
	people   [2]int
	messages []chat.Message // in the order of seq
	marks    map[int]uint64 // watermarks
}

func newModel(t *rapid.T, w *world, round int) *model {
	w.events.take()
	m := &model{world: w, threads: map[[2]int]*modelThread{}}
	for i := range 3 {
		m.users = append(m.users, w.people(t, fmt.Sprintf("p%d-%d", round, i))...)
	}
	for a := range m.users {
		for b := a; b < len(m.users); b++ {
			m.threads[[2]int{a, b}] = &modelThread{people: [2]int{a, b}, marks: map[int]uint64{}}
		}
	}
	return m
}

// populate gives the steps something to work on: a conversation of more than one page, and windows.
func (m *model) populate(t *rapid.T) {
	m.open(t)
	for range rapid.IntRange(0, 15).Draw(t, "messages") {
		from := rapid.IntRange(0, 1).Draw(t, "from")
		m.sendAs(t, from, 1-from, uuid.New())
	}
	m.open(t)
	m.open(t)
}

// person is mostly one of two, so that much happens in few conversations.
func (m *model) person(t *rapid.T, who string) int {
	return rapid.SampledFrom([]int{0, 1, 0, 1, 0, 1, 2}).Draw(t, who)
}

func (m *model) between(a, b int) *modelThread { return m.threads[[2]int{min(a, b), max(a, b)}] }

func (m *model) window(t *rapid.T) *window {
	if len(m.windows) == 0 {
		t.Skip("no window is open")
	}
	return rapid.SampledFrom(m.windows).Draw(t, "window")
}

// restart goes on with another node.
func (m *model) restart(*rapid.T) {
	events := m.events
	m.world = m.restarted(chat.Options{Notifier: events})
	m.events = events
}

// happened wants just these events to have been told, and hands them to the windows.
func (m *model) happened(t *rapid.T, want ...chat.Event) {
	t.Helper()
	told := m.events.take()
	if !sameEvents(told, want) {
		t.Fatalf("the windows were told %+v, want %+v", told, want)
	}
	for _, win := range m.windows {
		for _, e := range told {
			if e.To == m.users[win.viewer].ID {
				win.pending = append(win.pending, e)
			}
		}
	}
}

func (m *model) announced(t *rapid.T, from, to int, sent chat.Message) {
	t.Helper()
	event := func(to, with int) chat.Event {
		return chat.Event{Type: chat.EventMessage, To: m.users[to].ID, With: m.users[with].Username, ID: sent.ID, Rev: sent.Rev}
	}
	if from == to {
		m.happened(t, event(from, from))
	} else {
		m.happened(t, event(from, to), event(to, from))
	}
}

var someBody = rapid.SampledFrom([]string{"a", "b", "🙂", " a ", "a\r\nb"})

// tidy is what becomes of the bodies above.
var tidy = map[string]string{"a": "a", "b": "b", "🙂": "🙂", " a ": "a", "a\r\nb": "a\nb"}

// send sends something new, at times under a client ID that somebody else uses, or the sender elsewhere.
func (m *model) send(t *rapid.T) {
	from, to := m.person(t, "from"), m.person(t, "to")
	id := uuid.New()
	other := rapid.SampledFrom(m.all()).Draw(t, "thread")
	if taken := other.messages; len(taken) > 0 && rapid.Bool().Draw(t, "borrowed") {
		id = taken[len(taken)-1].ClientID
	}
	m.sendAs(t, from, to, id)
}

// sendAgain uses a client ID of the sender's own, with the same text or another.
func (m *model) sendAgain(t *rapid.T) {
	th := rapid.SampledFrom(m.all()).Draw(t, "thread")
	if len(th.messages) == 0 {
		t.Skip("nothing was sent")
	}
	sent := rapid.SampledFrom(th.messages).Draw(t, "message")
	from, to := th.people[0], th.people[1]
	if sent.Sender.ID != m.users[from].ID {
		from, to = to, from
	}
	m.sendAs(t, from, to, sent.ClientID)
}

func (m *model) all() (threads []*modelThread) {
	for a := range m.users {
		for b := a; b < len(m.users); b++ {
			threads = append(threads, m.between(a, b))
		}
	}
	return threads
}

func (m *model) sendAs(t *rapid.T, from, to int, id uuid.UUID) {
	body := someBody.Draw(t, "body")
	th := m.between(from, to)
	m.touched = th
	got, replayed, err := m.SendMessage(t.Context(), m.users[from], chat.Draft{Recipient: m.users[to].Username, Body: body, ClientID: id.String()})
	i := slices.IndexFunc(th.messages, func(s chat.Message) bool { return s.ClientID == id && s.Sender == m.users[from] })
	switch {
	case i >= 0 && th.messages[i].Body != tidy[body]:
		wantKind(t, err, chat.Conflict, "client_id")
		m.happened(t)
	case i >= 0:
		if err != nil || !replayed || got != th.messages[i] {
			t.Fatalf("a replay of %+v gives %+v, replayed %t: %v", th.messages[i], got, replayed, err)
		}
		m.announced(t, from, to, got)
	default:
		if err != nil || replayed {
			t.Fatalf("replayed %t: %v", replayed, err)
		}
		th.add(t, chat.Message{Sender: m.users[from], Recipient: m.users[to], Body: tidy[body], ClientID: id}, got)
		m.announced(t, from, to, got)
	}
}

// add checks a new message against what was asked for and what was there.
func (th *modelThread) add(t *rapid.T, want, got chat.Message) {
	t.Helper()
	n := uint64(len(th.messages) + 1)
	want.ID, want.Rev, want.SentAt = chat.MessageID{Conversation: got.ID.Conversation, Seq: n}, n, got.SentAt
	if n > 1 {
		last := th.messages[n-2]
		want.ID.Conversation = last.ID.Conversation
		if !got.SentAt.After(last.SentAt) {
			t.Fatalf("%v isn't later than %v", got.ID, last.ID)
		}
	}
	if got != want {
		t.Fatalf("sent %+v, want %+v", got, want)
	}
	th.messages = append(th.messages, got)
}

// read marks a conversation read on a device that looks at it first.
func (m *model) read(t *rapid.T) {
	viewer, with := m.person(t, "viewer"), m.person(t, "with")
	m.readOn(t, viewer, with, m.conversation(t, m.users[viewer], m.users[with]))
}

// readOnWindow does so on a window, which may not have heard of the other devices.
func (m *model) readOnWindow(t *rapid.T) {
	win := m.window(t)
	m.readOn(t, win.viewer, win.with, win.conversation)
}

func (m *model) readOn(t *rapid.T, viewer, with int, c chat.Conversation) {
	th := m.between(viewer, with)
	m.touched = th
	seq := rapid.Uint64Range(0, uint64(len(th.messages))+2).Draw(t, "seq")
	effective, before := min(seq, c.LastSeq), th.marks[viewer]
	if err := m.MarkRead(t.Context(), m.users[viewer], &c, seq); err != nil {
		t.Fatal(err)
	}
	if effective <= before {
		m.happened(t)
		return
	}
	th.marks[viewer] = effective
	m.happened(t, chat.Event{Type: chat.EventRead, To: m.users[viewer].ID, With: m.users[with].Username, Seq: effective})
}

// window is one open page, which follows the rules of static/live.js.
type window struct {
	viewer, with int
	conversation chat.Conversation // as it was when the window opened
	shown        []chat.Message    // oldest first
	rev          uint64            // the page knows everything up to here
	pending      []chat.Event      // on their way to it
}

func (m *model) open(t *rapid.T) {
	win := &window{viewer: m.person(t, "viewer"), with: m.person(t, "with")}
	thread := m.part(t, win, chat.ThreadQuery{})
	win.shown, win.rev, win.conversation = thread.Messages, thread.Conversation.LastRev, thread.Conversation
	m.windows = append(m.windows, win)
	m.isFresh(t, win)
}

func (m *model) part(t *rapid.T, win *window, q chat.ThreadQuery) chat.Thread {
	t.Helper()
	thread, err := m.Thread(t.Context(), m.users[win.viewer], m.users[win.with].Username, q)
	if err != nil {
		t.Fatal(err)
	}
	return thread
}

func (m *model) close(t *rapid.T) {
	win := m.window(t)
	m.windows = slices.DeleteFunc(m.windows, func(w *window) bool { return w == win })
}

// lose drops all that is on its way to a window, as a connection that breaks does.
func (m *model) lose(t *rapid.T) { m.window(t).pending = nil }

// hear takes any event that is on its way, and may leave it there to be heard twice.
func (m *model) hear(t *rapid.T) {
	win := m.window(t)
	if len(win.pending) == 0 {
		t.Skip("nothing is on its way")
	}
	i := rapid.IntRange(0, len(win.pending)-1).Draw(t, "event")
	e := win.pending[i]
	if !rapid.Bool().Draw(t, "twice") {
		win.pending = slices.Delete(win.pending, i, i+1)
	}
	switch {
	case e.Type != chat.EventMessage || e.With != m.users[win.with].Username || e.Rev <= win.rev:
	case e.Rev == win.rev+1:
		message, err := m.Message(t.Context(), m.users[win.viewer], e.ID)
		if err != nil {
			t.Fatalf("told of %+v: %v", e, err)
		}
		win.put(message)
		win.rev = e.Rev
	default:
		m.catchUpOn(t, win)
	}
}

// put shows a message in its place, once.
func (win *window) put(message chat.Message) {
	i, shown := slices.BinarySearchFunc(win.shown, message, func(a, b chat.Message) int { return int(a.ID.Seq) - int(b.ID.Seq) })
	if shown {
		win.shown[i] = message
	} else {
		win.shown = slices.Insert(win.shown, i, message)
	}
}

func (m *model) catchUp(t *rapid.T) { m.catchUpOn(t, m.window(t)) }

func (m *model) catchUpOn(t *rapid.T, win *window) {
	t.Helper()
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	for more := true; more; {
		changes, err := m.Changes(t.Context(), m.users[win.viewer], m.users[win.with].Username, win.rev, limit)
		if err != nil || len(changes.Messages) > limit || changes.Rev < win.rev || changes.More && changes.Rev == win.rev {
			t.Fatalf("changes since %d: %+v: %v", win.rev, changes, err)
		}
		for _, message := range changes.Messages {
			win.put(message)
		}
		win.rev, more = changes.Rev, changes.More
	}
	m.isFresh(t, win)
}

// isFresh wants a window to show what a reload would, from its oldest message to the newest without a gap.
func (m *model) isFresh(t *rapid.T, win *window) {
	t.Helper()
	want := m.between(win.viewer, win.with).messages
	if len(want) > 0 {
		if len(win.shown) == 0 {
			t.Fatalf("the window is empty, but there are %d messages", len(want))
		}
		want = want[win.shown[0].ID.Seq-1:]
	}
	if !slices.Equal(win.shown, want) || win.rev != uint64(len(m.between(win.viewer, win.with).messages)) {
		t.Fatalf("the window shows %v up to the rev %d, want %v", win.shown, win.rev, want)
	}
	fresh := m.part(t, win, chat.ThreadQuery{Limit: max(1, len(want))})
	if !slices.Equal(fresh.Messages, want) {
		t.Fatalf("a reload shows %v, want %v", fresh.Messages, want)
	}
}

// older shows a page more of what came before.
func (m *model) older(t *rapid.T) {
	win := m.window(t)
	if len(win.shown) == 0 {
		t.Skip("the window is empty")
	}
	oldest := win.shown[0].ID
	limit := rapid.IntRange(1, 6).Draw(t, "limit")
	thread := m.part(t, win, chat.ThreadQuery{Before: oldest, Limit: limit})
	first := max(int(oldest.Seq)-limit, 1)
	want := m.between(win.viewer, win.with).messages[first-1 : oldest.Seq-1]
	if !slices.Equal(thread.Messages, want) || len(want) > 0 && thread.HasOlder != (first > 1) {
		t.Fatalf("%d before %v are %v, more %t", limit, oldest, thread.Messages, thread.HasOlder)
	}
	for _, message := range thread.Messages {
		win.put(message)
	}
}

// check compares the conversation that the last step touched, as both see it.
func (m *model) check(t *rapid.T) {
	if th := m.touched; th != nil {
		m.checkThread(t, th, th.people[0], th.people[1])
		m.checkThread(t, th, th.people[1], th.people[0])
	}
	m.touched = nil
}

func (m *model) checkThread(t *rapid.T, th *modelThread, viewer, with int) {
	t.Helper()
	n, mark, unread := uint64(len(th.messages)), th.marks[viewer], 0
	for i, message := range th.messages {
		if uint64(i+1) > mark && message.Sender != m.users[viewer] {
			unread++
		}
	}
	c := m.conversation(t, m.users[viewer], m.users[with])
	if c.LastSeq != n || c.LastRev != n || c.LastReadSeq != mark || c.Unread != unread {
		t.Fatalf("%s sees %+v, want %d messages, read up to %d, %d unread", m.users[viewer].Username, c, n, mark, unread)
	}
}

// checkAll ends the faults: each window catches up, and each list is in order.
func (m *model) checkAll(t *rapid.T) {
	for _, win := range m.windows {
		m.catchUpOn(t, win)
	}
	for viewer := range m.users {
		m.checkList(t, viewer)
	}
}

func (m *model) checkList(t *rapid.T, viewer int) {
	t.Helper()
	var want []chat.Message
	for with := range m.users {
		if own := m.between(viewer, with).messages; len(own) > 0 {
			want = append(want, own[len(own)-1])
		}
	}
	slices.SortFunc(want, func(a, b chat.Message) int {
		if at := b.SentAt.Compare(a.SentAt); at != 0 {
			return at
		}
		return int(b.ID.Conversation) - int(a.ID.Conversation)
	})
	list := m.conversations(t, m.users[viewer], chat.ConversationQuery{}).Items
	same := func(c chat.Conversation, last chat.Message) bool {
		// of people, the list has what it shows
		last.Sender, last.Recipient = shown(m.users[viewer], last.Sender), shown(m.users[viewer], last.Recipient)
		return *c.LastMessage == last
	}
	if !slices.EqualFunc(list, want, same) {
		t.Fatalf("%s's list is %+v, want %+v", m.users[viewer].Username, list, want)
	}
}

// shown is what the viewer's list knows of a person: all of the viewer, the names of others.
func shown(viewer, u chat.User) chat.User {
	if u.ID == viewer.ID {
		return u
	}
	return chat.User{ID: u.ID, Username: u.Username, DisplayName: u.DisplayName, DisabledAt: u.DisabledAt}
}
