package main

import (
	"context"
	"database/sql"
	"errors"

	"parley/db/chat"
)

type demoCmd struct {
	Users    int    `default:"12" help:"How many people in all."`
	Messages int    `default:"400" help:"How many messages in all."`
	Password string `help:"The password of all of them. Unset: one is made up."`
}

// Run fills the database.
func (cmd demoCmd) Run(ctx context.Context, p *program) error { return errors.New("not yet") }

func (p *program) demoOnce(ctx context.Context, pool *sql.DB, store *chat.Store, address string) error {
	return errors.New("not yet")
}
