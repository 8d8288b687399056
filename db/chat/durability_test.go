package chat_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"parley/db"
	"parley/db/chat"
	"parley/db/dbtest"
	"parley/db/private"
)

// ownServer starts a database server with just the settings that Parley runs its own with, in a directory that goes
// with the test, and a node on it.
func ownServer(t *testing.T) (server *private.Server, dir string, w *world) {
	t.Helper()
	dir, err := os.MkdirTemp("", "own") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	server = startOwn(t, dir)
	w = nodeOf(t, server)
	if err := db.Migrate(t.Context(), w.db); err != nil {
		t.Fatal(err)
	}
	if n := count(t, w.db, "SELECT @@innodb_flush_log_at_trx_commit"); n != 1 {
		t.Errorf("innodb_flush_log_at_trx_commit is %d: a commit isn't on the disk when it is answered", n)
	}
	return server, dir, w
}

func startOwn(t *testing.T, dir string) *private.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := private.Start(ctx, dir, nil)
	if errors.Is(err, private.ErrMissing) {
		dbtest.Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop(context.Background()) })
	return server
}

// nodeOf is a Parley on the server, with connections of its own.
func nodeOf(t *testing.T, server *private.Server) *world {
	t.Helper()
	pool, err := db.Open(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return worldOn(pool, chat.Options{})
}

// sender sends one message after another while the database dies.
type sender struct {
	node    *world
	users   []chat.User
	patient bool // sends again what it doesn't know of
	sent    map[uuid.UUID]chat.Message
	unknown map[uuid.UUID]string // bodies
}

func (s *sender) run(t *testing.T, n int, stop <-chan struct{}, done *atomic.Int64) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		from, to := s.users[rand.IntN(len(s.users))], s.users[rand.IntN(len(s.users))]
		s.send(t, from, chat.Draft{Recipient: to.Username, Body: fmt.Sprintf("%d of sender %d 🙂", i, n), ClientID: uuid.NewString()})
		done.Add(1)
	}
}

func (s *sender) send(t *testing.T, from chat.User, d chat.Draft) {
	id := uuid.MustParse(d.ClientID)
	for {
		m, _, err := s.node.sendDraft(from, d)
		if err == nil {
			s.sent[id] = m
			delete(s.unknown, id)
			return
		}
		s.unknown[id] = d.Body
		if chat.KindOf(err) != chat.Unavailable {
			t.Errorf("a send that the database's death met gives %v", err)
			return
		}
		eventually(t, "the database", func() bool { return s.node.Ready(context.Background()) == nil })
		if !s.patient {
			return
		}
	}
}

// kill ends the database without warning, and waits for its return.
func kill(t *testing.T, server *private.Server) {
	t.Helper()
	pid, exited := server.PID(), server.Exited()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-exited
	eventually(t, "the database's return", func() bool { return server.PID() != pid })
}

// What SendMessage said is stored is stored, once, though the database is killed three times while eight senders on
// two nodes write.
func TestKilledDatabaseLosesNothing(t *testing.T) {
	server, _, w := ownServer(t)
	users := w.people(t, "a", "b", "c", "d")
	nodes := []*world{w, nodeOf(t, server)}
	senders := make([]*sender, 8)
	stop := make(chan struct{})
	var done atomic.Int64
	var all sync.WaitGroup
	for i := range senders {
		senders[i] = &sender{node: nodes[i%2], users: users, patient: i < 4, sent: map[uuid.UUID]chat.Message{}, unknown: map[uuid.UUID]string{}}
		all.Go(func() { senders[i].run(t, i, stop, &done) })
	}
	for range 3 {
		enough := done.Load() + 200
		eventually(t, "messages", func() bool { return done.Load() > enough })
		kill(t, server)
	}
	enough := done.Load() + 50
	eventually(t, "messages", func() bool { return done.Load() > enough })
	close(stop)
	all.Wait()
	sent, unknown := map[uuid.UUID]chat.Message{}, map[uuid.UUID]string{}
	for _, s := range senders {
		maps.Copy(sent, s.sent)
		maps.Copy(unknown, s.unknown)
	}
	t.Logf("%d messages were sent, and of %d it isn't known", len(sent), len(unknown))
	wantStored(t, w, users, sent, unknown)
}

// wantStored wants every message that was said to be stored, and of the others at most one row each.
func wantStored(t *testing.T, w *world, users []chat.User, sent map[uuid.UUID]chat.Message, unknown map[uuid.UUID]string) {
	t.Helper()
	stored := map[uuid.UUID]bool{}
	for i, a := range users {
		for _, b := range users[i:] {
			messages := readAll(t, w, a, b, 0)
			if !slices.Equal(seqs(messages), upTo(1, uint64(len(messages)))) {
				t.Errorf("%s and %s have the seqs %v", a.Username, b.Username, seqs(messages))
			}
			for _, m := range messages {
				was, acknowledged := sent[m.ClientID]
				body, doubtful := unknown[m.ClientID]
				if stored[m.ClientID] || acknowledged && !sameMessage(m, was) || doubtful && m.Body != body || !acknowledged && !doubtful {
					t.Errorf("stored is %+v, sent was %+v", m, was)
				}
				stored[m.ClientID] = true
			}
		}
	}
	for id, m := range sent {
		if !stored[id] {
			t.Errorf("%+v was acknowledged and is lost", m)
		}
	}
	checkWhole(t, w.db)
}

// The server is shut down in the middle of a send, for longer than that is patient, and started again.
func TestDatabaseStoppedAndStartedAgain(t *testing.T) {
	t.Parallel()
	server, dir, w := ownServer(t)
	line := newWire(t, server.DSN())
	through := wiredTo(t, line.dsn, w.db)
	through.BePatient(brief)
	alice, bob := w.two(t)
	w.send(t, alice, bob, "first")
	hold(t, w, lockAll)
	s := through.begin(alice, draft("while it is away"))
	eventually(t, "the send's wait", func() bool { return line.waiting("LockConversations") != 0 })
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, s)
	startOwn(t, dir)
	again(t, through, alice, s)
	checkWhole(t, w.db)
}

// A server that has no connection left is busy, not broken.
func TestServerWithoutAConnectionLeft(t *testing.T) {
	t.Parallel()
	server, _, w := ownServer(t)
	alice, _ := w.two(t)
	mustExec(t, w.db, "SET GLOBAL max_connections = 10") // the fewest that there can be
	other := nodeOf(t, server)
	w.db.SetMaxIdleConns(0) // each send needs a new connection
	var taken []*sql.Conn
	var d chat.Draft
	var err error
	eventually(t, "the server's refusal", func() bool {
		if conn, err := other.db.Conn(t.Context()); err == nil {
			taken = append(taken, conn)
		}
		d = draft("after a moment")
		_, _, err = w.sendDraft(alice, d)
		return err != nil
	})
	wantKind(t, err, chat.Unavailable)
	for _, conn := range taken {
		conn.Raw(func(any) error { return driver.ErrBadConn }) // closes it
	}
	w.events.take()
	var m chat.Message
	eventually(t, "a send", func() bool { m, _, err = w.sendDraft(alice, d); return err == nil })
	wantSent(t, w, d, m, err)
}
