package handlers

import (
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// Pauses between two attempts to accept: enough for something to be freed, and short beside a client's patience.
	firstAcceptPause   = 5 * time.Millisecond
	longestAcceptPause = 500 * time.Millisecond
	// acceptEpisode is how long all must have gone well before the next failure is logged again. A server at its limit
	// accepts one connection for each that it loses.
	acceptEpisode = time.Minute
)

// passing is why a connection can't be accepted at the moment although the listener is well: accept(2), which on Linux
// also gives errors of the network that belong to the one connection, and what a firewall forbids.
var passing = []syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.ENETDOWN, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EOPNOTSUPP,
	syscall.ENETUNREACH, syscall.EPERM,
}

// patientListener goes on after errors that pass. Trap: fasthttp takes each of them for the listener's end, and so a
// burst of connections that takes the last file descriptor would end Parley.
type patientListener struct {
	net.Listener
	log    *slog.Logger
	once   sync.Once
	closed chan struct{}
	failed time.Time // last; used by Accept alone, which one goroutine calls
}

func newPatientListener(l net.Listener, log *slog.Logger) *patientListener {
	return &patientListener{Listener: l, log: log, closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *patientListener) Accept() (net.Conn, error) {
	for pause := firstAcceptPause; ; pause = min(2*pause, longestAcceptPause) {
		conn, err := l.Listener.Accept()
		if !passes(err) {
			return conn, err
		}
		l.note(err)
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		case <-time.After(pause):
		}
	}
}

func passes(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains(passing, errno)
}

// note logs the first failure of an episode.
func (l *patientListener) note(err error) {
	now := time.Now()
	if l.failed.IsZero() || now.Sub(l.failed) >= acceptEpisode {
		l.log.Warn("No further connection can be accepted for now; those that are open go on, and whoever connects waits. "+
			"Where open files are too few, raise their limit (ulimit -n, LimitNOFILE).", "error", err)
	}
	l.failed = now
}

// Close implements net.Listener. It ends an Accept that waits.
func (l *patientListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
