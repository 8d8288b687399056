package chat_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"parley/db"
	"parley/db/chat"
	"parley/db/dbtest"
	"parley/queries"
)

// harm is what a wire does to a command on its way to the server.
type harm int

const (
	none       harm = iota
	loseBefore      // the connection breaks, and the server never sees the command
	loseAfter       // the connection breaks once the server has done it, so that its answer is lost
	freeze          // nothing moves any more, and nobody is told
	pause           // the command waits for resume
)

// wire stands between a Store and the real server, speaks their protocol, and breaks where a test wants it to.
type wire struct {
	t        testing.TB
	server   *mysql.Config
	dsn      string
	listener net.Listener

	mu       sync.Mutex
	harmTo   func(command string) harm
	commands []string
	errors   map[uint16]int // what the server answered, by number
	links    map[*link]bool
	cut      bool
	all      sync.WaitGroup
	resume   func() // lets go on what is paused, now and later
	resumed  chan struct{}
}

func newWire(t testing.TB, dsn string) *wire {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "wire") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, server: cfg, errors: map[uint16]int{}, links: map[*link]bool{}, resumed: make(chan struct{})}
	w.resume = sync.OnceFunc(func() { close(w.resumed) })
	if w.listener, err = net.Listen("unix", filepath.Join(dir, "s")); err != nil {
		t.Fatal(err)
	}
	through := cfg.Clone()
	through.Net, through.Addr = "unix", w.listener.Addr().String()
	w.dsn = through.FormatDSN()
	w.all.Go(w.accept)
	t.Cleanup(func() {
		w.listener.Close()
		w.sever()
		w.resume()
		w.all.Wait()
		os.RemoveAll(dir)
	})
	return w
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(w.server.Net, w.server.Addr)
		if err != nil {
			client.Close()
			continue
		}
		l := &link{wire: w, client: client, server: server, prepared: map[uint32]string{}}
		if !w.add(l) {
			l.close()
			continue
		}
		w.all.Go(l.up)
		w.all.Go(l.down)
	}
}

func (w *wire) add(l *link) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links[l] = true
	return !w.cut
}

// sever breaks every connection and lets no new one come about until mend.
func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for l := range w.links {
		l.close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

// plan has f decide from now on what becomes of each command.
func (w *wire) plan(f func(command string) harm) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.harmTo, w.commands = f, nil
}

// planFor harms the first n commands that begin with a word, such as COMMIT.
func (w *wire) planFor(word string, n int, h harm) {
	w.plan(func(command string) harm {
		if !strings.HasPrefix(command, word) || n == 0 {
			return none
		}
		n--
		return h
	})
}

func (w *wire) decide(command string) harm {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands = append(w.commands, command)
	if w.harmTo == nil {
		return none
	}
	return w.harmTo(command)
}

// sent gives the commands since the last plan.
func (w *wire) sent() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commands
}

// waiting gives the server's number for a connection on which a query, by sqlc's name for it, has no answer yet; 0 where
// there is none.
func (w *wire) waiting(query string) (thread uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.links {
		l.mu.Lock()
		if strings.HasPrefix(l.waiting, "-- name: "+query+" ") {
			thread = l.thread
		}
		l.mu.Unlock()
	}
	return thread
}

func (w *wire) answered(number uint16) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errors[number]
}

// link is one connection through the wire.
type link struct {
	wire           *wire
	client, server net.Conn

	mu        sync.Mutex
	lose      bool              // the next answer is lost, and with it the connection
	thread    uint32            // the server's number for the connection
	waiting   string            // the statement whose answer hasn't come
	prepared  map[uint32]string // statements by the server's numbers for them
	preparing string            // a statement that hasn't got its number
}

func (l *link) close() {
	l.client.Close()
	l.server.Close()
}

// readPacket reads one packet of the protocol: three octets of length, one of sequence, the payload.
func readPacket(from io.Reader) (whole []byte, err error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	length := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	whole = append(head, make([]byte, length)...)
	_, err = io.ReadFull(from, whole[4:])
	return whole, err
}

// up carries what the client says.
func (l *link) up() {
	defer l.close()
	for {
		packet, err := readPacket(l.client)
		if err != nil {
			return
		}
		if command := l.commandIn(packet); command != "" && !l.suffer(command, l.wire.decide(command)) {
			return
		}
		if _, err := l.server.Write(packet); err != nil {
			return
		}
	}
}

// suffer says whether the command may go on.
func (l *link) suffer(command string, h harm) bool {
	if h == freeze {
		io.Copy(io.Discard, l.client) // until the client gives up, or the test ends
	}
	if h == pause {
		<-l.wire.resumed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = l.lose || h == loseAfter
	l.waiting = command
	l.preparing = ""
	if text, ok := strings.CutPrefix(command, prepare); ok {
		l.preparing = text
	}
	return h == none || h == loseAfter || h == pause
}

// prepare is what a command begins with that only has the server prepare a statement.
const prepare = "PREPARE "

// commandIn gives the text of a statement that is to be carried out, the name of another command, and "" for what is no
// command.
func (l *link) commandIn(packet []byte) string {
	if len(packet) < 5 || packet[3] != 0 { // commands begin a sequence
		return ""
	}
	switch packet[4] {
	case 3:
		return strings.TrimSpace(string(packet[5:]))
	case 22:
		return prepare + strings.TrimSpace(string(packet[5:]))
	case 23:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.prepared[binary.LittleEndian.Uint32(packet[5:])]
	case 25:
		return "" // closes a statement and has no answer
	}
	return "OTHER"
}

// down carries what the server answers.
func (l *link) down() {
	defer l.close()
	for {
		packet, err := readPacket(l.server)
		if err != nil {
			l.gone()
			return
		}
		if lose := l.note(packet); lose {
			return
		}
		if _, err := l.client.Write(packet); err != nil {
			return
		}
	}
}

func (l *link) gone() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = ""
}

// note learns from an answer, and says whether it is to be lost.
func (l *link) note(packet []byte) (lose bool) {
	if len(packet) > 7 && packet[4] == 0xff {
		l.wire.noteError(binary.LittleEndian.Uint16(packet[5:]))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = ""
	if l.preparing != "" && packet[4] == 0 { // the number comes first in the answer
		l.prepared[binary.LittleEndian.Uint32(packet[5:])] = l.preparing
		l.preparing = ""
	}
	if l.thread == 0 && packet[4] == 10 { // the greeting: a version, a text that ends with a zero, the connection's number
		rest := packet[5:]
		l.thread = binary.LittleEndian.Uint32(rest[bytes.IndexByte(rest, 0)+1:])
	}
	return l.lose
}

func (w *wire) noteError(number uint16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errors[number]++
}

// newWired gives a world whose Store goes through a wire, while the test looks at the database directly.
func newWired(t testing.TB, change func(*mysql.Config)) (*world, *wire) {
	t.Helper()
	dsn, direct := dbtest.NewDSN(t)
	line := newWire(t, dsn)
	cfg, err := mysql.ParseDSN(line.dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(cfg)
	w := wiredTo(t, cfg.FormatDSN(), direct)
	t.Cleanup(func() { checkWhole(t, direct) })
	return w, line
}

func wiredTo(t testing.TB, dsn string, direct *sql.DB) *world {
	t.Helper()
	pool, err := db.Open(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	w := worldOn(pool, chat.Options{RememberFor: -1}) // what is tested is the way to the database
	w.db, w.q = direct, queries.New(direct)
	return w
}

func asItIs(*mysql.Config) {}
