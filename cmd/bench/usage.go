package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// usage is CPU time that processes have taken so far.
type usage struct{ parley, database, load time.Duration }

func (u usage) since(before usage) usage {
	return usage{u.parley - before.parley, u.database - before.database, u.load - before.load}
}

// cpuOf reads what all threads of a process have taken, 0 for process 0, which stands for one that isn't known.
func cpuOf(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	var taken unix.Timespec
	if err := unix.ClockGettime(cpuClock(pid), &taken); err != nil {
		return 0, fmt.Errorf("the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(taken.Nano()), nil
}

// cpuClock names the clock that counts the nanoseconds of a process, as clock_getcpuclockid(3) does. The times in /proc are
// in steps of 10 ms, which is more than a short measurement takes.
func cpuClock(pid int) int32 {
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h
	return int32(^pid)<<3 | scheduled
}

// ownCPU is what bench itself has taken.
func ownCPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// memoryOf reads a process's resident memory and its proportional share of it, in octets.
func memoryOf(pid int) (resident, proportional uint64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kilo, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64) // only the two below are numbers for sure
		switch name {
		case "Rss":
			resident = kilo << 10
		case "Pss":
			proportional = kilo << 10
		}
	}
	return resident, proportional, nil
}
