package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// program is one run of bench, with everything that it has from outside.
type program struct {
	out, err io.Writer
	results  []*result
}

var errFaults = errors.New("there were faults: see above")

// run carries out one command line. It returns when all is measured and cleaned up, or soon after ctx ends.
func (p *program) run(ctx context.Context, args []string) error {
	o, err := parseOptions(args, p)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	s, leave, err := p.server(ctx, o)
	if err != nil {
		return err
	}
	defer leave()
	for _, name := range o.Scenario {
		p.say("%s: %v of warm-up, %v measured", name, o.Warmup, o.Duration)
		r, err := scenarios[name](ctx, o, s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.Server = s.name
		p.results = append(p.results, r)
	}
	return p.report(o)
}

// scenarios are what there is to measure.
var scenarios = map[string]func(context.Context, options, *server) (*result, error){
	"pairs": measureTalk,
}

func (p *program) say(format string, args ...any) { fmt.Fprintf(p.err, format+"\n", args...) }

// server finds the server to be measured or starts one. leave removes everything that was made.
func (p *program) server(ctx context.Context, o options) (_ *server, leave func(), err error) {
	if o.URL != "" {
		s, err := useServer(o)
		return s, func() {}, err
	}
	dir, err := os.MkdirTemp(o.Dir, "parley-bench-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { os.RemoveAll(dir) }
	s, err := p.startOwn(ctx, o, dir)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return s, func() { s.stop(); remove() }, nil
}

func (p *program) startOwn(ctx context.Context, o options, dir string) (_ *server, err error) {
	binary := o.Binary
	if binary == "" {
		p.say("building parley")
		if binary, err = build(ctx, dir); err != nil {
			return nil, err
		}
	}
	p.say("starting parley with %d people and %d messages", o.Users, o.Messages)
	return startServer(ctx, o, "parley", binary, filepath.Join(dir, "a"))
}
