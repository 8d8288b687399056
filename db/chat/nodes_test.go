package chat_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"parley/db/chat"
)

// One Parley puts the sends of a conversation into the database one group after the other. Several meet there, and only
// the conversation's lock keeps them apart.
func TestOneConversationByManyParleys(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.two(t)
	var nodes []*world
	for range 8 {
		nodes = append(nodes, w.restarted(chat.Options{RememberFor: -1}))
	}
	wantStored(t, w, []chat.User{alice, bob}, talk(t, nodes, alice, bob), nil)
}

// talk has people write through every node at once, and each message sent again through another node.
func talk(t *testing.T, nodes []*world, alice, bob chat.User) map[uuid.UUID]chat.Message {
	t.Helper()
	const each = 25
	var mu sync.Mutex
	sent := map[uuid.UUID]chat.Message{}
	together(max(len(nodes), 9), func(i int) {
		from, to := alice, bob
		if i%2 == 1 {
			from, to = bob, alice
		}
		for k := range each {
			d := chat.Draft{Recipient: to.Username, Body: fmt.Sprint(i, " ", k), ClientID: uuid.NewString()}
			m, _, err := nodes[i%len(nodes)].sendDraft(from, d)
			again, replayed, againErr := nodes[(i+1)%len(nodes)].sendDraft(from, d)
			if err != nil || againErr != nil || !replayed || !sameMessage(again, m) {
				t.Errorf("%+v, and again %+v, replayed %t: %v, %v", m, again, replayed, err, againErr)
			}
			mu.Lock()
			sent[m.ClientID] = m
			mu.Unlock()
		}
	})
	return sent
}
