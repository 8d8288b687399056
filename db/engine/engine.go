// Package engine starts the database engines that Parley has to hold on besides its own private MariaDB: a Galera
// cluster and TiDB. It is for tests and for the command cmd/engine; the shipped program knows nothing of it.
//
// Everything it starts runs on this machine alone: SQL behind unix sockets in a directory that only its owner can enter,
// replication on 127.0.0.1. It ends with whoever started it, however that ends.
package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Node is one database server of an engine.
type Node struct {
	name   string
	dir    string
	launch func(ctx context.Context) (*exec.Cmd, error) // makes the command that runs it
	proc   *process
}

// schema is the database that a DSN names; tests make others beside it.
const schema = "parley"

// DSN is a go-sql-driver DSN for the node. It stays the same when the node is started again.
func (n *Node) DSN() string { return n.config(schema).FormatDSN() }

// Name tells nodes of one engine apart.
func (n *Node) Name() string { return n.name }

// Log is the path of what the server wrote.
func (n *Node) Log() string { return filepath.Join(n.dir, "log") }

func (n *Node) socket() string { return filepath.Join(n.dir, "s") }

// config is for root without a password: the directory's permissions guard the socket.
func (n *Node) config(name string) *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = "root", "unix", n.socket(), name
	cfg.Logger = &mysql.NopLogger{}
	return cfg
}

// Start starts the node, for the first time or after Kill, and returns once it takes statements.
func (n *Node) Start(ctx context.Context) error {
	cmd, err := n.launch(ctx)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(n.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	os.Remove(n.socket())
	if n.proc, err = spawn(cmd); err != nil {
		return err
	}
	if err := n.await(ctx); err != nil {
		n.proc.kill()
		return fmt.Errorf("%s did not start; its log is %s: %w", n.name, n.Log(), err)
	}
	return nil
}

// await polls, as nothing else says on all engines that statements are taken.
func (n *Node) await(ctx context.Context) error {
	connector, err := mysql.NewConnector(n.config(""))
	if err != nil {
		return err
	}
	pool := sql.OpenDB(connector)
	defer pool.Close()
	for {
		_, err := pool.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+schema+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-n.proc.exited:
			return errors.New("its process ended")
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// Kill ends the node without warning, as kill -9 does.
func (n *Node) Kill() { n.proc.kill() }

// Freeze stops the node where it is: it neither answers nor closes its connections until Thaw.
func (n *Node) Freeze() error { return n.proc.signal(sigStop) }

// Thaw undoes Freeze.
func (n *Node) Thaw() error { return n.proc.signal(sigContinue) }

// stop ends the node in good order where ctx allows it.
func (n *Node) stop(ctx context.Context) {
	if n.proc != nil {
		n.proc.stop(ctx)
	}
}
