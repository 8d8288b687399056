package private

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// startBound starts cmd so that the kernel ends it when Parley ends, however Parley ends. The signal is SIGTERM: a
// database that shuts down in good order needs no repair at the next start, which waits for its end (endFormer).
//
// The kernel sends it when the *thread* that started the process ends, not when Parley does, and Go ends threads as
// it likes; so one goroutine keeps one thread for ever and does every start.
func startBound(cmd *exec.Cmd) error {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	failed := make(chan error)
	starter() <- func() { failed <- cmd.Start() }
	return <-failed
}

var starter = sync.OnceValue(func() chan<- func() {
	starts := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
	return starts
})
