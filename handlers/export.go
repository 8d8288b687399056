package handlers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
	"parley/views"
)

const (
	// maxExports is how many exports a node makes at once. Each costs a processor some of its time, and 1 MB to pack.
	maxExports = 8
	// exportTime ends an export that somebody takes forever.
	exportTime = time.Hour
)

// exports bounds what is exported at once, for each person to one.
type exports struct {
	mu  sync.Mutex
	who map[uint64]bool
}

func (e *exports) begin(user uint64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.who == nil {
		e.who = map[uint64]bool{}
	}
	if e.who[user] {
		return &chat.Error{Kind: chat.Unavailable, Text: "An export of yours is being downloaded already. Wait until it is done."}
	}
	if len(e.who) >= maxExports {
		return &chat.Error{Kind: chat.Unavailable, Text: "Several people are downloading their data right now. Try again in a few minutes."}
	}
	e.who[user] = true
	return nil
}

func (e *exports) end(user uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.who, user)
}

func (s *Server) showOwnData(c *fiber.Ctx) error {
	return s.respondWithOwnData(c, http.StatusOK, views.OwnData{})
}

func (s *Server) respondWithOwnData(c *fiber.Ctx, status int, d views.OwnData) error {
	reach, err := s.Store.ExportReach(c.UserContext(), actor(c))
	if err != nil {
		return err
	}
	d.Reach = reach
	return s.respondInApp(c, status, pane{title: "Your data", content: views.OwnDataForm(d)}, reachBody(reach))
}

// exportOwnData answers with a ZIP file, in every shape.
func (s *Server) exportOwnData(c *fiber.Ctx) error {
	var form struct {
		Password string `json:"current_password" form:"current_password"`
	}
	if err := parse(c, &form); err != nil {
		return err
	}
	err := s.guessing(c, viewer(c).Username, func() error { return s.startExport(c, form.Password) })
	if err == nil || !showsForm(c, err) {
		return err
	}
	p := s.noted(c, err)
	return s.respondWithOwnData(c, p.Status, views.OwnData{Error: p.Detail, Errors: p.Errors})
}

func (s *Server) startExport(c *fiber.Ctx, password string) error {
	user := viewer(c).ID
	if err := s.exports.begin(user); err != nil {
		return err
	}
	export, err := s.beginExport(c, password)
	if err != nil {
		s.exports.end(user)
		return err
	}
	c.Set(fiber.HeaderContentType, "application/zip")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="parley-`+export.At.Format(time.DateOnly)+`.zip"`)
	archive := archive{export: export, v: s.viewing(c)}
	archive.v.Viewer, archive.v.Now = export.Profile.User, export.At
	conn, request := c.Context().Conn(), requestIDOf(c)
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer s.exports.end(user)
		if err := s.stream(archive, conn, w); err != nil {
			s.Logger.Warn("an export ended early", slog.String("request", request), slog.Any("error", err))
			conn.Close() // what is there is no whole file, and the client is to know
		}
	})
	return nil
}

func (s *Server) beginExport(c *fiber.Ctx, password string) (*chat.Export, error) {
	if err := s.take(c, downloads, byPerson(c)); err != nil {
		return nil, err
	}
	return s.Store.Export(c.UserContext(), actor(c), password)
}

// stream writes the archive as fast as the client takes it. It runs in a goroutine of the server's, where a panic would end
// the program.
func (s *Server) stream(a archive, conn net.Conn, w *bufio.Writer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), exportTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // wakes a writer that waits for the client
	defer stop()
	return errors.Join(a.write(ctx, steady{conn, w, s.stopping}), w.Flush())
}

// steady gives the client its time for each part anew, rather than for the whole.
type steady struct {
	conn     net.Conn
	w        *bufio.Writer
	stopping <-chan struct{}
}

var errStopping = errors.New("the server is stopping")

// Write implements io.Writer.
func (w steady) Write(p []byte) (int, error) {
	select {
	case <-w.stopping:
		return 0, errStopping
	default:
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails only on a connection that is gone
	return w.w.Write(p)
}
