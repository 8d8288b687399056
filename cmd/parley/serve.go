package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"parley/db"
	"parley/db/chat"
	"parley/handlers"
	"parley/handlers/fanout"
	"parley/handlers/throttle"
	"parley/handlers/trace"
)

type serveCmd struct {
	Demo bool `help:"Fill an empty database with demo people and conversations, and print how to sign in."`
}

// finishWithin is how long requests that are under way, and windows, have at a shut-down.
const finishWithin = 5 * time.Second

// Run serves until ctx ends.
func (cmd serveCmd) Run(ctx context.Context, p *program) (err error) {
	start := time.Now()
	listener, err := net.Listen("tcp", p.set.Addr)
	if err != nil {
		return fmt.Errorf("parley can't listen on %s (another program may be using it; --addr chooses another): %w", p.set.Addr, err)
	}
	database, leave, err := p.openDatabase(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, leave()) }()
	if err := db.Migrate(ctx, database.Pool()); err != nil {
		return errors.Join(err, listener.Close())
	}
	return cmd.serve(ctx, p, database, listener, start)
}

func (cmd serveCmd) serve(ctx context.Context, p *program, database *db.Cluster, listener net.Listener, start time.Time) error {
	nodes, err := p.fanout()
	if err != nil {
		return err
	}
	defer nodes.Close()
	limits, forget, err := p.throttle()
	if err != nil {
		return err
	}
	defer forget()
	base, err := p.set.linkBase(listener)
	if err != nil {
		return err
	}
	mailer, err := p.set.mailer(base, p.log)
	if err != nil {
		return err
	}
	server, store, err := p.server(database, nodes, limits, base)
	if err != nil {
		return err
	}
	hide, err := p.showMetrics(server)
	if err != nil {
		return err
	}
	defer hide()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	p.log.Info("Parley is ready.", "address", address(listener), "took", time.Since(start).Round(time.Millisecond))
	if cmd.Demo {
		if err := p.demoOnce(ctx, store, address(listener)); err != nil {
			p.log.Error("The demo people could not be made.", "error", err)
		}
	}
	if err := p.tellSetup(ctx, store, base); err != nil {
		p.log.Error("No link for making the first admin could be made; parley user add NAME --admin makes one.", "error", err)
	}
	sweeping := make(chan struct{})
	sweepCtx, stopSweeping := context.WithCancel(ctx)
	go func() { defer close(sweeping); p.sweep(sweepCtx, store) }()
	finishing := make(chan struct{})
	go func() { defer close(finishing); p.finishDeletions(sweepCtx, store) }()
	defer func() { stopSweeping(); <-sweeping; <-finishing }()
	defer p.sendMail(ctx, store, mailer)()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return p.stop(server, failed)
}

// stop lets proxies know, serves on until they do, and ends with what is under way. failed tells when serving has ended
// by itself.
func (p *program) stop(server *handlers.Server, failed <-chan error) error {
	p.log.Info("Parley is stopping.", "drain", p.set.DrainFor)
	server.Drain()
	select {
	case err := <-failed:
		return err
	case <-time.After(p.set.DrainFor):
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		p.log.Warn(err.Error())
	}
	return nil
}

// fanout is how other nodes are told, if there are any.
func (p *program) fanout() (fanout.Fanout, error) {
	if p.set.RedisURL == "" {
		return fanout.NewMemory(), nil
	}
	return fanout.NewRedis(p.set.RedisURL, p.nodeName(), p.log)
}

// throttle counts how often things are done: nil for as often as anybody likes. With several nodes they count together.
func (p *program) throttle() (_ *throttle.Throttle, end func(), _ error) {
	if p.set.Throttle == "off" {
		return nil, func() {}, nil
	}
	if p.set.RedisURL == "" {
		return throttle.New(), func() {}, nil
	}
	client, err := fanout.Client(p.set.RedisURL)
	if err != nil {
		return nil, nil, err
	}
	return throttle.NewShared(client, p.log), func() { _ = client.Close() }, nil // what it can't close is gone already
}

// server puts the layers together.
func (p *program) server(database *db.Cluster, nodes fanout.Fanout, limits *throttle.Throttle, linkBase string) (*handlers.Server, *chat.Store, error) {
	base, err := p.set.baseURL()
	if err != nil {
		return nil, nil, err
	}
	zone, err := time.LoadLocation(p.set.TimeZone)
	if err != nil {
		return nil, nil, err
	}
	proxies, err := p.set.trustedProxies()
	if err != nil {
		return nil, nil, err
	}
	traces := trace.New(trace.Steps)
	store := chat.New(database.Pool(), chat.Options{
		Notifier: nodes, Tracer: traces, Home: database.Home, MaxBodyLength: p.set.MaxBody, SessionLifetime: p.set.SessionFor, SessionAtMost: p.set.sessionAtMost(),
	})
	return handlers.New(handlers.Config{
		Store: store, Fanout: nodes, Logger: p.log, BaseURL: base, MessagesToLoad: p.set.MessagesToLoad, TimeZone: zone,
		SendsMail: p.set.SMTPURL != "", LinkBase: linkBase, Throttle: limits, TrustedProxies: proxies,
		MetricsToken: p.set.MetricsToken, Node: p.nodeName(), Traces: traces,
	}), store, nil
}

func address(l net.Listener) string { return "http://" + l.Addr().String() }

// sweepEvery is how often expired sessions are deleted. They sign nobody in meanwhile; this only frees their rows.
const sweepEvery = time.Hour

func (p *program) sweep(ctx context.Context, store *chat.Store) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for p.fillSkeletons(ctx, store); ; p.fillSkeletons(ctx, store) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.sweepOnce(ctx, store)
		}
	}
}

// sweepOnce deletes what is over. What can't be deleted now is the next sweep's.
func (p *program) sweepOnce(ctx context.Context, store *chat.Store) {
	for what, sweep := range map[string]func(context.Context) (int64, error){
		"expired sessions": store.SweepSessions, "sign-ins that were never finished": store.SweepSignIns, "old mail and links": store.SweepMail,
		"expired tokens and browsers long unseen": store.SweepTokens,
		"old events of the audit log":             p.sweepAudit(store),
	} {
		if n, err := sweep(ctx); err != nil {
			p.log.Warn("Something that is over could not be deleted; the next sweep tries again.", "what", what, "error", err)
		} else if n > 0 {
			p.log.Debug("Something that is over was deleted.", "what", what, "number", n)
		}
	}
}

// finishEvery is how often a node looks whether an account was deleted that has messages to be erased.
const finishEvery = 3 * time.Second

func (p *program) finishDeletions(ctx context.Context, store *chat.Store) {
	tick := time.NewTicker(finishEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, err := store.FinishDeletions(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			p.log.Warn("What deleted accounts leave to do could not be done; it goes on later.", "error", err)
		case n > 0:
			p.log.Info("Accounts that were deleted are gone with all that was to be erased.", "number", n)
		}
	}
}

// sweepAudit deletes what the audit log is to keep no longer.
func (p *program) sweepAudit(store *chat.Store) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		if p.set.AuditFor == 0 {
			return 0, nil
		}
		return store.SweepAudit(ctx, time.Duration(p.set.AuditFor)*24*time.Hour)
	}
}

// nodeName tells this node from others: those of one machine have different addresses.
func (p *program) nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		return p.set.Addr
	}
	_, port, _ := net.SplitHostPort(p.set.Addr)
	return host + ":" + port
}
