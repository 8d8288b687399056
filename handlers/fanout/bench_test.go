package fanout

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/db/chat"
)

// BenchmarkRedis gives what an event costs in processor time: in this process, which is both the node that sends and the
// one that hears, and in Redis. It notifies two events at a time, as a message does, and waits where the queue is long.
func BenchmarkRedis(b *testing.B) {
	for _, listening := range []bool{false, true} {
		b.Run(fmt.Sprintf("heard elsewhere %t", listening), func(b *testing.B) {
			s := startRedis(b)
			from, to := startNode(b, s.url()).ready(), startNode(b, s.url()).ready()
			to.Redis.deliver = func(chat.Event) {}
			from.Redis.deliver = to.Redis.deliver
			for user := range uint64(1000) {
				if listening {
					to.follows(user + 1)
				}
			}
			own, redis := cpu(b), cpuOf(b, s.cmd.Process.Pid)
			n := uint64(0)
			for b.Loop() {
				from.Notify(chat.Event{Type: chat.EventMessage, To: n%1000 + 1, With: "bob", ID: chat.MessageID{Conversation: 300, Seq: n}, Rev: n},
					chat.Event{Type: chat.EventMessage, To: (n+1)%1000 + 1, With: "alice", ID: chat.MessageID{Conversation: 300, Seq: n}, Rev: n})
				for n += 2; from.publisher.waiting() > maxWaiting/2; {
					time.Sleep(time.Millisecond)
				}
			}
			for from.publisher.waiting() > 0 {
				time.Sleep(time.Millisecond)
			}
			b.ReportMetric(float64((cpu(b)-own).Nanoseconds())/float64(n), "own-ns/event")
			b.ReportMetric(float64((cpuOf(b, s.cmd.Process.Pid)-redis).Nanoseconds())/float64(n), "redis-ns/event")
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
			if from.Lost() > 0 {
				b.Errorf("%d events were lost", from.Lost())
			}
		})
	}
}

func (p *publisher) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOf is the processor time of another process; 0 where the system doesn't say. Its clock ticks 100 times a second.
func cpuOf(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
