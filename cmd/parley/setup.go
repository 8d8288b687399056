package main

import (
	"context"

	"parley/db/chat"
)

// tellSetup puts a link into the log by which to make the first admin, while there is none. The log is where only those
// look who run Parley; and nobody has to know or change a password that came with the program.
func (p *program) tellSetup(ctx context.Context, store *chat.Store, base string) error {
	token, err := store.OpenSetup(ctx)
	if err != nil || token == "" {
		return err
	}
	p.log.Warn("Nobody administers this place yet. Open this link to make the first admin: it works once, and the next start makes a new one.",
		"link", base+"/setup/"+token)
	return nil
}

// fillSkeletons looks after names that came from an older Parley or an import. They are good names meanwhile; this only
// lets new ones be held against them.
func (p *program) fillSkeletons(ctx context.Context, store *chat.Store) {
	if n, err := store.FillSkeletons(ctx); err != nil && ctx.Err() == nil {
		p.log.Warn("What some usernames look like could not be stored; the next sweep tries again.", "error", err)
	} else if n > 0 {
		p.log.Debug("What usernames look like was stored.", "number", n)
	}
}
