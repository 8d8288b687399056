package handlers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofiber/fiber/v2"
)

// troubled is a listener that fails as often, and as, it is told.
type troubled struct {
	net.Listener
	errs   []error // nil is a connection
	at     []time.Time
	closed bool
}

func (l *troubled) Accept() (net.Conn, error) {
	l.at = append(l.at, time.Now())
	if len(l.errs) == 0 {
		return nil, net.ErrClosed
	}
	err := l.errs[0]
	if l.errs = l.errs[1:]; err != nil {
		return nil, err
	}
	return &net.TCPConn{}, nil
}

func (l *troubled) Close() error {
	l.closed = true
	return nil
}

func acceptError(errno syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
}

func newTroubled(errs ...error) (*patientListener, *troubled, *logBuffer) {
	under, log := &troubled{errs: errs}, &logBuffer{}
	return newPatientListener(under, slog.New(slog.NewTextHandler(log, nil))), under, log
}

func TestListenerOutlastsErrorsThatPass(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EPROTO, syscall.ENETDOWN, syscall.EHOSTUNREACH, syscall.EPERM,
	} {
		synctest.Test(t, func(t *testing.T) {
			fails := make([]error, 20)
			for i := range fails {
				fails[i] = acceptError(errno)
			}
			l, under, log := newTroubled(append(fails, nil)...)
			if conn, err := l.Accept(); conn == nil || err != nil {
				t.Errorf("%v ends it: %v", errno, err)
			}
			for i, last := 1, time.Duration(0); i < len(under.at); i++ {
				pause := under.at[i].Sub(under.at[i-1])
				if pause < firstAcceptPause || pause < last || pause > longestAcceptPause {
					t.Errorf("pause %d is %s after %s", i, pause, last)
				}
				last = pause
			}
			if last := under.at[20].Sub(under.at[19]); last != longestAcceptPause {
				t.Errorf("in the end the pause is %s", last)
			}
			if n := strings.Count(log.String(), "level="); n != 1 || !strings.Contains(log.String(), errno.Error()) {
				t.Errorf("the log has %d lines:\n%s", n, log)
			}
		})
	}
}

// What doesn't pass is for the server to know.
func TestListenerEnds(t *testing.T) {
	for _, end := range []error{net.ErrClosed, io.EOF, acceptError(syscall.EINVAL), acceptError(syscall.EBADF)} {
		l, _, log := newTroubled(end, nil)
		if _, err := l.Accept(); !errors.Is(err, end) || log.String() != "" {
			t.Errorf("%v gives %v; the log says %q", end, err, log)
		}
	}
}

// A server at its limit fails again and again, and says so once a while.
func TestListenerLogsEachEpisodeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := acceptError(syscall.EMFILE)
		l, _, log := newTroubled(full, nil, full, full, nil, full, nil)
		for i, want := range []int{1, 1, 2} {
			if _, err := l.Accept(); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), "level=WARN"); n != want {
				t.Errorf("after connection %d the log has %d lines, want %d", i, n, want)
			}
			if time.Sleep(acceptEpisode / 2); i > 0 { // of the bubble's clock
				time.Sleep(acceptEpisode)
			}
		}
	})
}

func TestListenerIsClosedWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := make([]error, 1000)
		for i := range full {
			full[i] = acceptError(syscall.EMFILE)
		}
		l, under, _ := newTroubled(full...)
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		time.Sleep(10 * longestAcceptPause)
		synctest.Wait()
		start := time.Now()
		if err := errors.Join(l.Close(), l.Close()); err != nil || !under.closed {
			t.Errorf("closing gives %v; the listener is closed: %t", err, under.closed)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) || time.Since(start) > 0 {
			t.Errorf("accepting ends %s later with %v", time.Since(start), err)
		}
	})
}

// fewFiles is set for the process that TestServeOutlastsFullFileTable starts.
const fewFiles = "PARLEY_TEST_FEW_FILES"

// serveWithFewFiles serves until its standard input ends, with room for a few connections.
func serveWithFewFiles(t *testing.T) {
	s := &Server{app: fiber.New(fiber.Config{DisableStartupMessage: true})}
	s.Logger = slog.New(slog.NewTextHandler(os.Stdout, nil))
	s.app.Get("/healthz", alive)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	room := uint64(len(open) + 10)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	fmt.Println("listening " + l.Addr().String())
	stdin := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(stdin) }() // its end is what counts
	select {
	case err := <-ended:
		t.Fatalf("serving ended: %v", err)
	case <-stdin:
	}
	if err := errors.Join(s.app.ShutdownWithTimeout(patience), <-ended); err != nil {
		t.Error(err)
	}
}

// Trap: to fasthttp a failure to accept is the end, and it fails where a process has no file descriptor left.
func TestServeOutlastsFullFileTable(t *testing.T) {
	if os.Getenv(fewFiles) != "" {
		serveWithFewFiles(t)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeOutlastsFullFileTable$", "-test.v")
	child.Env = append(os.Environ(), fewFiles+"=1")
	stdin, errIn := child.StdinPipe()
	stdout, errOut := child.StdoutPipe()
	if err := errors.Join(errIn, errOut, child.Start()); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stdout)
	until := func(what string) string {
		t.Helper()
		for said.Scan() {
			if _, rest, found := strings.Cut(said.Text(), what); found {
				return rest
			}
		}
		t.Fatalf("the server ended without saying %q", what)
		return ""
	}
	addr := until("listening ")
	healthy := func() error {
		client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get("http://" + addr + "/healthz")
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
	if err := healthy(); err != nil {
		t.Fatal(err)
	}
	var crowd []net.Conn
	for range 30 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		crowd = append(crowd, conn)
	}
	until("No further connection can be accepted")
	for _, conn := range crowd {
		conn.Close()
	}
	if err := healthy(); err != nil {
		t.Errorf("with room again it doesn't serve: %v", err)
	}
	stdin.Close()
	for said.Scan() {
		if strings.Contains(said.Text(), "level=") {
			t.Errorf("it says besides: %s", said.Text())
		}
	}
	if err := child.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
