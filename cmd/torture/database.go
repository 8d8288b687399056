package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"parley/db"
	"parley/db/chat"
	"parley/db/private"
)

// database is the one that all nodes share: a private one, which is started again whenever it is killed. Nodes reach it
// by TCP, so that there is a network to break; this program by its socket, so that it always sees the truth.
type database struct {
	server *private.Server
	dir    string
	onDisk bool // dir is a small disk of its own
	port   int
	pool   *sql.DB
}

// A database account for nodes. The server listens on this machine's own address alone, and only while the run lasts.
const nodeUser, nodePassword = "torture", "torture"

func startDatabase(ctx context.Context, dir string, onDisk bool, port int, log *slog.Logger) (*database, error) {
	if onDisk {
		if err := mountDisk(dir); err != nil {
			return nil, err
		}
	}
	options := private.Options{Args: []string{
		"--skip-networking=OFF", "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port), "--loose-innodb-log-file-size=16M",
	}}
	server, err := private.StartOptions(ctx, dir, log, options)
	if err != nil {
		return nil, err
	}
	d := &database{server: server, dir: dir, onDisk: onDisk, port: port}
	if d.pool, err = db.Open(ctx, server.DSN()); err != nil {
		return nil, err
	}
	for _, statement := range []string{
		"CREATE USER " + nodeUser + "@'127.0.0.1' IDENTIFIED BY '" + nodePassword + "'",
		"GRANT ALL ON parley.* TO " + nodeUser + "@'127.0.0.1'",
	} {
		if _, err := d.pool.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// dsn is for a node that gets to the database through a link.
func (d *database) dsn(l *link) string {
	return fmt.Sprintf("%s:%s@tcp(%s)/parley", nodeUser, nodePassword, address(l.port))
}

// kill ends the database as a power cut does.
func (d *database) kill() {
	exited := d.server.Exited()
	_ = syscall.Kill(d.server.PID(), syscall.SIGKILL)
	<-exited
}

// signal stops the database's process or lets it go on.
func (d *database) signal(s syscall.Signal) { _ = syscall.Kill(d.server.PID(), s) }

// back waits until the database takes statements that write.
func (d *database) back(ctx context.Context) error {
	return await(ctx, time.Minute, "the database to be back", func() bool {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return d.pool.PingContext(ctx) == nil
	})
}

func (d *database) stop() error {
	d.signal(syscall.SIGCONT)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	d.pool.Close()
	err := d.server.Stop(ctx)
	if d.onDisk {
		unmountDisk(d.dir)
	}
	return err
}

// makePeople makes accounts by the rules, and gives their numbers by name.
func (d *database) makePeople(ctx context.Context, names []string) (map[string]uint64, error) {
	store, numbers := chat.New(d.pool, chat.Options{}), map[string]uint64{}
	for _, name := range names {
		user, err := store.CreateUser(ctx, chat.NewUser{Username: name, Password: password})
		if err != nil {
			return nil, fmt.Errorf("making %s: %w", name, err)
		}
		numbers[name] = user.ID
	}
	_, err := store.CreateUser(ctx, chat.NewUser{Username: warden, Password: password, IsAdmin: true})
	return numbers, err
}

// count runs a statement that counts.
func (d *database) count(ctx context.Context, statement string, args ...any) (n int, err error) {
	return n, d.pool.QueryRowContext(ctx, statement, args...).Scan(&n)
}

// row is a message as it is stored.
type row struct {
	id, sender, lo, hi, client, body string
	conversation, seq, rev           uint64
	at                               time.Time
}

const selectRows = `SELECT m.conversation_id, m.seq, m.rev, s.username, a.username, b.username,
  LOWER(HEX(m.client_key)), m.body, m.created_at
FROM messages m JOIN conversations c ON c.id = m.conversation_id
JOIN users s ON s.id = m.sender_id JOIN users a ON a.id = c.user_lo JOIN users b ON b.id = c.user_hi
WHERE m.conversation_id = ? AND m.seq > ? ORDER BY m.conversation_id, m.seq`

// rows reads a conversation's messages above seq.
func (d *database) rows(ctx context.Context, conversation, seq uint64) (all []row, err error) {
	found, err := d.pool.QueryContext(ctx, selectRows, conversation, seq)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var r row
		if err := found.Scan(&r.conversation, &r.seq, &r.rev, &r.sender, &r.lo, &r.hi, &r.client, &r.body, &r.at); err != nil {
			return nil, err
		}
		r.id = fmt.Sprintf("%d-%d", r.conversation, r.seq)
		all = append(all, r)
	}
	return all, found.Err()
}

// counters is a conversation's own row.
type counters struct{ id, lastSeq, lastRev uint64 }

// conversations are those of the people who talk; newcomers, who come after them, have others.
func (d *database) conversations(ctx context.Context, lastPerson uint64) (all []counters, err error) {
	found, err := d.pool.QueryContext(ctx, "SELECT id, last_seq, last_rev FROM conversations WHERE user_hi <= ?", lastPerson)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var c counters
		if err := found.Scan(&c.id, &c.lastSeq, &c.lastRev); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, found.Err()
}

// recount counts what somebody has not read, from the messages alone.
func (d *database) recount(ctx context.Context, user uint64) (map[string]int, error) {
	found, err := d.pool.QueryContext(ctx, `SELECT o.username, COUNT(m.seq) FROM members mb
JOIN conversations c ON c.id = mb.conversation_id
JOIN users o ON o.id = IF(c.user_lo = mb.user_id, c.user_hi, c.user_lo)
LEFT JOIN messages m ON m.conversation_id = c.id AND m.seq > mb.last_read_seq AND m.sender_id <> mb.user_id AND m.deleted_at IS NULL
WHERE mb.user_id = ? GROUP BY o.username`, user)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	counts := map[string]int{}
	for found.Next() {
		var with string
		var n int
		if err := found.Scan(&with, &n); err != nil {
			return nil, err
		}
		counts[with] = n
	}
	return counts, found.Err()
}
