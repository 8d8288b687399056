package handlers

import (
	"bytes"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"parley/db/chat"
)

// pageMemory keeps conversation pages as they were last rendered, for whoever asks for the same one again. Each time the
// database still says who asks, that the conversation is theirs, and that nothing has changed in it. The list beside it
// is as it was: every change to it is an event for its owner, which has their pages forgotten, as long as all events
// pass through this node. So with several nodes there is no such memory.
type pageMemory struct {
	mu     sync.Mutex
	people map[uint64]*personPages
}

// personPages is replaced, not emptied, when its person's pages are forgotten: a page that was being rendered meanwhile
// finds that it is no longer the one it asked.
type personPages struct{ pages map[string]rememberedPage }

type rememberedPage struct {
	conversation  uint64
	standing      chat.Standing
	before, after []byte // the page but for the client ID, of which each rendering has its own
	until         time.Time
}

const (
	// pageFor bounds how long a page can be behind what no event tells of, such as a new display name or the next day.
	pageFor = 2 * time.Second
	// maxPeople, maxPages for each of them, and maxPage (in octets, twice that of a usual one) bound the memory to 32 MB.
	maxPeople = 250
	maxPages  = 4
	maxPage   = 32 << 10
)

func newPageMemory() *pageMemory { return &pageMemory{people: map[uint64]*personPages{}} }

// asking is one request for a page that may be remembered.
type asking struct {
	memory *pageMemory
	user   uint64
	of     *personPages
	key    string
}

// ask gives nil for whatever is not the newest part of a conversation as a page that somebody is to see: one that nobody
// sees hasn't marked anything as read, as one from memory would not either.
func (m *pageMemory) ask(c *fiber.Ctx, zone *time.Location) *asking {
	if m == nil || !reads(c) || shapeOf(c) != page || len(c.Context().QueryArgs().QueryString()) > 0 {
		return nil
	}
	user := viewer(c).ID
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.people[user] == nil {
		m.makeRoom()
		m.people[user] = &personPages{pages: map[string]rememberedPage{}}
	}
	return &asking{memory: m, user: user, of: m.people[user], key: c.Path() + "\n" + zone.String()}
}

// makeRoom forgets anybody.
func (m *pageMemory) makeRoom() {
	for user := range m.people {
		if len(m.people) < maxPeople {
			return
		}
		delete(m.people, user)
	}
}

// forget drops the user's pages, or everybody's for 0.
func (m *pageMemory) forget(user uint64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if delete(m.people, user); user == 0 {
		clear(m.people)
	}
}

// find gives a page that isn't too old.
func (a *asking) find() (rememberedPage, bool) {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	p, ok := a.of.pages[a.key]
	if ok && time.Now().After(p.until) {
		delete(a.of.pages, a.key)
		return p, false
	}
	return p, ok
}

// answered sends the page if it is remembered and nothing has changed since.
func (a *asking) answered(c *fiber.Ctx, store *chat.Store) (bool, error) {
	if a == nil {
		return false, nil
	}
	p, ok := a.find()
	if !ok {
		return false, nil
	}
	now, err := store.Standing(c.UserContext(), viewer(c), p.conversation)
	if err != nil || now != p.standing {
		return false, err
	}
	c.Type("html", "utf-8")
	body := c.Response().BodyWriter()
	for _, part := range [][]byte{p.before, []byte(uuid.NewString()), p.after} {
		_, _ = body.Write(part) // into memory
	}
	return true, nil
}

// keep remembers what was answered, if nothing was to be forgotten meanwhile.
func (a *asking) keep(c *fiber.Ctx, t chat.Thread, clientID string) {
	if a == nil || t.Conversation.ID == 0 || c.Response().StatusCode() != fiber.StatusOK {
		return
	}
	if len(c.Response().Body()) > maxPage {
		return
	}
	html := bytes.Clone(c.Response().Body())
	before, after, found := bytes.Cut(html, []byte(clientID))
	if !found || bytes.Contains(after, []byte(clientID)) {
		return
	}
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	if a.memory.people[a.user] != a.of {
		return
	}
	if len(a.of.pages) >= maxPages {
		clear(a.of.pages)
	}
	a.of.pages[a.key] = rememberedPage{t.Conversation.ID, t.Conversation.Standing(), before, after, time.Now().Add(pageFor)}
}
