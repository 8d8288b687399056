package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"parley/db"
	"parley/db/chat"
)

// library writes conversations into the database by itself, since that is a hundred times as fast as sending them. It
// goes by chat.Importer, which keeps the rules and lets a server run meanwhile.
type library struct {
	importer *chat.Importer
	store    *chat.Store
	users    map[string]chat.User
	leave    func()
}

var errNoDatabase = errors.New("this writes conversations into the database first: give it with --database-url")

func openLibrary(ctx context.Context, s *server) (*library, error) {
	if s.dsn == "" {
		return nil, errNoDatabase
	}
	pool, err := db.Open(ctx, s.dsn)
	if err != nil {
		return nil, err
	}
	store := chat.New(pool, chat.Options{})
	importer, err := store.Importer(ctx, s.password)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &library{importer, store, map[string]chat.User{}, func() { importer.Close(); pool.Close() }}, nil
}

// signInDirectly makes sessions in the database.
func signInDirectly(ctx context.Context, s *server, from, to int) (people []*person, err error) {
	lib, err := openLibrary(ctx, s)
	if err != nil {
		return nil, err
	}
	defer lib.leave()
	for i := from; i < to; i++ {
		user, err := lib.user(ctx, numbered(i))
		if err != nil {
			return nil, err
		}
		token, _, err := lib.store.StartSession(ctx, user, chat.Device{UserAgent: "bench", IP: "127.0.0.1"})
		if err != nil {
			return nil, err
		}
		people = append(people, newPerson(s.place, user.Username, "parley="+token))
	}
	return people, nil
}

// piece is lines by the two in turn, all read by both: so that nobody's opening them has a watermark to raise.
func (l *library) piece(ctx context.Context, a, b string, bodies []string) (p chat.ImportPiece, _ error) {
	for i, name := range []string{a, b} {
		user, err := l.user(ctx, name)
		if err != nil {
			return p, err
		}
		p.Pair[i] = user.ID
	}
	now := time.Now()
	for i, body := range bodies {
		p.Lines = append(p.Lines, chat.ImportLine{Sender: p.Pair[i%2], ClientID: uuid.New(), Body: body, SentAt: now})
	}
	p.Read = [2]int{len(bodies), len(bodies)}
	return p, nil
}

func (l *library) user(ctx context.Context, name string) (chat.User, error) {
	if user, ok := l.users[name]; ok {
		return user, nil
	}
	user, err := l.store.UserByName(ctx, name)
	if err != nil {
		return user, fmt.Errorf("%w (there have to be more demo people: --users)", err)
	}
	l.users[name] = user
	return user, nil
}

// piecesAtOnce keeps a transaction to some thousand messages, which chat.Importer takes below a tenth of a second.
const piecesAtOnce = 300

func (l *library) write(ctx context.Context, pieces []chat.ImportPiece) error {
	for part := range slices.Chunk(pieces, piecesAtOnce) {
		if err := l.importer.Messages(ctx, part); err != nil {
			return err
		}
	}
	return nil
}
