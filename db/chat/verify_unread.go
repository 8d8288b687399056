package chat

import (
	"context"
	"fmt"
)

// shownUnread is a count as one of Parley's pages shows it, ok only if it is of the same moment as the recount.
type shownUnread func(ctx context.Context, s *Store, viewer, with User, e *examined, r reader) (n int, ok bool, err error)

// shownCounts are the conversation's own page and the list.
var shownCounts = map[string]shownUnread{"conversation's page": shownOnPage, "list of conversations": shownInList}

// compareUnread compares what pages show to the two people of a sound conversation with what its messages added up to.
func (v *verifier) compareUnread(ctx context.Context, e *examined) error {
	stride := max(1, int(v.totals.Conversations)/v.sizes.unread)
	if v.keysMissing || v.result.Conversations%stride != 0 || e.ID > uint64(v.totals.LastConversation) {
		return nil
	}
	users := [2]User{}
	for i, r := range e.readers() {
		row, err := v.q.UserByID(ctx, r.user)
		if err != nil {
			return err
		}
		users[i] = userOf(row)
	}
	for i, r := range e.people() {
		for place, shown := range shownCounts {
			if err := v.compareShown(ctx, e, place, shown, r, users[i], users[1-i], e.unread[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareShown asks again before it calls a count wrong: a message that is deleted while the list is being read makes
// the two differ once, and then the revs.
func (v *verifier) compareShown(ctx context.Context, e *examined, place string, shown shownUnread, r reader, viewer, with User, want int) error {
	var n int
	for range 3 {
		got, ok, err := shown(ctx, v.store, viewer, with, e, r)
		if err != nil && KindOf(err) != NotFound && !keyMissing(err) { // a username_key or an index that is reported already
			return err
		}
		if !ok || err != nil {
			return nil
		}
		if n = got; n == want {
			v.result.UnreadCounts++
			return nil
		}
	}
	v.report(Problem{Check: CheckUnread, Conversation: e.ID, User: viewer.ID, Detail: fmt.Sprintf(
		"the %s shows %d unread to %s, and a recount gives %d: this is a fault in Parley, please report it", place, n, viewer.Username, want)})
	return nil
}

func (e *examined) isOf(c Conversation, r reader) bool {
	return c.ID == e.ID && c.LastRev == e.LastRev && c.LastReadSeq == r.read
}

func shownOnPage(ctx context.Context, s *Store, viewer, with User, e *examined, r reader) (int, bool, error) {
	c, err := s.Conversation(ctx, viewer, with.Username)
	return c.Unread, e.isOf(c, r), err
}

// shownInList starts the list right at the conversation, which then is the first on it, unless it has news.
func shownInList(ctx context.Context, s *Store, viewer, _ User, e *examined, r reader) (int, bool, error) {
	cursor := encodeCursor(fmt.Sprintf("%d %d", e.LastAt.Time.UnixMicro(), e.ID+1))
	page, err := s.Conversations(ctx, viewer, ConversationQuery{After: cursor, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return 0, false, err
	}
	return page.Items[0].Unread, e.isOf(page.Items[0], r), nil
}
