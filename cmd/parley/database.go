package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"parley/db"
	"parley/db/private"
)

// stopWithin is how long the private database may take to write everything down. The whole of parley ends within 10 s.
const stopWithin = 4 * time.Second

// openDatabase opens the servers of the settings, or starts the private one. leave must be called in the end.
func (p *program) openDatabase(ctx context.Context) (cluster *db.Cluster, leave func() error, err error) {
	dsns, stop := strings.Fields(p.set.DatabaseURL), func() error { return nil }
	if len(dsns) == 0 {
		server, err := private.Start(ctx, p.set.DataDir, p.log)
		if err != nil {
			return nil, nil, err
		}
		dsns, stop = []string{server.DSN()}, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
			defer cancel()
			return server.Stop(ctx)
		}
	}
	cluster, err = db.OpenCluster(ctx, dsns...)
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return cluster, func() error { return errors.Join(cluster.Close(), stop()) }, nil
}

// joinDatabase is openDatabase for a command that also works beside a running parley: then it uses that one's database.
func (p *program) joinDatabase(ctx context.Context) (cluster *db.Cluster, leave func() error, err error) {
	if p.set.DatabaseURL != "" {
		return p.openDatabase(ctx)
	}
	dsn, err := private.Attach(ctx, p.set.DataDir)
	if errors.Is(err, private.ErrNotRunning) {
		return p.openDatabase(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	cluster, err = db.OpenCluster(ctx, dsn)
	if err != nil {
		return nil, nil, err
	}
	return cluster, cluster.Close, nil
}

// withDatabase runs a command on a migrated database.
func (p *program) withDatabase(ctx context.Context, f func(*sql.DB) error) error {
	return p.withSchemaAsItIs(ctx, func(pool *sql.DB) error {
		if err := db.Migrate(ctx, pool); err != nil {
			return err
		}
		return f(pool)
	})
}

// withSchemaAsItIs runs a command that is about migrations itself.
func (p *program) withSchemaAsItIs(ctx context.Context, f func(*sql.DB) error) (err error) {
	cluster, leave, err := p.joinDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave()) }()
	return f(cluster.Pool())
}
