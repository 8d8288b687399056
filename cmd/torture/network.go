package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

// link is the network between two programs, which can be broken. Whoever connects to port gets to upstream.
type link struct {
	name  string
	port  int
	proxy *toxiproxy.Proxy
}

// network makes links.
type network struct {
	server *toxiproxy.ApiServer
	ports  *ports
	links  []*link
}

func newNetwork(p *ports) *network {
	zerolog.SetGlobalLevel(zerolog.Disabled) // one of the poisons logs past the logger that it was given
	return &network{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), ports: p}
}

func (n *network) link(name string, upstream int) (*link, error) {
	port, err := n.ports.take()
	if err != nil {
		return nil, err
	}
	l := &link{name, port, toxiproxy.NewProxy(n.server, name, address(port), address(upstream))}
	if err := l.proxy.Start(); err != nil {
		return nil, fmt.Errorf("the network between %s: %w", name, err)
	}
	n.links = append(n.links, l)
	return l, nil
}

func (n *network) close() {
	for _, l := range n.links {
		l.proxy.Stop()
	}
}

// cut closes every connection and refuses new ones.
func (l *link) cut() { l.proxy.Stop() }

// mend undoes cut. The port may be taken for a moment by what cut left behind.
func (l *link) mend() error {
	var err error
	for range 50 {
		if err = l.proxy.Start(); err == nil || err == toxiproxy.ErrProxyAlreadyStarted {
			return nil
		}
		time.Sleep(pollEvery)
	}
	return err
}

// swallow takes every octet in both directions and hands none on: the other side looks alive and says nothing. heal
// closes those connections, as an octet that is missing can't be made good.
func (l *link) swallow() error {
	return l.poison("timeout", map[string]int64{"timeout": 0}, directions...)
}

// delay makes each way take so long, give or take a half.
func (l *link) delay(d time.Duration) error {
	return l.poison("latency", map[string]int64{"latency": d.Milliseconds(), "jitter": d.Milliseconds() / 2}, directions...)
}

// breakAtCommit ends a database connection when every so manyth commit is on its way, which then never arrives.
func (l *link) breakAtCommit() error {
	return l.poison(commitBreaker, map[string]int64{"every": 4}, directions[0])
}

// slow lets so many kilobytes a second through.
func (l *link) slow(rate int64) error {
	return l.poison("bandwidth", map[string]int64{"rate": rate}, directions...)
}

var directions = []string{"upstream", "downstream"}

func (l *link) poison(kind string, attributes map[string]int64, which ...string) error {
	for _, direction := range which {
		text, err := json.Marshal(map[string]any{"name": kind + direction, "type": kind, "stream": direction, "attributes": attributes})
		if err != nil {
			return err
		}
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(string(text))); err != nil {
			return fmt.Errorf("%s on the network between %s: %w", kind, l.name, err)
		}
	}
	return nil
}

// heal takes every poison away.
func (l *link) heal() { l.proxy.Toxics.ResetToxics(context.Background()) }

const commitBreaker = "break-at-commit"

func init() { toxics.Register(commitBreaker, new(breakingCommits)) }

// breakingCommits is a poison that knows a little of the database's protocol: a statement stands in it as it is.
type breakingCommits struct {
	Every int64 `json:"every"`
}

var commits atomic.Int64

// Pipe implements toxics.Toxic.
func (b *breakingCommits) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil || bytes.Contains(c.Data, []byte("COMMIT")) && commits.Add(1)%b.Every == 0 {
				stub.Close()
				return
			}
			stub.Output <- c
		}
	}
}
