package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"parley/handlers"
)

// showMetrics serves /metrics on its own address, if there is one, and gives the function that ends that.
func (p *program) showMetrics(server *handlers.Server) (hide func(), err error) {
	if p.set.MetricsAddr == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", p.set.MetricsAddr)
	if err != nil {
		return nil, fmt.Errorf("parley can't show its metrics on %s (another program may be using it; --metrics-addr chooses another): %w", p.set.MetricsAddr, err)
	}
	const longest = 10 * time.Second // Prometheus' own scrape_timeout
	web := &http.Server{Handler: server.Metrics(), ReadTimeout: longest, WriteTimeout: longest, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = web.Serve(listener) // ends when hide closes it
	}()
	p.log.Info("Prometheus finds metrics.", "address", address(listener)+"/metrics")
	return func() { _ = web.Close(); <-ended }, nil
}
