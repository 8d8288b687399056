// Torture runs several Parleys on one database and one Redis, has people use them, breaks whatever can break, and checks
// that all the while every promise was kept: what is sent is stored once, both people see one order, every page catches
// up by itself, and nobody sees what isn't theirs. It proves itself by planted bugs, each of which must be found.
//
// Everything that it needs it starts by itself, and ends: see world. What it promises to check is in check.go, what it
// breaks in fault.go, what people do in person.go, and the planted bugs in plant.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// options are the command line.
type options struct {
	For     time.Duration `default:"2m" help:"How long things are broken. Starting and the last checks come on top."`
	Nodes   int           `default:"3" help:"How many Parleys."`
	People  int           `default:"12" help:"How many people, each with one to three devices."`
	Seed    uint64        `help:"Which people do what, and what breaks when. 0: by the clock; it is printed."`
	Fault   []string      `placeholder:"KIND" help:"Break only these, separated by commas; 'none' breaks nothing. Unset: everything. --list names them."`
	Pace    time.Duration `default:"400ms" help:"The mean pause of a device between two things that its person does."`
	Race    bool          `help:"Build Parley with the race detector."`
	Planted []string      `placeholder:"BUG" help:"Build Parley with this bug. The run must fail, and ends when it does. With --prove it may be several, separated by commas. --list names them."`
	Prove   bool          `help:"Run once with each planted bug, or with those that --planted names, and succeed if every one is found by the check that it breaks. How long, how fast and which faults is each bug's own: --for, --pace and --fault count for nothing."`
	Source  string        `default:"." help:"The directory of Parley's source."`
	Dir     string        `help:"Where everything is kept while it runs. Unset: a temporary directory."`
	Keep    bool          `help:"Keep the journal and the logs. A run that fails keeps them anyway."`
	List    bool          `help:"List the kinds of fault, the checks and the planted bugs."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "torture: "+err.Error())
		stop()
		os.Exit(1)
	}
}

// errBroken ends a run in which a promise was broken; the verdict has said which.
var errBroken = errors.New("a promise was not kept; the verdict above says which")

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	parser, err := kong.New(&o, kong.Name("torture"), kong.Writers(out, out),
		kong.Description("Breaks several Parleys, their database and their network in every way, and checks that every promise is kept."))
	if err != nil {
		return err
	}
	if _, err := parser.Parse(args); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	switch {
	case o.List:
		list(out)
		return nil
	case o.Prove:
		return prove(ctx, o, out)
	}
	if err := o.findDisk(out); err != nil {
		return err
	}
	v, err := torture(ctx, o, out)
	if err == nil && !v.kept() {
		return errBroken
	}
	return err
}

func (o *options) check() error {
	if o.Nodes < 1 || o.Nodes > 9 || o.People < 3 || o.People > 200 {
		return errors.New("there are 1 to 9 nodes and 3 to 200 people")
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixMilli() % 1_000_000)
	}
	if _, err := chosenFaults(o.Fault); err != nil {
		return err
	}
	for _, name := range o.Planted {
		if _, err := plantNamed(name); err != nil {
			return err
		}
	}
	if len(o.Planted) > 1 && !o.Prove {
		return errors.New("without --prove there is one planted bug at a time")
	}
	return nil
}

// findDisk sees to it that there can be a small disk, which needs this program to be started anew. Where none can be had,
// and nobody asked for it by name, it is left out and said so; but not in CI.
func (o *options) findDisk(out io.Writer) error {
	if !o.wants(fullDiskName) {
		return nil
	}
	err := enterNamespace()
	if err == nil {
		return nil
	}
	if len(o.Fault) > 0 || os.Getenv("CI") == "true" {
		return fmt.Errorf("a disk that can be filled can't be had here: %w", err)
	}
	fmt.Fprintf(out, "The fault %s is left out, as no small disk can be had here: %v\n", fullDiskName, err)
	for _, f := range faults {
		if f.name != fullDiskName {
			o.Fault = append(o.Fault, f.name)
		}
	}
	return nil
}

func (o *options) wants(name string) bool {
	chosen, _ := chosenFaults(o.Fault) // checked at the start
	return slices.ContainsFunc(chosen, func(f fault) bool { return f.name == name })
}

// planted is the bug that Parley is built with, "" for none.
func (o *options) planted() string {
	if len(o.Planted) == 0 {
		return ""
	}
	return o.Planted[0]
}

func list(out io.Writer) {
	fmt.Fprintln(out, "Faults:")
	for _, f := range faults {
		fmt.Fprintf(out, "  %-22s %s\n", f.name, f.about)
	}
	fmt.Fprintln(out, "Checks:")
	for _, p := range promises {
		fmt.Fprintf(out, "  %-22s %s\n", p.name, p.about)
	}
	fmt.Fprintln(out, "Planted bugs:")
	for _, p := range plants {
		fmt.Fprintf(out, "  %-22s %s; found by %s\n", p.name, p.about, p.found)
	}
}
