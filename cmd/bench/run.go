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
	out, err    io.Writer
	results     []*result
	comparisons []comparison
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
	servers, leave, err := p.servers(ctx, o)
	if err != nil {
		return err
	}
	defer leave()
	for _, s := range servers {
		s.progress = p.err
	}
	if err := p.measureAll(ctx, o, servers); err != nil {
		return errors.Join(err, p.report(o)) // what was measured before is told
	}
	return p.report(o)
}

// scenarios are what there is to measure.
var scenarios = map[string]func(context.Context, options, *server) ([]*result, error){
	"pairs":   measureTalk,
	"page":    measurePage,
	"history": measureHistory,
	"signins": measureSignIns,
	"idle":    measureIdle,
	"storm":   measureStorm,
	"limits":  measureLimits,
}

func (p *program) measureAll(ctx context.Context, o options, servers []*server) error {
	names := o.Scenario
	if o.Limits {
		names = append(names, "limits")
	}
	for _, name := range names {
		if len(servers) == 2 && name != "limits" {
			if err := p.compare(ctx, o, name, [2]*server(servers)); err != nil {
				return err
			}
			continue
		}
		p.say("%s: %v of warm-up, %v measured", name, o.Warmup, o.Duration)
		if _, err := p.measure(ctx, o, name, servers[0]); err != nil {
			return err
		}
	}
	return nil
}

// measure runs one scenario once.
func (p *program) measure(ctx context.Context, o options, name string, s *server) ([]*result, error) {
	got, err := scenarios[name](ctx, o, s)
	for _, r := range got {
		if r == nil {
			continue
		}
		r.Server = s.name
		p.results = append(p.results, r)
	}
	if err != nil {
		return got, fmt.Errorf("%s: %w", name, err)
	}
	return got, nil
}

func (p *program) say(format string, args ...any) { fmt.Fprintf(p.err, format+"\n", args...) }

// servers finds the server to be measured, or starts it, or starts the two to be compared. leave removes everything that
// was made.
func (p *program) servers(ctx context.Context, o options) (all []*server, leave func(), err error) {
	if o.URL != "" {
		s, err := useServer(o)
		return []*server{s}, func() {}, err
	}
	dir, err := os.MkdirTemp(o.Dir, "parley-bench-")
	if err != nil {
		return nil, nil, err
	}
	leave = func() {
		for _, s := range all {
			s.stop()
		}
		if o.Keep {
			p.say("the server's directory is %s", dir)
			return
		}
		os.RemoveAll(dir)
	}
	if all, err = p.startOwn(ctx, o, dir); err != nil {
		leave()
		return nil, nil, err
	}
	return all, leave, nil
}

// startOwn gives also on an error those that it has started.
func (p *program) startOwn(ctx context.Context, o options, dir string) (all []*server, err error) {
	binary := o.Binary
	if binary == "" {
		p.say("building parley")
		if binary, err = build(ctx, dir); err != nil {
			return nil, err
		}
	}
	binaries := []string{binary}
	if o.Compare != "" {
		binaries = append(binaries, o.Compare)
	}
	for i, binary := range binaries {
		name := string("AB"[i])
		p.say("starting parley %s with %d people and %d messages", name, o.Users, o.Messages)
		s, err := startServer(ctx, o, name, binary, filepath.Join(dir, name))
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}
