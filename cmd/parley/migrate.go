package main

import (
	"context"
	"database/sql"
	"fmt"

	"parley/db"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Bring the schema up to date."`
	Down   migrateDownCmd   `cmd:"" help:"Take the latest steps back. What they added is lost with all its data."`
	Status migrateStatusCmd `cmd:"" help:"Show which step the schema is at."`
}

type migrateUpCmd struct{}

// Run brings the schema up to date.
func (migrateUpCmd) Run(ctx context.Context, p *program) error {
	return p.withDatabase(ctx, func(*sql.DB) error {
		fmt.Fprintln(p.out, "The schema is up to date.")
		return nil
	})
}

type migrateDownCmd struct {
	Steps uint `default:"1" help:"How many steps to take back."`
}

// Run takes steps back.
func (cmd migrateDownCmd) Run(ctx context.Context, p *program) error {
	return p.withSchemaAsItIs(ctx, func(pool *sql.DB) error {
		taken, err := db.MigrateDown(ctx, pool, cmd.Steps)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "The schema went back by %d.\n", taken)
		return nil
	})
}

type migrateStatusCmd struct{}

// Run shows which step the schema is at.
func (migrateStatusCmd) Run(ctx context.Context, p *program) error {
	return p.withSchemaAsItIs(ctx, func(pool *sql.DB) error {
		current, latest, dirty, err := db.Status(ctx, pool)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "The schema is at step %d of %d.\n", current, latest)
		if dirty {
			fmt.Fprintln(p.out, "That step failed halfway. parley migrate up says what to do.")
		}
		return nil
	})
}
