package handlers

import (
	"bytes"
	"io"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
)

// How long a profile may be taken, in seconds. With writing the answer that stays below writeTimeout. What the execution
// tracer writes grows by megabytes a second and is kept in memory meanwhile.
const (
	maxProfileSeconds = 20
	maxTraceSeconds   = 5
)

// takeProfile answers with a profile of this node, for "go tool pprof" or "go tool trace":
//
//	curl -b "parley=$TOKEN" -o cpu.pprof "$BASE/admin/pprof/profile?seconds=20" && go tool pprof cpu.pprof
//
// TOKEN is the value of an admin's session cookie. Other names are those of runtime/pprof (heap, goroutine, allocs …) and
// trace. The command line isn't among them, since it may hold passwords. Nothing of this is in the request's own time
// (see bounded), which a profile may well outlast.
func (s *Server) takeProfile(c *fiber.Ctx) error {
	switch name := c.Params("name"); name {
	case "profile":
		return s.profileFor(c, maxProfileSeconds, pprof.StartCPUProfile, pprof.StopCPUProfile)
	case "trace":
		return s.profileFor(c, maxTraceSeconds, trace.Start, trace.Stop)
	default:
		return sendProfile(c, pprof.Lookup(name))
	}
}

func sendProfile(c *fiber.Ctx, p *pprof.Profile) error {
	if p == nil {
		return fiber.ErrNotFound
	}
	debug := 0 // the format of the tools
	if c.Query("debug") != "" {
		debug = 1 // a text for people
	}
	var profile bytes.Buffer
	if err := p.WriteTo(&profile, debug); err != nil {
		return err
	}
	if debug == 1 {
		c.Type("txt", "utf-8")
		return c.Send(profile.Bytes())
	}
	return sendFile(c, profile.Bytes())
}

// sendFile sends what a browser is to save.
func sendFile(c *fiber.Ctx, content []byte) error {
	c.Type("bin")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+c.Params("name")+`.out"`)
	return c.Send(content)
}

// profileFor takes a profile for as long as is asked for, or until the server stops.
func (s *Server) profileFor(c *fiber.Ctx, most int, start func(io.Writer) error, stop func()) error {
	seconds, err := strconv.Atoi(c.Query("seconds", strconv.Itoa(most/2)))
	if err != nil || seconds < 1 || seconds > most {
		return malformed("seconds", "seconds is a whole number from 1 to "+strconv.Itoa(most)+".")
	}
	var profile bytes.Buffer
	if err := start(&profile); err != nil {
		return &chat.Error{Kind: chat.Conflict, Text: "A profile is being taken already. Wait until it is done."}
	}
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
	case <-s.stopping:
	}
	stop()
	return sendFile(c, profile.Bytes())
}
