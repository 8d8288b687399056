package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// crowd is many people with windows that nobody looks at.
type crowd struct {
	o     options
	s     *server
	seats []*seat
	open  atomic.Int64

	began    atomic.Int64 // when the storm did, Unix nanoseconds; 0: there is none
	back     histogram    // how long after that windows were open again
	caughtUp histogram    // and had all that they had missed
	putOff   atomic.Int64 // catch-ups that had to be tried again
	places   chan struct{}

	faults  faultLog
	leaving context.Context
	leave   context.CancelFunc
	living  sync.WaitGroup
}

// seat is one window, which is opened again whenever it closes.
type seat struct {
	crowd   *crowd
	person  *person
	partner string   // whose conversation the window's page shows
	source  net.Addr // nil: whatever the system picks
	wasBack bool     // the storm has passed for it
	mu      sync.Mutex
	window  *window
}

// windowsEach is how many windows each person has open: a phone, and tabs.
const windowsEach = 4

// fromEach is how many windows come from one address: it has some 28,000 ports, and those of closed ones stay taken for
// a minute.
const fromEach = 5000

func newCrowd(ctx context.Context, o options, s *server) (*crowd, error) {
	if err := allowFiles(uint64(o.Windows)); err != nil {
		return nil, err
	}
	n := min((o.Windows+windowsEach-1)/windowsEach, o.numbered())
	people, err := s.signedIn(ctx, n)
	if err != nil {
		return nil, err
	}
	c := &crowd{o: o, s: s, places: make(chan struct{}, asking)}
	c.leaving, c.leave = context.WithCancel(ctx)
	for i := range o.Windows {
		seat := &seat{crowd: c, person: people[i%n], partner: people[(i+1)%n].name}
		if strings.HasPrefix(s.address, "127.") {
			seat.source = &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/fromEach))}
		}
		c.seats = append(c.seats, seat)
	}
	return c, nil
}

// spareFiles is for what else is open, and for requests.
const spareFiles = asking + 1000

// allowFiles raises the limit of open files, for bench and for the server that it starts.
func allowFiles(windows uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	want := windows + spareFiles
	if limit.Cur >= want {
		return nil
	}
	limit.Cur, limit.Max = want, max(want, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d windows need a limit of %d open files (ulimit -n): %w", windows, want, err)
	}
	return nil
}

// opening is how many windows are opened at the same time.
const opening = 64

// openAll opens every window once, and returns when all of them are open.
func (c *crowd) openAll(ctx context.Context) error {
	c.s.say("  opening %d windows", len(c.seats))
	next, failed := atomic.Int64{}, make(chan error, opening)
	var openers sync.WaitGroup
	for range opening {
		openers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(c.seats) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := c.seats[i].sit(); err != nil {
					failed <- fmt.Errorf("window %d of %d: %w", i+1, len(c.seats), err)
					return
				}
			}
		})
	}
	openers.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

// sit opens the window and has it live from then on.
func (s *seat) sit() error {
	if err := s.connect(); err != nil {
		return err
	}
	s.crowd.living.Go(s.live)
	return nil
}

func (s *seat) connect() error {
	w, err := openWindow(s.person, s.source, 512)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crowd.leaving.Err() != nil {
		w.close()
		return errInterrupted
	}
	s.window = w
	s.crowd.open.Add(1)
	return nil
}

func (s *seat) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.window != nil {
		s.window.close()
	}
}

// live answers pings until the window closes, and then opens it again as a page does, until the crowd leaves.
func (s *seat) live() {
	for {
		s.listen()
		s.crowd.open.Add(-1)
		began := s.crowd.began.Load()
		if s.crowd.leaving.Err() != nil {
			return
		}
		if began == 0 || s.wasBack {
			s.crowd.faults.failed("a window of %s closed by itself", s.person.name)
			return
		}
		if !s.reconnect() {
			return
		}
		s.wasBack = true
		s.crowd.back.record(time.Since(time.Unix(0, began)))
		s.catchUp()
	}
}

func (s *seat) listen() {
	for {
		if _, err := s.window.next(); err != nil {
			s.window.close()
			return
		}
	}
}

// The pauses before a page opens its window again: static/live.js.
const (
	leastPause, mostPause = 300 * time.Millisecond, 2 * time.Second
	laterPause            = 3 * time.Second // after the third failure
)

func (s *seat) reconnect() bool {
	for failures := 1; ; failures++ {
		wait := leastPause + rand.N(mostPause-leastPause)
		if failures > 3 {
			wait = laterPause
		}
		if pause(s.crowd.leaving, wait) != nil {
			return false
		}
		if err := s.connect(); err == nil || errors.Is(err, errInterrupted) {
			return err == nil
		}
	}
}

// tickEvery is how often a page makes good a catch-up that failed: static/live.js.
const tickEvery = 2 * time.Second

// catchUp asks for what a page asks for when its window is open again, until it has it.
func (s *seat) catchUp() {
	for !s.crowd.ask(s) {
		s.crowd.putOff.Add(1)
		if pause(s.crowd.leaving, tickEvery) != nil {
			return
		}
	}
	s.crowd.caughtUp.record(time.Since(time.Unix(0, s.crowd.began.Load())))
}

// asking is how many catch up at the same time, so that neither bench nor the server runs out of files, of which each has
// as many again for the windows. Who waits for that waits on the server's account.
const asking = 4000

// ask fetches the conversation's changes and the list.
func (c *crowd) ask(s *seat) bool {
	c.places <- struct{}{}
	defer func() { <-c.places }()
	l := link{address: s.person.at.address, source: s.source}
	defer l.close()
	for _, path := range []string{"/messages?limit=100&since_rev=1000000000&with=" + s.partner, "/conversations?limit=20&current=" + s.partner} {
		a, err := l.get(path, s.person.headers, asFragment)
		if err != nil || a.status == 503 {
			return false
		}
		if a.status != 200 {
			c.faults.wrong("the catch-up of %s: status %d: %.200s", s.person.name, a.status, a.body)
			return false
		}
	}
	return true
}

// close closes every window and returns when nothing of the crowd is left.
func (c *crowd) close() {
	c.leave()
	for _, s := range c.seats {
		s.drop()
	}
	c.living.Wait()
}
