// Parley is person-to-person messaging that people run for themselves.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	_ "time/tzdata" // people's time zones, also where the system has none installed
)

func main() {
	// The collector runs when the heap has doubled. Parley's is a few megabytes, and would double many times a second
	// under load. This counts as heap, but nobody writes to it, so it takes up no memory.
	room := make([]byte, 32<<20)
	defer runtime.KeepAlive(room)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends parley at once
	p := program{env: os.Environ(), in: os.Stdin, out: os.Stdout, err: os.Stderr}
	if err := p.run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "parley: "+err.Error())
		stop()
		os.Exit(exitCode(err))
	}
}
