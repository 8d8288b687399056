package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ, which Linux fixes at 100 for every program (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

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
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(text)
}

// parseStat reads utime and stime, fields 14 and 15. Field 2, the program's name, may hold spaces and parentheses.
func parseStat(text []byte) (time.Duration, error) {
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("a process's stat can't be read: %q", text)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
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
