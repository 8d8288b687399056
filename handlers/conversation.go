package handlers

import (
	"net/http"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"parley/db/chat"
	"parley/views"
)

type conversationBody struct {
	With        userBody     `json:"with"`
	LastMessage *messageBody `json:"last_message"`
	Unread      int          `json:"unread"`
	LastSeq     uint64       `json:"last_seq"`
	LastRev     uint64       `json:"last_rev"`
	LastReadSeq uint64       `json:"last_read_seq"`
}

func conversationJSON(c chat.Conversation) conversationBody {
	body := conversationBody{
		With: userJSON(c.With), Unread: c.Unread, LastSeq: c.LastSeq, LastRev: c.LastRev, LastReadSeq: c.LastReadSeq,
	}
	if c.LastMessage != nil {
		last := messageJSON(*c.LastMessage)
		body.LastMessage = &last
	}
	return body
}

func (s *Server) listConversations(c *fiber.Ctx) error {
	n, err := limitParam(c)
	if err != nil {
		return err
	}
	q := chat.ConversationQuery{After: c.Query("after"), Limit: n}
	list, err := s.conversationList(c, q, c.Query("current"), "limit")
	if err != nil {
		return err
	}
	v := s.viewing(c)
	return respond(c, answer{
		json:     listJSON(list.Items, list.Next, conversationJSON),
		fragment: views.Conversations(v, list),
		page: func() (templ.Component, error) {
			return views.In(views.App(views.Frame{Viewing: v, Title: "Conversations", Conversations: list}), views.NoConversation()), nil
		},
	})
}

// conversationList keeps the named parameters in the next page's address: none beside a pane, where a request's
// parameters are the pane's.
func (s *Server) conversationList(c *fiber.Ctx, q chat.ConversationQuery, current string, kept ...string) (views.ConversationList, error) {
	found, err := s.Store.Conversations(c.UserContext(), viewer(c), q)
	if err != nil {
		return views.ConversationList{}, err
	}
	next := pageAt(c, "/conversations", "after", found.Next, kept...)
	return views.ConversationList{Items: found.Items, Current: current, Next: next}, nil
}

type threadBody struct {
	Conversation conversationBody `json:"conversation"`
	Messages     []messageBody    `json:"messages"`
}

func (s *Server) showConversation(c *fiber.Ctx) error {
	username, err := usernameParam(c)
	if err != nil {
		return err
	}
	asked := s.pages.ask(c, s.zoneOf(c))
	if done, err := asked.answered(c, s.Store); done || err != nil {
		return err
	}
	thread, err := s.openThread(c, username)
	if err != nil {
		return err
	}
	clientID := uuid.NewString()
	if err := s.showThread(c, http.StatusOK, thread, views.Composer{ClientID: clientID}); err != nil {
		return err
	}
	asked.keep(c, thread, clientID)
	return nil
}

// openThread reads a part of a conversation, which then is read: it is about to be shown.
func (s *Server) openThread(c *fiber.Ctx, username string) (chat.Thread, error) {
	q, err := s.threadQuery(c)
	if err != nil {
		return chat.Thread{}, err
	}
	thread, err := s.Store.Thread(c.UserContext(), viewer(c), username, q)
	if err != nil {
		return chat.Thread{}, err
	}
	return thread, s.markShown(c, &thread)
}

func (s *Server) showThread(c *fiber.Ctx, status int, thread chat.Thread, composer views.Composer) error {
	composer.Longest = s.Store.MaxBodyLength()
	with := thread.Conversation.With
	content := views.ThreadPane(views.Thread{Viewing: s.viewing(c), Thread: thread, Composer: composer})
	return s.respondInApp(c, status, pane{views.ConversationName(viewer(c), with), with.Username, content},
		threadBody{conversationJSON(thread.Conversation), mapSlice(thread.Messages, messageJSON)})
}

// reads says whether somebody is to see the answer. A browser that only fetches ahead shows nothing yet, and an answer to
// HEAD nothing at all. A token that may only read changes nothing by reading.
func reads(c *fiber.Ctx) bool {
	return sessionOf(c).Scope != chat.ScopeRead && c.Get("Sec-Purpose") == "" && c.Method() != fiber.MethodHead
}

// markShown raises the watermark to the newest message shown.
func (s *Server) markShown(c *fiber.Ctx, t *chat.Thread) error {
	if !reads(c) || len(t.Messages) == 0 {
		return nil
	}
	newest := t.Messages[len(t.Messages)-1].ID.Seq
	return s.Store.MarkRead(c.UserContext(), viewer(c), &t.Conversation, newest)
}

func (s *Server) threadQuery(c *fiber.Ctx) (q chat.ThreadQuery, err error) {
	if q.Limit, err = limitParam(c); err != nil {
		return q, err
	}
	if q.Limit == 0 {
		q.Limit = s.MessagesToLoad
	}
	if q.Before, err = messageIDIn(c, "before"); err != nil {
		return q, err
	}
	q.After, err = messageIDIn(c, "after")
	return q, err
}

// messageIDIn reads a message ID from the query, the zero one where there is none.
func messageIDIn(c *fiber.Ctx, field string) (chat.MessageID, error) {
	text := c.Query(field)
	if text == "" {
		return chat.MessageID{}, nil
	}
	id, err := chat.ParseMessageID(text)
	if err != nil {
		return id, malformed(field, field+" is a message ID, such as 7-42.")
	}
	return id, nil
}

// markRead raises the reader's watermark, for a page that stays open.
func (s *Server) markRead(c *fiber.Ctx) error {
	username, err := usernameParam(c)
	if err != nil {
		return err
	}
	var body struct {
		Seq uint64 `json:"seq" form:"seq"`
	}
	if err := parse(c, &body); err != nil {
		return err
	}
	conversation, err := s.Store.Conversation(c.UserContext(), viewer(c), username)
	if err != nil {
		return err
	}
	if err := s.Store.MarkRead(c.UserContext(), viewer(c), &conversation, body.Seq); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}
